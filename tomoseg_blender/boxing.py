"""Boxes: the objects in the scene are what people edit, the project's boxes.json follows at once."""

from typing import Any

from bpy.types import Context, Scene

from ..tomo.boxes import Box
from ..tomo.errors import TomosegError
from ..tomo.project import Project
from . import state, viewing
from .scene import boxes


def save_boxes(scene: Scene) -> bool:
    """Write the boxes as their objects lie now, if that changed anything; boxes of tomograms not shown are kept.

    Raises TomosegError if the project cannot be written.
    """
    project = state.open_project(scene)
    if project is None:
        return False
    saved = project.boxes()
    now = _current(project, saved)
    boxes.show_missing(now)  # the worker, or a program of the user, may have added some
    if {box.id: box for box in now} == {box.id: box for box in saved}:
        return False
    project.save_boxes(now)
    return True


def _current(project: Project, saved: list[Box]) -> list[Box]:
    """All boxes as the scene's objects lie now; `saved` rules for tomograms that are not shown."""
    known = {entry.name for entry in project.tomograms()}
    return [box for box in boxes.merged_boxes(saved) if box.tomogram in known]


def snap() -> int:
    """Put boxes that were moved by hand onto whole voxels and the middle of their slice; returns how many moved."""
    return sum(boxes.snap(box_object) for box_object in boxes.box_objects())


def add(scene: Scene, centre: tuple[int, int, int], kind: str, size: int, feature: str, tomogram: str) -> Box:
    """A new box, in the project and in the scene if its tomogram is shown. centre: (x, y, z) in voxels.

    Raises TomosegError for a box that lies outside the tomogram or is larger than it.
    """
    item = state.tomogram_named(scene, tomogram)
    owner = state.feature_named(scene, feature)
    box = Box(item.name, owner.name, kind, centre, size)
    check_place(box, tuple(item.shape))
    project = state.require_project(scene)
    # Boxes that were moved just now are saved by themselves: looking at them all would make a click slow.
    project.save_boxes([*project.boxes(), box])
    if boxes.shows_boxes(item.name):
        boxes.add_box_object(box)
    return box


def check_place(box: Box, shape: Any) -> None:
    """Raise TomosegError unless the box fits into a tomogram of `shape` [z, y, x] and touches it."""
    depth, height, width = shape
    if box.size > min(height, width):
        raise TomosegError(
            f"A box of {box.size} voxels is larger than a slice of {box.tomogram} ({width} × {height}): "
            "choose a smaller size."
        )
    if not box.touches(shape):
        x, y, z = box.centre
        raise TomosegError(
            f"A box at ({x}, {y}, {z}) lies outside {box.tomogram} ({width} × {height} × {depth}): place it on a slice."
        )


def add_all(scene: Scene, new: list[Box]) -> None:
    """Many new boxes at once, in the project and in the scene where their tomograms are shown."""
    project = state.require_project(scene)
    project.save_boxes([*_current(project, project.boxes()), *new])
    for box in new:
        if boxes.shows_boxes(box.tomogram):
            boxes.add_box_object(box)
    viewing.show_again(scene)


def select(context: Context, box: Box) -> None:
    """Make a box's object the only selected one, and the active one; not while something is painted."""
    found = boxes.find_box_object(box.id)
    context.scene.tomoseg.box_id = box.id
    if found is None or context.mode != "OBJECT":
        return
    for other in context.selected_objects:
        other.select_set(False)
    found.select_set(True)
    context.view_layer.objects.active = found


def centre_on(context: Context, box: Box) -> None:
    """Select the box, and bring it into the 3D views where it is out of sight, also while painting."""
    select(context, box)
    found = boxes.find_box_object(box.id)
    if found is not None:
        context.view_layer.update()
        viewing.bring_into_view(context, found.matrix_world.translation)


def of_feature(scene: Scene, feature: str, tomogram: str) -> list[Box]:
    """A feature's boxes in one tomogram, slice by slice."""
    project = state.require_project(scene)
    found = [box for box in project.boxes() if box.feature == feature and box.tomogram == tomogram]
    return sorted(found, key=lambda box: (box.centre[2], box.centre[1], box.centre[0]))


def neighbour(scene: Scene, step: int) -> Box:
    """The box after (step 1) or before (-1) the selected one, or the first or last; raises TomosegError without any."""
    item, feature = state.tomogram_named(scene, ""), state.feature_named(scene, "")
    found = of_feature(scene, feature.name, item.name)
    if not found:
        raise TomosegError(f"{feature.name} has no boxes in {item.name}: place some first.")
    ids = [box.id for box in found]
    current = ids.index(scene.tomoseg.box_id) if scene.tomoseg.box_id in ids else (-1 if step > 0 else 0)
    return found[(current + step) % len(found)]


def go_to(scene: Scene, box: Box) -> None:
    """Show the slice of a box; its tomogram must be shown."""
    shown = viewing.shown_tomogram(scene)
    if shown is None:
        raise TomosegError("No tomogram is shown: show one first.")
    with state.muted():
        shown[0].slice_z = box.centre[2]
        scene.tomoseg.box_id = box.id
    viewing.show_again(scene)


def go_to_slice(scene: Scene, z: int) -> None:
    """Show slice `z` of the tomogram that is shown."""
    shown = viewing.shown_tomogram(scene)
    if shown is None:
        raise TomosegError("No tomogram is shown: show one first.")
    with state.muted():
        shown[0].slice_z = z
    viewing.show_again(scene)
