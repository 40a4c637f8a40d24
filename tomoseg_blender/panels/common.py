"""What all panels share: their place in the sidebar, wrapped sentences, and the progress of a job."""

import textwrap
from typing import Any

from bpy.types import Context

from .. import jobs, state

PIXELS_PER_LETTER = 6.7  # of Blender's interface font at its usual size, measured on screenshots
MARGIN = 60
LIST_MARGIN = 105  # with the icon and the scroll bar


class TomosegPanel:
    """A panel in the sidebar tab "Tomoseg" of the 3D view."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Tomoseg"


def sentence(layout: Any, context: Context, text: str, icon: str = "NONE", *, alert: bool = False) -> None:
    """A sentence over as many lines as the sidebar's width asks for; labels do not wrap by themselves."""
    scale = context.preferences.system.ui_scale
    letters = max(16, int((context.region.width - MARGIN * scale) / (PIXELS_PER_LETTER * scale)))
    column = layout.column(align=True)
    column.alert = alert
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(text, letters) or [""]):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if icon != "NONE" else "NONE"))


def letters_in_list(context: Context) -> int:
    """How many letters a line of a list with an icon holds."""
    scale = context.preferences.system.ui_scale
    return max(16, int((context.region.width - LIST_MARGIN * scale) / (PIXELS_PER_LETTER * scale)))


def operator(layout: Any, name: str, **settings: Any) -> Any:
    """A button of `tomoseg.<name>`; returns its properties."""
    return layout.operator(f"tomoseg.{name}", **settings)


def step_row(layout: Any, context: Context, reason: str) -> Any:
    """A row for a step's buttons: greyed out, with the reason above, where the step cannot run yet.

    They can be pressed all the same: what another program has written meanwhile counts, and errors are told.
    """
    if reason:
        sentence(layout, context, reason, "INFO")
    row = layout.row(align=True)
    row.active = not reason
    return row


def feature_or_hint(layout: Any, context: Context) -> Any:
    """The active feature; where there is none yet, None, and the panel says what to do."""
    feature = state.active_feature(context.scene)
    if feature is None:
        sentence(layout, context, "Add a feature first", "INFO")
    return feature


def draw_job(layout: Any, context: Context, step: str) -> None:
    """Progress and Cancel while a job of this step runs, and how the last one ended."""
    job = jobs.running(step)
    if job is not None:
        draw_progress(layout, context, job)
        return
    last = jobs.outcome(step)
    if last is not None:
        icon = "ERROR" if last.failed else "CHECKMARK"
        sentence(layout, context, last.sentence, icon, alert=last.failed)


def draw_progress(layout: Any, context: Context, job: Any) -> None:
    """What is being done, the bar with time left, and Cancel."""
    sentence(layout, context, job.message)
    row = layout.row(align=True)
    row.progress(factor=job.fraction, type="BAR", text=job.done)
    row.operator("tomoseg.cancel_job", text="", icon="X")
