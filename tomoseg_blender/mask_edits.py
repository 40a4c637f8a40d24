"""Corrections of a mask, component by component: seen at once, listed in the scene where undo finds them, saved later.

The mask's file is never changed: saving lets the worker write the next version beside it.
"""

from pathlib import Path
from typing import Any

from bpy.types import Scene

from ..tomo import false_boxes
from ..tomo.boxes import Box
from ..tomo.errors import TomosegError
from ..tomo.mask_names import next_version
from . import boxing, masks, picking, state, viewing
from .scene import components
from .scene.components import Component


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
    gone = [f"{edit.value}:{edit.component}" for edit in edits if not edit.new]
    moved = [f"{edit.value}:{edit.component}={edit.new}" for edit in edits if edit.new]
    told = {name: words for name, words in (("delete", gone), ("relabel", moved)) if words}
    return mask, {"mask": str(mask), "output": str(next_version(mask)), **told}


def drop_edits(scene: Scene, mask: str) -> int:
    """Forget the corrections of a mask that are not saved; returns how many there were."""
    edits = scene.tomoseg.masks.edits
    gone = [index for index in range(len(edits)) if edits[index].mask == mask]
    for index in reversed(gone):
        edits.remove(index)
    return len(gone)


def shown_alone(scene: Scene, found: list[Component]) -> bool:
    """True where one of the components is shown without the others of its label."""
    shown = (components.find_part(picking.shown_empty(scene), one) for one in found)
    return any(place is not None and components.is_alone(place[0]) for place in shown)


def boxes_request(scene: Scene, found: list[Component], slices: int, size: int) -> dict[str, Any]:
    """The worker's parameters for negative boxes over components, read in the mask. Raises TomosegError."""
    masks_of = {check_state(scene, component) for component in found}
    if len(masks_of) > 1:
        raise TomosegError("The chosen components are of several masks: choose those of one.")
    chosen = [f"{one.value}:{one.number}" for one in found]
    project = str(state.require_project(scene).folder)
    wanted = {"mask": str(masks_of.pop()), "project": project, "tomogram": scene.tomoseg.shown, "negatives": chosen}
    return {**wanted, "keep": True, "slices": slices, "box_size": size}


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
    positives = boxing.of_feature(scene, feature, item[0].name)
    place = item[0].name, feature, size, tuple(item[0].shape)
    chosen = false_boxes.spread(*components.slices_of(found[1]), slices)
    others = components.others(empty, label, component)
    return false_boxes.boxes_over(found[1].vertices, chosen, others, positives, place)
