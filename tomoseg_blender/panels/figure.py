"""Step 11: the figure, and films of it."""

from typing import Any

import bpy
from bpy.types import Context, Panel, UIList

from .common import TomosegPanel, draw_job, operator, step_row


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
        if options.preset == "cut_open":
            layout.row().prop(options, "cut_axis", expand=True)
            layout.prop(options, "cut_position")
        layout.prop(options, "background")
        layout.row().prop(options, "slice_axis", expand=True)
        column = layout.column(align=True)
        column.prop(options, "width")
        column.prop(options, "height")
        layout.row().prop(options, "engine", expand=True)
        operator(step_row(layout, context, context.scene.tomoseg.reasons.figure), "figure", icon="RENDER_STILL")
        draw_job(layout, context, "figure")


class TOMOSEG_PT_figure_look(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_figure_look"
    bl_parent_id = "TOMOSEG_PT_figure"
    bl_label = "Look"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.figure
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True, heading="With")
        for name in ("outline", "silhouettes", "scale_bar", "legend", "use_volumes", "transparent"):
            column.prop(options, name)
        layout.prop(options, "haze")
        column = layout.column(align=True)
        column.prop(options, "elevation")
        column.prop(options, "turn")
        layout.prop(options, "samples")


class TOMOSEG_UL_views(UIList):
    """The saved views; a double click renames one."""

    bl_idname = "TOMOSEG_UL_views"

    def draw_item(
        self,
        _context: Context,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: int,
        _active: Any,
        _name: str,
        index: int = 0,
    ) -> None:
        """One row: the name, and the way there."""
        row = layout.row(align=True)
        row.prop(item, "name", text="", emboss=False)
        operator(row, "go_to_view", text="", icon="HIDE_OFF", emboss=False).index = index


class TOMOSEG_PT_film(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_film"
    bl_parent_id = "TOMOSEG_PT_figure"
    bl_label = "Film"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        layout.use_property_decorate = False
        row = layout.row()
        row.template_list("TOMOSEG_UL_views", "", group, "views", group, "view_index", rows=3)
        column = row.column(align=True)
        operator(column, "add_view", text="", icon="ADD")
        operator(column, "remove_view", text="", icon="REMOVE")
        operator(column, "move_view", text="", icon="TRIA_UP").direction = "up"
        operator(column, "move_view", text="", icon="TRIA_DOWN").direction = "down"
        column = layout.column()
        column.use_property_split = True
        for name in ("kind", "seconds", "rate"):
            column.prop(group.film, name)
        operator(layout, "film", icon="RENDER_ANIMATION")


_CLASSES = (TOMOSEG_PT_figure, TOMOSEG_PT_figure_look, TOMOSEG_UL_views, TOMOSEG_PT_film)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
