"""Step 9: correct the mask, component by component, and save it as its next version."""

import bpy
from bpy.types import Context, Panel

from .. import mask_edits
from .common import TomosegPanel, operator, sentence

SHOWN = 6  # corrections that are listed


class TOMOSEG_PT_correct(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_correct"
    bl_label = "Correct"
    bl_parent_id = "TOMOSEG_PT_results"

    def draw(self, context: Context) -> None:
        layout, scene = self.layout, context.scene
        group = scene.tomoseg.masks
        operator(layout, "pick_component", icon="EYEDROPPER")
        if group.picked:
            sentence(layout, context, group.picked, "RESTRICT_SELECT_OFF")
        column = layout.column(align=True)
        operator(column, "delete_component", text="Delete", icon="TRASH")
        row = group.labels[group.label_index] if group.label_index < len(group.labels) else None
        text = "Relabel" if row is None else f"Relabel as {row.name}"
        operator(column, "relabel_component", text=text, icon="FILE_REFRESH")
        operator(column, "component_to_boxes", text="Negative Boxes", icon="MESH_PLANE")
        edits = [edit for edit in group.edits if edit.mask == group.file]
        for edit in edits[-SHOWN:]:
            layout.label(text=mask_edits.sentence_of(scene, edit), icon="DOT")
        if len(edits) > SHOWN:
            layout.label(text=f"and {len(edits) - SHOWN} before")
        if edits:
            row = layout.row(align=True)
            operator(row, "save_mask", text="Save", icon="FILE_TICK")
            operator(row, "discard_corrections", text="Discard", icon="LOOP_BACK")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_correct,))
