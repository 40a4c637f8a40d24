"""Step 4: paint the feature in its positive boxes."""

import bpy
from bpy.types import Context, Panel

from ...tomo.words import counted
from .common import TomosegPanel, feature_or_hint, operator, sentence


class TOMOSEG_PT_paint(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_paint"
    bl_label = "4  Paint Labels"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        feature = feature_or_hint(layout, context)
        if feature is None:
            return
        if context.mode == "PAINT_TEXTURE":
            operator(layout, "finish_painting", icon="CHECKMARK", depress=True)
        else:
            operator(layout, "paint_slice", icon="BRUSH_DATA")
        layout.row(align=True).prop(group, "paint_role", expand=True)
        row = layout.row(align=True)
        row.prop(group, "brush_radius")
        row.prop(group, "erase", toggle=True)
        layout.prop(group, "label_opacity")
        grid = layout.grid_flow(columns=2, align=True, even_columns=True)
        operator(grid, "fill_label")
        operator(grid, "copy_label")
        operator(grid, "interpolate_label", text="Interpolate")
        operator(grid, "label_from_map")
        layout.prop(group, "flood_likeness")
        row = layout.row(align=True)
        operator(row, "save_labels", icon="FILE_TICK")
        operator(row, "label_from_mask", text="From Volume", icon="IMPORT")
        sentence(layout, context, f"{feature.name}: {counted(feature.painted, 'slice')} painted")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_paint,))
