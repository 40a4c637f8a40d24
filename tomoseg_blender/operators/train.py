"""Step 6, training: a network for one feature, and the triplets that show how well it learned."""

from pathlib import Path
from typing import Any

import bpy
from bpy.types import Context, Operator, Scene

from ...tomo.errors import TomosegError
from ...tomo.words import judged_on
from .. import jobs, pictures, state
from ..settings import TrainSettings, settings_of
from .common import Action, OfFeature


class _Train(TrainSettings, OfFeature, Action):
    """What training anew and training on share."""

    needs = "no_feature"
    waits = True
    go_on = False

    def act(self: Any, context: Context) -> str:
        scene = context.scene
        feature = state.feature_named(scene, self.feature)
        options = settings_of(self, context, "train", TrainSettings)
        params = training_request(scene, feature, options, go_on=self.go_on)
        return jobs.start(scene, "train", f"Training {feature.name}", ("train", params), trained)


def training_request(scene: Scene, feature: Any, options: dict[str, Any], *, go_on: bool) -> dict[str, Any]:
    """The parameters of the worker's training. Raises TomosegError where training set or network are missing."""
    project = state.require_project(scene)
    trainset, network = project.trainset_path(feature.name), project.network_path(feature.name)
    if not trainset.is_file():
        raise TomosegError(f"Build the training set of {feature.name} first.")
    if go_on and not network.is_file():
        raise TomosegError(f"There is no network of {feature.name} to train on: train one first.")
    recipe = "" if options["recipe"] == "own" else options["recipe"]
    params = {"project": str(project.folder), "feature": feature.name, **options, "recipe": recipe}
    return {**params, "from_trained": str(network)} if go_on else params


class TOMOSEG_OT_train(_Train, Operator):
    bl_idname = "tomoseg.train"
    bl_label = "Train"
    bl_description = "Train a network for the feature from its training set"
    bl_options = {"REGISTER"}


class TOMOSEG_OT_continue_training(_Train, Operator):
    bl_idname = "tomoseg.continue_training"
    bl_label = "Continue"
    bl_description = "Train the feature's network on, with its last learning rate or a smaller one"
    bl_options = {"REGISTER"}
    go_on = True


def trained(scene: Scene, result: dict[str, Any]) -> str:
    """What follows a training, live or not: the triplets are shown, and its score told."""
    state.refresh(scene)
    if not bpy.app.background and result.get("triplets"):
        pictures.show(Path(result["triplets"]))
    dice = result["dice"]
    score = "no box held out to score on" if dice is None else f"Dice {dice:.2f} on {judged_on(result['held_out'])}"
    return f"Trained {result['feature']}: {score}; look at the triplets before going on"


class TOMOSEG_OT_show_training_result(OfFeature, Action, Operator):
    bl_idname = "tomoseg.show_training_result"
    bl_label = "Show Triplets"
    bl_description = "Show box, label and network output of the training set side by side, in an Image Editor"
    bl_options = {"REGISTER"}
    needs = "no_feature"

    def act(self, context: Context) -> str:
        feature = state.feature_named(context.scene, self.feature)
        path = state.require_project(context.scene).triplets_path(feature.name)
        if not path.is_file():
            raise TomosegError(f"There are no triplets of {feature.name} yet: train its network first.")
        pictures.show(path)
        return f"Triplets of {feature.name}: box, label, output"


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_train, TOMOSEG_OT_continue_training, TOMOSEG_OT_show_training_result)
)
