"""ROI boxes as objects, one each: moving, deleting, undo and selecting are Blender's own.

A box is a flat wire cube, a child of its tomogram in voxel coordinates. The objects are what the person edits; the
project's boxes.json follows them.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import bpy

from ...tomo.boxes import POSITIVE, Box, new_id
from ...tomo.errors import TomosegError
from . import marks
from .collections import BOXES, collection, link_only
from .palette import linear
from .tomogram import KIND as TOMOGRAM_KIND
from .tomogram import find_tomogram, make_child, name_of, tomogram_of, tomograms

KIND = "box"
_been_shown: set[str] = set()  # ids of boxes that were objects here; not in the scene, where undo would turn it back
POSITIVE_COLOUR, NEGATIVE_COLOUR = "#56b4e9", "#d55e00"


def add_box_object(box: Box) -> Any:
    """The object of a box; one that exists already is moved to where `box` says.

    Raises TomosegError if the box's tomogram is not in this file.
    """
    found = find_box_object(box.id)
    return _place(box, found if found is not None else bpy.data.objects.new(_object_name(box), None))


def _place(box: Box, box_object: Any) -> Any:
    tomogram = find_tomogram(box.tomogram)
    if tomogram is None:
        raise TomosegError(f"Tomogram {box.tomogram} is not in this file: show it first, then place boxes on it.")
    box_object.empty_display_type = "CUBE"
    box_object.empty_display_size = box.size / 2
    box_object.scale = (1, 1, 1)
    box_object.delta_scale = (1, 1, 1 / box.size)  # one slice thick; Blender 5 warns where `scale` is uneven
    box_object.location = _location(box)
    box_object.color = linear(POSITIVE_COLOUR if box.kind == POSITIVE else NEGATIVE_COLOUR)
    box_object.lock_rotation = box_object.lock_scale = (True, True, True)
    make_child(box_object, tomogram)
    _been_shown.add(box.id)
    marks.mark(box_object, KIND, id=box.id, feature=box.feature, box_kind=box.kind, size=box.size)
    link_only(box_object, collection(box.tomogram, BOXES, box.feature, box.kind))
    return box_object


def _location(box: Box) -> tuple[float, float, float]:
    """Where the middle of a box lies, in voxels."""
    x, y = box.corner
    return x + box.size / 2, y + box.size / 2, box.centre[2] + 0.5


def snap(box_object: Any) -> bool:
    """Put a box, which `box_objects` gave, onto whole voxels and the middle of its slice; True if it was elsewhere."""
    place = _location(_box_of(box_object))
    if all(abs(a - b) < 1e-3 for a, b in zip(place, box_object.location, strict=True)):
        return False
    box_object.location = place
    return True


def _object_name(box: Box) -> str:
    return f"{box.feature} {box.kind}"


def is_box(scene_object: Any) -> bool:
    """True if the object is a box of a tomogram in this file."""
    return scene_object is not None and marks.is_marked(scene_object, KIND) and tomogram_of(scene_object) is not None


def box_from_object(box_object: Any) -> Box:
    """The box where its object lies now, rounded to whole voxels. Raises TomosegError if it is no box."""
    if not is_box(box_object):
        raise TomosegError("The active object is no box: select a box of a tomogram.")
    return _box_of(box_object)


def _box_of(box_object: Any) -> Box:
    """Like `box_from_object`, of an object that is known to be a box: asking takes longer than reading it."""
    size = int(marks.value_of(box_object, "size"))
    x, y, z = box_object.location
    return Box(
        name_of(tomogram_of(box_object)),
        str(marks.value_of(box_object, "feature")),
        str(marks.value_of(box_object, "box_kind")),
        (round(x - size / 2) + size // 2, round(y - size / 2) + size // 2, math.floor(z)),
        size,
        str(marks.value_of(box_object, "id")),
    )


def find_box_object(box_id: str) -> Any | None:
    """The object of the box with this id, or None."""
    return marks.first_marked(_linked_objects(), KIND, id=box_id)


def delete_box_object(box_id: str) -> bool:
    """Remove the object of a box; False if there is none."""
    found = find_box_object(box_id)
    if found is None:
        return False
    bpy.data.objects.remove(found)
    return True


def scene_boxes() -> list[Box]:
    """All boxes as their objects lie now. A copied object (Shift+D) becomes a box of its own."""
    seen: set[str] = set()
    boxes = []
    for box_object in box_objects():
        box = _box_of(box_object)
        if box.id in seen:
            box = replace(box, id=new_id())
            marks.mark(box_object, KIND, id=box.id)
        seen.add(box.id)
        boxes.append(box)
    return boxes


def show_boxes(boxes: Iterable[Box]) -> list[Box]:
    """Make the scene's boxes exactly these; returns those whose tomogram is not in this file, which can't be shown.

    Cost: about 0.1 ms a box.
    """
    objects = {str(marks.value_of(box_object, "id")): box_object for box_object in box_objects()}
    shown = {name_of(tomogram) for tomogram in tomograms()}
    hidden = []
    for box in boxes:
        if box.tomogram not in shown:
            hidden.append(box)
            continue
        found = objects.pop(box.id, None)
        _place(box, found if found is not None else bpy.data.objects.new(_object_name(box), None))
    for left in objects.values():
        bpy.data.objects.remove(left)
    for tomogram in tomograms():
        marks.mark(tomogram, TOMOGRAM_KIND, boxes_shown=True)
    return hidden


def shows_boxes(name: str) -> bool:
    """True if the boxes of tomogram `name` are objects here, so that a box without an object was deleted.

    A tomogram may also be in the file for its surfaces alone: its boxes are then in the project only.
    """
    tomogram = find_tomogram(name)
    return tomogram is not None and bool(marks.value_of(tomogram, "boxes_shown", False))


def forget_boxes() -> None:
    """Let the project's file rule over the objects again, until boxes are shown the next time."""
    for tomogram in tomograms():
        marks.mark(tomogram, TOMOGRAM_KIND, boxes_shown=False)


def merged_boxes(saved: Iterable[Box]) -> list[Box]:
    """What a project's boxes become when the scene is saved: the scene's, and those of `saved` that it cannot know.

    That is, boxes of tomograms not shown, and boxes that were never objects here: somebody else added them.
    """
    shown = {name for name in map(name_of, tomograms()) if shows_boxes(name)}
    own = [box for box in scene_boxes() if box.tomogram in shown]
    ids = {box.id for box in own}
    _been_shown.update(ids)
    kept = [box for box in saved if box.tomogram not in shown or (box.id not in ids and box.id not in _been_shown)]
    return kept + own


def show_missing(boxes: Iterable[Box]) -> int:
    """Make objects of boxes that were never objects here, where their tomogram's are shown; returns how many."""
    new = [box for box in boxes if box.id not in _been_shown and shows_boxes(box.tomogram)]
    for box in new:
        add_box_object(box)
    return len(new)


def show_boxes_near(tomogram: Any, index: int, reach: int = 0) -> None:
    """In the viewport show only this tomogram's boxes within `reach` slices of z slice `index`."""
    for child in tomogram.children:
        if marks.is_marked(child, KIND):
            far = abs(math.floor(child.location.z) - index) > reach
            if child.hide_viewport != far:
                child.hide_viewport = far


def box_objects() -> list[Any]:
    """The objects of all boxes in this file."""
    return [box_object for box_object in _linked_objects() if is_box(box_object)]


def _linked_objects() -> list[Any]:
    # An object deleted in the viewport stays in bpy.data without a collection until the file is saved and loaded.
    # Asking each object for its collections (users_collection) takes ten times as long.
    places = [*bpy.data.collections, *(scene.collection for scene in bpy.data.scenes)]
    return list({one.name_full: one for place in places for one in place.objects}.values())
