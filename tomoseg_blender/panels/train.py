"""Step 6: train the network, and look at the triplets before going on."""

import bpy
from bpy.types import Context, Panel

from .. import state
from .common import TomosegPanel, draw_job, operator, sentence, step_row


class TOMOSEG_PT_train(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_train"
    bl_label = "6  Train"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, options = self.layout, context.scene.tomoseg.train
        feature = state.active_feature(context.scene)
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("network", "iterations", "learning_rate", "batch_size", "device"):
            layout.prop(options, name)
        if options.network == "classic":
            layout.prop(options, "recipe")
        else:
            layout.prop(options, "cold_start")
        sentence(layout, context, "0: the network's own default")
        row = step_row(layout, context, context.scene.tomoseg.reasons.train)
        operator(row, "train", icon="PLAY")
        operator(row, "continue_training", icon="FF")
        draw_job(layout, context, "train")
        if feature is not None and feature.trained:
            sentence(
                layout, context, f"Best threshold {feature.threshold:.2f}, last learning rate {feature.learning_rate:g}"
            )
            operator(layout, "show_training_result", icon="IMAGE_DATA")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_train,))
