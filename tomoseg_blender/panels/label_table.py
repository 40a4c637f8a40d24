"""Step 9: the labels of the mask, with names and colours to edit."""

from typing import Any

import bpy
from bpy.types import Context, Panel, UIList

from .common import TomosegPanel, operator, sentence


class TOMOSEG_UL_labels(UIList):
    """One label per line: its integer, name and colour."""

    bl_idname = "TOMOSEG_UL_labels"

    def draw_item(
        self,
        _context: Context,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: int,
        _active_data: Any,
        _active_property: str,
        _index: int = 0,
        _flag: int = 0,
    ) -> None:
        row = layout.row(align=True)
        split = row.split(factor=0.12)
        split.label(text=str(item.value))
        row = split.row(align=True)
        row.prop(item, "name", text="", emboss=False)
        swatch = row.row()
        swatch.scale_x = 0.4
        swatch.prop(item, "colour", text="")


class TOMOSEG_PT_labels(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_labels"
    bl_label = "Labels"
    bl_parent_id = "TOMOSEG_PT_results"

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg.masks
        if not group.file:
            sentence(layout, context, "Merge maps into a mask, or import one", "INFO")
            return
        layout.label(text=group.file)
        layout.template_list(
            TOMOSEG_UL_labels.bl_idname, "", group, "labels", group, "label_index", rows=max(3, len(group.labels))
        )
        row = layout.row(align=True)
        operator(row, "add_label", text="Add", icon="ADD")
        operator(row, "palette_colours", text="Palette", icon="COLOR")
        column = layout.column(align=True)
        column.operator_context = "EXEC_DEFAULT"
        row = next((one for one in (group.labels[group.label_index : group.label_index + 1])), None)
        if row is not None:
            take = operator(column, "label_from_mask", text=f"Train on {row.name}", icon="BRUSH_DATA")
            take.label = row.name


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_UL_labels, TOMOSEG_PT_labels))
