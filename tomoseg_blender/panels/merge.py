"""Step 8: let the maps of all features compete, and write one mask."""

import bpy
from bpy.types import Context, Panel

from .common import TomosegPanel, draw_job, operator, step_row


class TOMOSEG_PT_merge(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_merge"
    bl_label = "8  Merge"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.merge
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.active = not options.trained_thresholds
        for feature in context.scene.tomoseg.features:
            if feature.has_map:
                column.prop(feature, "level", text=feature.name, slider=True)
        layout.prop(options, "trained_thresholds")
        masks = context.scene.tomoseg.masks
        column = layout.column(align=True, heading="Show")
        column.prop(masks, "outlines")
        column.prop(masks, "follow")
        operator(step_row(layout, context, context.scene.tomoseg.reasons.merge), "merge", icon="AUTOMERGE_ON")
        operator(layout, "resample", icon="FULLSCREEN_ENTER")
        draw_job(layout, context, "merge")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_merge,))
