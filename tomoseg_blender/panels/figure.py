"""Step 11: the figure."""

import bpy
from bpy.types import Context, Panel

from .common import TomosegPanel, draw_job, operator


class TOMOSEG_PT_figure(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_figure"
    bl_label = "11  Figure"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.figure
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(options, "preset")
        if options.preset == "single":
            layout.prop(options, "features", text="Feature")
        layout.prop(options, "background")
        layout.row().prop(options, "slice_axis", expand=True)
        column = layout.column(align=True, heading="With")
        for name in ("outline", "scale_bar", "legend", "use_volumes", "transparent"):
            column.prop(options, name)
        column = layout.column(align=True)
        column.prop(options, "width")
        column.prop(options, "height")
        layout.prop(options, "samples")
        operator(layout, "figure", icon="RENDER_STILL")
        draw_job(layout, context, "figure")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_figure,))
