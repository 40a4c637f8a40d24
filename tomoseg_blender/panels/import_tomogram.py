"""Step 1: import tomograms, shrunk and filtered."""

import bpy
from bpy.types import Context, Panel

from .common import TomosegPanel, draw_job, operator


class TOMOSEG_PT_import(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_import"
    bl_label = "1  Import Tomograms"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.import_options
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(options, "shrink")
        layout.prop(options, "voxel_size")
        column = layout.column(align=True, heading="Preprocess")
        column.prop(options, "filter")
        column.prop(options, "invert")
        column.prop(options, "rotate_x")
        if options.filter:
            column = layout.column(align=True)
            column.prop(options, "lowpass")
            column.prop(options, "highpass")
        column = layout.column(align=True)
        column.prop(options, "clamp")
        column.prop(options, "normalise")
        layout.prop(options, "variant")
        operator(layout, "import_tomogram", icon="IMPORT")
        draw_job(layout, context, "import")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_import,))
