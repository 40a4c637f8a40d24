"""Step 0: the project folder and its features."""

from typing import Any

import bpy
from bpy.types import Context, Panel, UIList

from .common import TomosegPanel, operator, sentence


class TOMOSEG_UL_features(UIList):
    bl_idname = "TOMOSEG_UL_features"

    def draw_item(
        self, _context: Context, layout: Any, _data: Any, item: Any, _icon: int, _active_data: Any, _active_name: str
    ) -> None:
        row = layout.row(align=True)
        colour = row.row()
        colour.ui_units_x = 1.2
        colour.prop(item, "colour", text="")
        row.label(text=f" {item.name}")
        if item.trained:
            row.label(text="", icon="CHECKMARK")


class TOMOSEG_PT_project(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_project"
    bl_label = "Project"

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        if not group.folder:
            operator(layout, "create_project", icon="NEWFOLDER")
            operator(layout, "open_project", icon="FILE_FOLDER")
            return
        row = layout.row(align=True)
        row.prop(group, "folder", text="")
        operator(row, "open_project", text="", icon="FILE_FOLDER")
        operator(row, "reload_project", text="", icon="FILE_REFRESH")
        layout.label(text="Features")
        row = layout.row()
        row.template_list("TOMOSEG_UL_features", "", group, "features", group, "feature_index", rows=3)
        column = row.column(align=True)
        operator(column, "add_feature", text="", icon="ADD")
        operator(column, "remove_feature", text="", icon="REMOVE")
        if not len(group.features):
            sentence(layout, context, "Add a feature to look for, such as membrane", "INFO")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_UL_features, TOMOSEG_PT_project))
