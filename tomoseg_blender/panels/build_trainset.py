"""Step 5: build the training set from boxes and labels."""

import bpy
from bpy.types import Context, Panel

from .common import TomosegPanel, draw_job, operator, step_row


class TOMOSEG_PT_trainset(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_trainset"
    bl_label = "5  Training Set"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.trainset
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(options, "copies")
        layout.prop(options, "context")
        row = step_row(layout, context, context.scene.tomoseg.reasons.trainset)
        operator(row, "build_trainset", icon="OUTLINER_OB_LATTICE")
        draw_job(layout, context, "trainset")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_trainset,))
