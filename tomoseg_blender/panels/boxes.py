"""Step 3: boxes, about 10 that show the feature and about 100 that lack it."""

import bpy
from bpy.types import Context, Panel

from ...tomo.boxes import ADVISED_NEGATIVES, ADVISED_POSITIVES
from .common import TomosegPanel, draw_job, feature_or_hint, operator


class TOMOSEG_PT_boxes(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_boxes"
    bl_label = "3  Boxes"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        feature = feature_or_hint(layout, context)
        if feature is None:
            return
        operator(layout, "use_box_tool", icon="MESH_CUBE")
        layout.row(align=True).prop(group, "box_kind", expand=True)
        row = layout.row(align=True)
        row.prop(group, "box_size")
        operator(row, "add_box", text="At Cursor", icon="ADD")
        row = layout.row(align=True)
        operator(row, "next_box", text="", icon="TRIA_LEFT").step = -1
        operator(row, "next_box", text="Next Box").step = 1
        operator(row, "delete_box", text="", icon="TRASH")
        column = layout.column(align=True)
        column.label(text=f"{feature.name}: {feature.positives} positive of about {ADVISED_POSITIVES}")
        column.label(text=f"{feature.negatives} negative of about {ADVISED_NEGATIVES}", icon="BLANK1")
        operator(layout, "show_gallery", icon="IMGDISPLAY")
        column = layout.column(align=True)
        operator(column, "suggest_negatives", icon="LIGHT_SUN")
        operator(column, "borrow_negatives")
        row = layout.row(align=True)
        operator(row, "import_rois", text="From EMAN2", icon="IMPORT")
        operator(row, "export_rois", text="To EMAN2", icon="EXPORT")
        draw_job(layout, context, "boxes")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_boxes,))
