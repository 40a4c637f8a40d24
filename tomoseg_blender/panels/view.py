"""Step 2: choose a tomogram, show it, step through its slices."""

from typing import Any

import bpy
from bpy.types import Context, Panel, UIList

from ...tomo.words import counted
from .. import sections, state
from .common import TomosegPanel, draw_job, operator, sentence


class TOMOSEG_UL_tomograms(UIList):
    bl_idname = "TOMOSEG_UL_tomograms"

    def draw_item(
        self, _context: Context, layout: Any, data: Any, item: Any, _icon: int, _active_data: Any, _active_name: str
    ) -> None:
        icon = "ERROR" if item.missing else ("HIDE_OFF" if item.name == data.shown else "BLANK1")
        layout.label(text=item.name, icon=icon)
        if item.segmentations:
            layout.label(text=counted(item.segmentations, "map"))


class TOMOSEG_PT_view(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_view"
    bl_label = "2  View"

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        layout.template_list("TOMOSEG_UL_tomograms", "", group, "tomograms", group, "tomogram_index", rows=2)
        row = layout.row(align=True)
        operator(row, "next_tomogram", text="", icon="TRIA_LEFT").step = -1
        operator(row, "show_tomogram", icon="HIDE_OFF")
        operator(row, "next_tomogram", text="", icon="TRIA_RIGHT").step = 1
        item = state.active_tomogram(context.scene)
        if item is None:
            return
        depth, height, width = item.shape
        size = f"{item.voxel_size:.2f} Å" if item.voxel_size else "voxel size unknown"
        sentence(layout, context, f"{width} × {height} × {depth} voxels, {size}")
        if item.name == group.shown:
            _draw_slice(layout, group, item)
            if sections.MAKER.wants(item.name):
                sentence(layout, context, f"Making a small copy for slices along y and x: {sections.MAKER.part:.0%}")
        draw_job(layout, context, "view")


def _draw_slice(layout: Any, group: Any, item: Any) -> None:
    row = layout.row(align=True)
    row.prop(group, "axis", expand=True)
    row = layout.row(align=True)
    for step, icon in ((-10, "REW"), (-1, "TRIA_LEFT")):
        operator(row, "slice_step", text="", icon=icon).step = step
    row.prop(item, f"slice_{group.axis}")
    for step, icon in ((1, "TRIA_RIGHT"), (10, "FF")):
        operator(row, "slice_step", text="", icon=icon).step = step
    layout.prop(group, "slice_position", slider=True)
    column = layout.column(align=True)
    row = column.row(align=True)
    row.prop(item, "low")
    row.prop(item, "high")
    operator(row, "automatic_contrast", text="", icon="LIGHT_SUN")
    row = column.row(align=True)
    row.prop(item, "invert", toggle=True)
    row.prop(item, "smooth", toggle=True)
    column.prop(item, "thickness")
    operator(layout, "spectrum", icon="MOD_NOISE")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_UL_tomograms, TOMOSEG_PT_view))
