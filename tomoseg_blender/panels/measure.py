"""Step 10: the table of counts, volumes and areas, and that of the parts."""

from typing import Any

import bpy
from bpy.types import Context, Panel, UIList

from ..parts import short
from .common import TomosegPanel, draw_job, operator


class TOMOSEG_UL_parts(UIList):
    """The parts: feature and number, and the value that the table is sorted by. It comes sorted and cut to length."""

    bl_idname = "TOMOSEG_UL_parts"

    def draw_item(
        self,
        _context: Context,
        layout: Any,
        _data: Any,
        item: Any,
        _icon: int,
        _active: Any,
        _name: str,
        _index: int = 0,
    ) -> None:
        """One row."""
        row = layout.split(factor=0.6)
        row.label(text=f"{item.name} {item.number}")
        row.label(text=item.shown)

    def draw_filter(self, _context: Context, _layout: Any) -> None:
        """No filter of its own: it would look at every row each time the window is drawn."""


class TOMOSEG_PT_measure(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_measure"
    bl_label = "10  Measure"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        column = layout.column()
        column.use_property_split = True
        column.use_property_decorate = False
        for name in ("smallest", "distances_to", "relion"):
            column.prop(group.measuring, name)
        row = layout.row(align=True)
        operator(row, "measure", icon="DRIVER_DISTANCE")
        operator(row, "export_star", text="", icon="EXPORT")
        draw_job(layout, context, "measure")
        if not len(group.measures):
            return
        layout.label(text=group.measured)
        _draw_features(layout, group)
        _draw_parts(layout, group)


def _draw_features(layout: Any, group: Any) -> None:
    """One line for each feature."""
    known = any(row.volume for row in group.measures)
    titles = ("Feature", "Parts", "nm³", "nm²") if known else ("Feature", "Parts", "Voxels")
    rows = [titles]
    for row in group.measures:
        sizes = (short(row.volume), short(row.area)) if known else (str(row.voxels),)
        rows.append((row.name, str(row.parts), *sizes))
    column = layout.column(align=True)
    for name, *numbers in rows:
        line = column.split(factor=0.4)
        line.label(text=name)
        cells = line.row()
        for number in numbers:
            cells.label(text=number)


def _draw_parts(layout: Any, group: Any) -> None:
    """The list of parts: a click selects and frames one."""
    row = layout.row(align=True)
    row.prop(group, "parts_sorted_by", text="")
    row.prop_search(group, "parts_of", group, "measures", text="")
    layout.template_list("TOMOSEG_UL_parts", "", group, "parts", group, "part_index", rows=6)
    if group.parts_in_all > len(group.parts):
        layout.label(text=f"The first {len(group.parts)} of {group.parts_in_all}; all are in the CSV")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_UL_parts, TOMOSEG_PT_measure))
