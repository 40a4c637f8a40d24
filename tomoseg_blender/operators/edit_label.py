"""Labels made from labels or the network's map, to be corrected by hand: fill, copy, interpolate, take over."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import EnumProperty
from bpy.types import Context, Operator, Scene
from numpy.typing import NDArray

from ...tomo import label_edit, mrc
from ...tomo.errors import TomosegError
from ...tomo.words import counted
from .. import jobs, live, relabelling, state
from ..relabelling import ShownLabel
from .common import Action


class TOMOSEG_OT_fill_label(Action, Operator):
    bl_idname = "tomoseg.fill_label"
    bl_label = "Fill Contours"
    bl_description = "Fill all that closed contours of the feature's label on this slice enclose"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def act(self, context: Context) -> str:
        count = relabelling.replace_label(context.scene, lambda shown: label_edit.fill_contours(shown.label))
        if not count:
            raise TomosegError("No contour on this slice is closed: draw a ring around the feature, then fill it.")
        return f"Filled {counted(count, 'voxel')}"


class TOMOSEG_OT_copy_label(Action, Operator):
    bl_idname = "tomoseg.copy_label"
    bl_label = "Copy Label"
    bl_description = "Take the label of the nearest painted slice for this one, to be corrected"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    source: EnumProperty(  # type: ignore[valid-type]
        name="From",
        items=(
            ("nearest", "Nearest", "The nearest painted slice"),
            ("below", "Below", "The nearest painted slice with a smaller z"),
            ("above", "Above", "The nearest painted slice with a larger z"),
        ),
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        shown = relabelling.shown_label(scene)
        step = {"nearest": 0, "below": -1, "above": 1}[self.source]
        painted = relabelling.painted_slices(scene, shown.item, shown.feature)
        z = label_edit.nearest_painted(painted, shown.z, step)
        if z is None:
            raise TomosegError(f"No other slice of {shown.item.name} has a label of {shown.feature.name}: paint one.")
        relabelling.replace_label(scene, lambda _shown: relabelling.label_on(scene, shown, z))
        return f"Copied the label of slice {z}"


class TOMOSEG_OT_interpolate_label(Action, Operator):
    bl_idname = "tomoseg.interpolate_label"
    bl_label = "Interpolate Label"
    bl_description = "Make this slice's label from those of the nearest painted slices below and above"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def act(self, context: Context) -> str:
        scene = context.scene
        shown = relabelling.shown_label(scene)
        ends = label_edit.neighbours(relabelling.painted_slices(scene, shown.item, shown.feature), shown.z)
        if ends is None:
            raise TomosegError(f"Paint {shown.feature.name} on a slice below and on one above this one first.")
        below, above = (relabelling.label_on(scene, shown, z) for z in ends)
        label = label_edit.interpolate(below, above, (shown.z - ends[0]) / (ends[1] - ends[0]))
        relabelling.replace_label(scene, lambda _shown: label)
        return f"Interpolated between slices {ends[0]} and {ends[1]}"


class TOMOSEG_OT_label_from_map(Action, Operator):
    bl_idname = "tomoseg.label_from_map"
    bl_label = "Take Prediction"
    bl_description = "Take what the feature's network finds on this slice as its label, to be corrected"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def act(self, context: Context) -> str:
        return take_prediction(context.scene, relabelling.shown_label(context.scene))


def take_prediction(scene: Scene, shown: ShownLabel, where: label_edit.Mask | None = None) -> str:
    """Make what the network finds on the shown slice (where: bool [y, x], there only) its label; call it with UNDO.

    It is what live training shows, or the map in the project, or the network is asked. Raises TomosegError.
    """
    found = _known_map(scene, shown)
    if found is not None:
        return f"Took {counted(take_map(scene, found, where), 'voxel')} of the prediction as the label"
    if not state.require_project(scene).network_path(shown.feature.name).is_file():
        raise TomosegError(f"{shown.feature.name} has neither a network nor a map yet: train a network first.")
    return _ask_network(scene, shown, where)


def _known_map(scene: Scene, shown: ShownLabel) -> NDArray[Any] | None:
    """The map [y, x] of the shown slice as far as it is known, NaN elsewhere; None where nobody has looked yet."""
    shape = (shown.label.shape[0], shown.label.shape[1])
    now, predicted = live.training(), live.prediction_of(scene)
    if predicted is not None:
        return live.whole_slice(predicted, shape)
    if now is not None and now.feature == shown.feature.name:
        raise TomosegError("Live training has not looked at this slice yet: wait until its prediction is seen.")
    path = state.require_project(scene).segmentation_path(shown.item.name, shown.feature.name)
    if not path.is_file():
        return None
    found = mrc.open_tomogram(path)
    return np.asarray(found.data[shown.z]) if found.shape == tuple(shown.item.shape) else None


def take_map(scene: Scene, found: NDArray[Any], where: label_edit.Mask | None = None) -> int:
    """Label where a map [y, x] is above the network's threshold; returns how many voxels changed."""

    def change(now: ShownLabel) -> label_edit.Label:
        return label_edit.label_of_map(found, live.threshold(now.feature), now.label, where)

    return relabelling.replace_label(scene, change)


def _ask_network(scene: Scene, shown: ShownLabel, where: label_edit.Mask | None) -> str:
    """Let the worker look at this one slice; the label follows when it has answered."""
    project, name, feature, z = state.require_project(scene), shown.item.name, shown.feature.name, shown.z
    params = {
        "network": str(project.network_path(feature)),
        "tomogram": str(project.tomogram_path(name)),
        "z": z,
        "output": str(project.folder / "previews" / f"{name}__{feature}_z{z:05d}.npy"),
    }

    def answered(scene: Scene, result: dict[str, Any]) -> str:
        now = relabelling.shown_label(scene)
        if (now.item.name, now.feature.name, now.z) != (name, feature, z):
            return f"Slice {z} was left before the network had answered: go back and take its prediction again."
        count = take_map(scene, np.load(Path(result["preview"]), allow_pickle=False), where)
        bpy.ops.ed.undo_push(message="Take Prediction")
        return f"Took {counted(count, 'voxel')} of the prediction as the label."

    return jobs.start(scene, "paint", f"Looking at slice {z}", ("preview", params), answered)


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_fill_label,
        TOMOSEG_OT_copy_label,
        TOMOSEG_OT_interpolate_label,
        TOMOSEG_OT_label_from_map,
    )
)
