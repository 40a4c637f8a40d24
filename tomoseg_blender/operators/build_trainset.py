"""Step 5, the training set: boxes cut out with their labels, balanced between positives and negatives."""

from typing import Any

import bpy
from bpy.types import Context, Operator, Scene

from ...tomo.words import counted
from .. import boxing, jobs, painting, state
from ..settings import TrainsetSettings, settings_of
from .common import Action, OfFeature


class TOMOSEG_OT_build_trainset(TrainsetSettings, OfFeature, Action, Operator):
    bl_idname = "tomoseg.build_trainset"
    bl_label = "Build Training Set"
    bl_description = "Cut the feature's boxes out with their labels, balanced between positives and negatives"
    bl_options = {"REGISTER"}
    needs = "no_feature"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        feature = state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        project = state.require_project(scene)
        params = {
            "project": str(project.folder),
            "feature": feature.name,
            **settings_of(self, context, "trainset", TrainsetSettings),
        }
        return jobs.start(scene, "trainset", f"Training set of {feature.name}", ("trainset", params), _built)


def _built(scene: Scene, result: dict[str, Any]) -> str:
    state.refresh(scene)
    return f"Training set of {result['positives']} positive and {counted(result['negatives'], 'negative box')}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_build_trainset,))
