"""Step 8, thresholds: each feature's map is outlined on the slice and as a surface where it is above its threshold."""

import bpy
from bpy.types import Context, Operator

from ...tomo.errors import TomosegError
from .. import jobs, state, thresholding
from .common import Action, OfFeature, OfTomogram


class TOMOSEG_OT_outline_map(OfFeature, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.outline_map"
    bl_label = "Surface of Map"
    bl_description = "Make the surface of the feature's map at its threshold: a coarse one at once, then the full one"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_feature"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        name = state.tomogram_named(scene, self.tomogram).name
        thresholding.keep_levels(scene)
        feature = state.feature_named(scene, self.feature).name
        return thresholding.outline_map(scene, name, feature, preview=not bpy.app.background)


class TOMOSEG_OT_use_trained_threshold(OfFeature, Action, Operator):
    bl_idname = "tomoseg.use_trained_threshold"
    bl_label = "Use Trained Threshold"
    bl_description = "Set the threshold to the one that divided best on the boxes that training held back"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_feature"

    def act(self, context: Context) -> str:
        feature = state.feature_named(context.scene, self.feature)
        if not feature.trained:
            raise TomosegError(f"{feature.name} was not trained here: train a network, or move the threshold by hand.")
        feature.level = feature.threshold
        thresholding.keep_levels(context.scene)
        return f"Threshold of {feature.name}: {feature.level:.2f}{'; ' + busy if (busy := jobs.busy()) else ''}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_outline_map, TOMOSEG_OT_use_trained_threshold))
