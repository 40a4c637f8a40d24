"""Replacing the label of the shown slice by a computed one, so that undo and the project folder agree."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from bpy.types import Scene
from numpy.typing import NDArray

from ..tomo.errors import TomosegError
from ..tomo.labels import annotated_slices, load_label
from . import painting, state, viewing
from .scene import labels

Label = NDArray[np.int8]


@dataclass(frozen=True)
class ShownLabel:
    """The shown slice of the active feature, with its label [y, x] as it is painted now."""

    item: Any
    feature: Any
    z: int
    label: Label


def shown_label(scene: Scene) -> ShownLabel:
    """What is painted on the shown slice now. Raises TomosegError if no tomogram is shown or there is no feature."""
    shown = viewing.shown_tomogram(scene)
    if shown is None:
        raise TomosegError("No tomogram is shown: show one first.")
    item, feature = shown[0], state.feature_named(scene, "")
    images = painting.images_of_slice(scene, item, feature, item.slice_z)
    shape = (item.shape[1], item.shape[2])
    label = np.zeros(shape, np.int8) if images == (None, None) else labels.read_label(*images)
    return ShownLabel(item, feature, item.slice_z, label)


def replace_label(scene: Scene, change: Callable[[ShownLabel], Label]) -> int:
    """Give the shown slice the label that `change` makes of it; returns how many voxels are different now.

    New images take the place of the painted ones (undo would wipe what is written into those). Call it in an
    operator with UNDO. Raises TomosegError.
    """
    before = shown_label(scene)
    label = change(before)
    count = int(np.count_nonzero(label != before.label))
    if not count:
        return 0
    painting.save_painted(scene)
    _begin(before)
    painting.put_label(scene, before.item, before.feature, before.z, label)
    viewing.show_labels(scene)
    return count


def _begin(before: ShownLabel) -> None:
    """Undo must find an empty label to go back to where there is none yet, or the file would rule."""
    key = (before.item.name, before.feature.name, before.z)
    if labels.find_label_image(*key) is None:
        colour = state.hex_colour(before.feature)
        labels.ensure_label_image(*key, (before.label.shape[0], before.label.shape[1]), colour)
        bpy.ops.ed.undo_push(message="Begin label")


class Draft:
    """A label of the shown slice that changes while the mouse is dragged; then it is kept, or dropped.

    Keep it in an operator with UNDO. All raise TomosegError.
    """

    def __init__(self, scene: Scene) -> None:
        self.before = shown_label(scene)
        self.label = self.before.label.copy()
        painting.save_painted(scene)
        _begin(self.before)
        # New images: what is written into painted ones, undo would wipe.
        labels.write_new_label(*self._key, self.label, self._colour)
        viewing.show_labels(scene)

    @property
    def _key(self) -> tuple[str, str, int]:
        return self.before.item.name, self.before.feature.name, self.before.z

    @property
    def _colour(self) -> str:
        return state.hex_colour(self.before.feature)

    def show(self, scene: Scene) -> None:
        """Show the label as it is now; nothing is saved yet."""
        labels.rewrite_label(*self._key, self.label, self._colour)
        viewing.show_labels(scene)

    def keep(self, scene: Scene) -> int:
        """Make it the slice's label, in the project too; returns how many voxels are different now."""
        self.show(scene)
        painting.keep_written(scene, self.before.item, self.before.feature, self.before.z, self.label)
        return int(np.count_nonzero(self.label != self.before.label))

    def drop(self, scene: Scene) -> None:
        """Show the label as it was before."""
        self.label = self.before.label
        self.keep(scene)


def painted_slices(scene: Scene, item: Any, feature: Any) -> list[int]:
    """The z of all slices of the feature that have a label, those painted just now included."""
    painting.save_painted(scene)
    return annotated_slices(state.require_project(scene), item.name, feature.name)


def label_on(scene: Scene, shown: ShownLabel, z: int) -> Label:
    """The saved label of another slice of the same tomogram and feature."""
    path = state.require_project(scene).label_path(shown.item.name, shown.feature.name, z)
    return load_label(path, (shown.label.shape[0], shown.label.shape[1]))
