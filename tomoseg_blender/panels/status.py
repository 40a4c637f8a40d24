"""What to do next, what runs now, and how the last step ended."""

import bpy
from bpy.types import Context, Panel

from .. import jobs
from .common import TomosegPanel, draw_progress, sentence

LOG_LINES = 6


class TOMOSEG_PT_status(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_status"
    bl_label = "Next Step"

    def draw(self, context: Context) -> None:
        layout = self.layout
        reasons = context.scene.tomoseg.reasons
        wrong = bool(reasons.project)
        sentence(layout, context, reasons.next_step, "ERROR" if wrong else "FORWARD", alert=wrong)
        if reasons.read_only:
            sentence(layout, context, reasons.read_only, "LOCKED", alert=True)
        if reasons.restored:
            sentence(layout, context, reasons.restored, "RECOVER_LAST")
        job, last = jobs.running(), jobs.outcome()
        if job is not None:
            draw_progress(layout, context, job)
            for line in job.log[-LOG_LINES:]:
                sentence(layout, context, line)
        elif last is not None:
            icon = "ERROR" if last.failed else "CHECKMARK"
            sentence(layout, context, f"{last.title}: {last.sentence}", icon, alert=last.failed)
            for line in last.notes:
                sentence(layout, context, line)


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_status,))
