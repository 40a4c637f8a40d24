"""Step 9: surfaces and volumes of the mask, named and coloured by feature, in the scene."""

from typing import Any

import bpy
from bpy.types import Context, Panel

from .common import TomosegPanel, draw_job, operator, step_row


class TOMOSEG_PT_results(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_results"
    bl_label = "9  Surfaces and Volumes"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.surface
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("smallest", "smoothing", "triangles"):
            layout.prop(options, name)
        column = layout.column(align=True, heading="Parts")
        column.prop(options, "split")
        column.prop(options, "open_border")
        column = layout.column(align=True, heading="Make")
        column.prop(options, "surfaces")
        column.prop(options, "volumes")
        reason = "" if context.scene.tomoseg.masks.file else context.scene.tomoseg.reasons.results
        operator(step_row(layout, context, reason), "import_mask", icon="MESH_ICOSPHERE")
        row = layout.row(align=True)
        operator(row, "open_mask", text="Import File", icon="IMPORT")
        row.prop(context.scene.tomoseg.masks, "kind", text="")
        _draw_volumes(layout, context.scene.tomoseg.volume)
        draw_job(layout, context, "results")


def _draw_volumes(layout: Any, options: Any) -> None:
    """The tomogram and the maps as volumes."""
    layout.label(text="Tomogram and Maps as Volumes")
    row = layout.row(align=True)
    operator(row, "import_density", text="Tomogram", icon="VOLUME_DATA")
    operator(row, "import_maps", text="Maps", icon="VOLUME_DATA")
    for name in ("threshold", "half", "most"):
        layout.prop(options, name)


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_results,))
