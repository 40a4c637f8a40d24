"""Steps 7 to 9 for many tomograms at once, below applying."""

import bpy
from bpy.types import Context, Panel

from .common import TomosegPanel, draw_job, operator


class TOMOSEG_PT_batch(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_batch"
    bl_label = "All Steps for Many"
    bl_parent_id = "TOMOSEG_PT_apply"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.batch
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(options, "place")
        layout.prop(options, {"here": "workers"}.get(options.place, options.place))
        column = layout.column(heading="Make", align=True)
        for name in ("tables", "surfaces", "figures"):
            column.prop(options, name)
        operator(layout, "batch", icon="SEQUENCE")
        draw_job(layout, context, "batch")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_batch,))
