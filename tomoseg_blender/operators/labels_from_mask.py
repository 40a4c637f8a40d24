"""Step 4, painting: take the labels of slices from a mask, to be corrected and trained from."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import Context, Operator, Scene
from numpy.typing import NDArray

from ...tomo import mrc
from ...tomo.boxes import POSITIVE
from ...tomo.errors import TomosegError
from ...tomo.labels import FEATURE
from ...tomo.mask_checks import check_label_values, check_same_size
from .. import boxing, jobs, masks, painting, state, viewing
from ..scene import labels
from .common import Action, ChoosesFile, OfFeature, OfTomogram

MOST_SLICES = 64  # each is an image in the scene, so that undo can take it back
THROUGH_WORKER = (".hdf", ".h5", ".hdf5", ".tif", ".tiff")
SLICES = (
    ("boxes", "With Boxes", "All slices with positive boxes of the feature"),
    ("shown", "Shown", "The slice that is shown"),
    ("every", "Every n-th", "Every n-th slice on which the mask has the label"),
)


class TOMOSEG_OT_label_from_mask(ChoosesFile, OfFeature, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.label_from_mask"
    bl_label = "Labels from Volume"
    bl_description = "Take the labels of slices from a mask, such as an older or an imported one, to correct them"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_feature"

    filepath: StringProperty(  # type: ignore[valid-type]
        name="Volume", description="Mask to read; empty: the tomogram's own", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    value: IntProperty(  # type: ignore[valid-type]
        name="Value", description="The feature's value in the volume; 0: all values but 0", default=0, min=0
    )
    label: StringProperty(  # type: ignore[valid-type]
        name="Label", description="Name of the mask's label, instead of its value", options={"SKIP_SAVE"}
    )
    slices: EnumProperty(name="Slices", description="Which slices get labels", items=SLICES)  # type: ignore[valid-type]
    step: IntProperty(name="n", description="Of Every n-th", default=10, min=1)  # type: ignore[valid-type]
    inside_boxes: BoolProperty(  # type: ignore[valid-type]
        name="Inside Boxes Only", description="Leave the label empty outside the positive boxes", default=True
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        feature = _feature_for(scene, self.feature, self.label)
        value = masks.label_value(scene, self.label) if self.label else self.value
        mask = masks.mask_of(scene, item.name, self.filepath)
        wanted = {"value": value, "slices": self.slices, "step": self.step, "inside": self.inside_boxes}
        if not mask.name.lower().endswith(THROUGH_WORKER):
            return take(scene, item.name, feature, mask, wanted)
        project = state.require_project(scene)
        params = {"source": str(mask), "project": str(project.folder), "tomogram": item.name, "kind": "labels"}

        def done(scene: Scene, result: dict[str, Any]) -> str:
            return take(scene, item_name, feature, Path(result["path"]), wanted)

        item_name = str(item.name)
        return jobs.start(scene, "paint", f"Reading {mask.name}", ("import_mask", params), done)


def _feature_for(scene: Scene, name: str, label: str) -> str:
    """The feature that gets the labels: the one named, that with the label's name (added if need be), or the chosen."""
    if not name and label:
        project = state.require_project(scene)
        if label not in [one.name for one in project.features()]:
            value = masks.label_value(scene, label)
            row = next(row for row in scene.tomoseg.masks.labels if row.value == value)
            project.add_feature(label, state.hex_colour(row))
            state.refresh(scene)
        name = label
    return str(state.feature_named(scene, name).name)


def take(scene: Scene, name: str, feature: str, mask: Path, wanted: dict[str, Any]) -> str:
    """Make labels of the chosen slices of a mask; returns the sentence for the user. Raises TomosegError.

    Undo brings what was painted there before back. Nothing is changed where the mask does not fit.
    """
    item, row = state.tomogram_named(scene, name), state.feature_named(scene, feature)
    boxing.save_boxes(scene)
    painting.save_painted(scene)
    volume = mrc.open_tomogram(mask)
    check_same_size(volume.path, volume.shape, item.name, tuple(item.shape), "choose a volume of the same size")
    numbers = _numbers(scene, item, row, volume.data, wanted)
    made = {z: _label(scene, item, row, volume, z, wanted) for z in numbers}
    _begin(scene, item, row, numbers)
    for z, label in made.items():
        painting.put_label(scene, item, row, z, label)
    viewing.show_labels(scene)
    return f"Labelled {row.name} on {len(numbers)} slice{'' if len(numbers) == 1 else 's'} of {item.name}"


def _numbers(scene: Scene, item: Any, feature: Any, data: NDArray[Any], wanted: dict[str, Any]) -> list[int]:
    """The slices that get labels. Raises TomosegError for none, and for more than undo can hold."""
    if wanted["slices"] == "boxes":
        found = boxing.of_feature(scene, feature.name, item.name)
        numbers = sorted({box.centre[2] for box in found if box.kind == POSITIVE})
        if not numbers:
            raise TomosegError(f"{feature.name} has no positive box in {item.name}: place boxes on the feature first.")
    elif wanted["slices"] == "shown":
        numbers = [int(item.slice_z)]
    else:
        value = wanted["value"]
        every = range(wanted["step"] // 2, data.shape[0], wanted["step"])
        numbers = [z for z in every if ((data[z] == value) if value else (data[z] != 0)).any()]
        if not numbers:
            raise TomosegError(f"None of every {wanted['step']} slices has this label: choose a smaller n.")
    if len(numbers) > MOST_SLICES:
        raise TomosegError(f"{len(numbers)} slices at once are too many to undo: choose {MOST_SLICES} or fewer.")
    return numbers


def _label(
    scene: Scene, item: Any, feature: Any, volume: mrc.Tomogram, z: int, wanted: dict[str, Any]
) -> NDArray[np.int8]:
    """The label [y, x] of one slice; with `inside` empty outside the positive boxes of the slice, if it has any."""
    plane = np.asarray(volume.data[z])
    check_label_values(volume.path, plane)
    painted = plane == wanted["value"] if wanted["value"] else plane != 0
    label = np.where(painted, FEATURE, 0).astype(np.int8)
    found = [box for box in boxing.of_feature(scene, feature.name, item.name) if box.kind == POSITIVE]
    here = [box for box in found if box.centre[2] == z]
    if wanted["inside"] and (here or wanted["slices"] == "boxes"):
        inside = np.zeros(label.shape, bool)
        for box in here:
            x, y = (max(start, 0) for start in box.corner)
            inside[y : box.corner[1] + box.size, x : box.corner[0] + box.size] = True
        label[~inside] = 0
    return label


def _begin(scene: Scene, item: Any, feature: Any, numbers: list[int]) -> None:
    """Have the labels of these slices in the scene as they are now: what undo goes back to."""
    for z in numbers:
        painting.images_of_slice(scene, item, feature, z)
        if labels.find_label_image(item.name, feature.name, z) is None:
            shape = (item.shape[1], item.shape[2])
            labels.ensure_label_image(item.name, feature.name, z, shape, state.hex_colour(feature))
    bpy.ops.ed.undo_push(message="Begin labels")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_label_from_mask,))
