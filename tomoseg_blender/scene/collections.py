"""Where objects live in the outliner: Tomoseg > tomogram > boxes, surfaces, volumes, slices."""

from typing import Any

import bpy

from . import marks

ROOT = "Tomoseg"
BOXES, SURFACES, VOLUMES, SLICES, FIGURE = "Boxes", "Surfaces", "Volumes", "Slices", "Figure"


def collection(*path: str) -> Any:
    """The collection at this path below "Tomoseg", made where it is missing."""
    return _below(_below(bpy.context.scene.collection, (ROOT,)), path)


def _below(parent: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        child = marks.first_marked(parent.children, "collection", part=name)
        if child is None:
            child = bpy.data.collections.new(name)
            marks.mark(child, "collection", part=name)
            parent.children.link(child)
        parent = child
    return parent


def link_only(scene_object: Any, place: Any) -> None:
    """Put an object into the collection `place` and nowhere else."""
    for other in tuple(scene_object.users_collection):
        if other != place:
            other.objects.unlink(scene_object)
    if scene_object.name not in place.objects:
        place.objects.link(scene_object)
