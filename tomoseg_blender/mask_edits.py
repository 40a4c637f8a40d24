"""Corrections of a mask, component by component: seen at once, listed in the scene where undo finds them, saved later.

The mask's file is never changed: saving lets the worker write the next version beside it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from bpy.types import Scene
from numpy.typing import NDArray

from ..tomo.boxes import NEGATIVE, POSITIVE, Box
from ..tomo.errors import TomosegError
from ..tomo.mask_names import next_version
from . import boxing, masks, picking, state, viewing
from .scene import components
from .scene.components import Component

MOST_PER_SLICE = 4


def sentence_of(scene: Scene, edit: Any) -> str:
    """`Delete vesicle 3` or `vesicle 3 becomes filament`, for the list."""
    what = f"{picking.label_name(scene, edit.value)} {edit.component}"
    return f"{what} becomes {picking.label_name(scene, edit.new)}" if edit.new else f"Delete {what}"


def check_state(scene: Scene, component: Component) -> Path:
    """The file of a component's mask. Raises TomosegError where it changed since its surfaces were made."""
    mask = state.require_project(scene).folder / "masks" / component.mask
    if masks.stamp_of(mask) != component.stamp:
        raise TomosegError(f"{mask.name} changed since its surfaces were made: import the mask again.")
    return mask


def change(scene: Scene, found: list[Component], new: int) -> list[str]:
    """Give components another label, 0 to delete them: in the scene at once, and in the list of corrections.

    Returns what they were. Call it in an operator with UNDO. Raises TomosegError; nothing is changed then.
    """
    empty = picking.shown_empty(scene)
    shown = {}
    for component in found:
        check_state(scene, component)
        place = components.find_part(empty, component)
        if place is None:
            raise TomosegError(f"Component {component.number} is not shown any more: import the mask again.")
        shown[component] = place[0]
    for component, surface in shown.items():
        _show(scene, empty, surface, component, new)
        _list(scene, component, new)
    picking.pick(scene, None)
    return [f"{picking.label_name(scene, one.value)} {one.number}" for one in found]


def _show(scene: Scene, empty: Any, surface: Any, component: Component, new: int) -> None:
    """Take a component out of its surface and, where its new label is not 0, into that of the new label."""
    part = components.take_out(surface, component)
    if new:
        name, colour = picking.label_name(scene, new), picking.label_colour(scene, new)
        target = picking.surface_of_label(empty, component.mask, name, new, colour, component.stamp)
        components.put_in(target, component, part)


def show_again(scene: Scene, empty: Any, mask: str, stamp: str) -> int:
    """The surfaces of a mask were made anew from its file: show its corrections on them again; returns how many.

    Those of another state of the file, and of components that are not made any more, count no more.
    """
    edits, shown = scene.tomoseg.masks.edits, 0
    for index in reversed(range(len(edits))):
        edit = edits[index]
        if edit.mask != mask:
            continue
        component = Component(edit.mask, edit.stamp, edit.value, edit.component)
        found = components.find_part(empty, component) if edit.stamp == stamp else None
        if edit.stamp != stamp:
            edits.remove(index)
        elif found is not None:
            _show(scene, empty, found[0], component, edit.new)
            shown += 1
    return shown


def _list(scene: Scene, component: Component, new: int) -> None:
    """Add a correction; one of the same component before it counts no more, one back to what it was is none."""
    edits = scene.tomoseg.masks.edits
    for index in reversed(range(len(edits))):
        old = edits[index]
        if (old.mask, old.value, old.component) == (component.mask, component.value, component.number):
            edits.remove(index)
    if new != component.value:
        edit = edits.add()
        edit.mask, edit.stamp = component.mask, component.stamp
        edit.value, edit.component, edit.new = component.value, component.number, new


def waiting(scene: Scene, mask: Path) -> list[Any]:
    """The corrections of one mask that are not saved yet."""
    return [edit for edit in scene.tomoseg.masks.edits if edit.mask == mask.name]


def save_request(scene: Scene, name: str) -> tuple[Path, dict[str, Any]]:
    """(mask, the worker's parameters) for saving the corrections of a tomogram's mask as its next version.

    Raises TomosegError where there is none, or where the mask changed in the meantime.
    """
    mask = masks.mask_of(scene, name, "")
    edits = waiting(scene, mask)
    if not edits:
        raise TomosegError(f"Nothing of {mask.name} was corrected: delete or relabel a component first.")
    for edit in edits:
        check_state(scene, Component(edit.mask, edit.stamp, edit.value, edit.component))
    told = [f"{edit.value}:{edit.component}={edit.new}" for edit in edits]
    return mask, {"mask": str(mask), "output": str(next_version(mask)), "edits": told}


def drop_edits(scene: Scene, mask: str) -> int:
    """Forget the corrections of a mask that are not saved; returns how many there were."""
    edits = scene.tomoseg.masks.edits
    gone = [index for index in range(len(edits)) if edits[index].mask == mask]
    for index in reversed(gone):
        edits.remove(index)
    return len(gone)


def negative_boxes(scene: Scene, component: Component, slices: int, size: int) -> tuple[list[Box], int]:
    """(boxes, places left out): negative boxes over a component on up to `slices` of its slices.

    A place is left out where another component of the label, or a positive box, reaches into the box: there the
    feature is. Raises TomosegError where the label is no feature of the project, or the component is not shown.
    """
    item = viewing.shown_tomogram(scene)
    empty = picking.shown_empty(scene)
    assert item is not None
    label = picking.label_name(scene, component.value)
    feature = state.feature_named(scene, label).name
    found = components.find_part(empty, component)
    if found is None:
        raise TomosegError(f"Component {component.number} is not shown any more: import the mask again.")
    kept = _Kept(scene, feature, item[0].name, components.others(empty, label, component), size)
    boxes, left_out = [], 0
    for z in spread(*components.slices_of(found[1]), slices):
        for x, y in cover(near_slice(found[1].vertices, z), size):
            box = Box(item[0].name, feature, NEGATIVE, boxing.kept_inside((x, y, z), tuple(item[0].shape)), size)
            if kept.reaches_into(box):
                left_out += 1
            else:
                boxes.append(box)
    return boxes, left_out


class _Kept:
    """Where the feature is: other components of its label, and positive boxes."""

    def __init__(self, scene: Scene, feature: str, tomogram: str, others: NDArray[np.float32], size: int) -> None:
        self._others = others
        found = boxing.of_feature(scene, feature, tomogram)
        self._positives = [box for box in found if box.kind == POSITIVE]

    def reaches_into(self, box: Box) -> bool:
        """True where something of that lies in the box, on its slice."""
        z = box.centre[2]
        on_slice = near_slice(self._others, z)
        x, y = box.corner
        inside = (on_slice[:, 0] >= x) & (on_slice[:, 0] < x + box.size)
        inside &= (on_slice[:, 1] >= y) & (on_slice[:, 1] < y + box.size)
        return bool(inside.any()) or any(
            other.centre[2] == z
            and abs(other.corner[0] + other.size / 2 - x - box.size / 2) < (other.size + box.size) / 2
            and abs(other.corner[1] + other.size / 2 - y - box.size / 2) < (other.size + box.size) / 2
            for other in self._positives
        )


def spread(first: int, last: int, count: int) -> list[int]:
    """Up to `count` of the slices from `first` to `last`, evenly apart and not at the very ends."""
    count = min(count, last - first + 1)
    return [first + (last - first + 1) * (2 * number + 1) // (2 * count) for number in range(count)]


def near_slice(vertices: NDArray[np.float32], z: int) -> NDArray[np.float32]:
    """Those of the vertices (n, 3) that lie within a voxel of the middle of slice `z`."""
    return vertices[np.abs(vertices[:, 2] - (z + 0.5)) <= 1.0]


def cover(vertices: NDArray[np.float32], size: int) -> list[tuple[int, int]]:
    """Centres (x, y) of squares of `size` that together hold the vertices, at most MOST_PER_SLICE; few, not fewest."""
    left = vertices[:, :2]
    centres: list[tuple[int, int]] = []
    while len(left) and len(centres) < MOST_PER_SLICE:
        if (np.ptp(left, axis=0) <= size).all():
            middle = (left.min(0) + left.max(0)) / 2
        else:
            # A corner square of what is left, moved to the middle of what it holds.
            corner = left[left[:, 1].argmin()]
            inside = left[(np.abs(left - corner) <= size / 2).all(1)]
            middle = (inside.min(0) + inside.max(0)) / 2
        centres.append((int(middle[0]), int(middle[1])))
        left = left[(np.abs(left - middle) > size / 2).any(1)]
    return centres
