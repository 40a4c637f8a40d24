"""The frame around the part that was chosen in the table: an empty, so that nothing of it is rendered."""

from typing import Any

import bpy
from mathutils import Vector

from . import marks
from .collections import collection, link_only
from .figure_parts import world_matrix
from .tomogram import make_child, name_of

KIND = "part marker"


def show_marker(tomogram: Any, low: Any, high: Any) -> Any:
    """Frame the voxels `low` to `high` (x, y, z, both inside) of a tomogram; returns the empty."""
    marker = find_marker(tomogram)
    if marker is None:
        marker = bpy.data.objects.new("Chosen part", None)
        marker.empty_display_type = "CUBE"
        make_child(marker, tomogram)
        link_only(marker, collection(name_of(tomogram)))
        marks.mark(marker, KIND, tomogram=name_of(tomogram))
    sides = [(last + 1 - first) / 2 for first, last in zip(low, high, strict=True)]
    marker.scale = [max(side, 0.5) for side in sides]
    marker.location = [first + side for first, side in zip(low, sides, strict=True)]
    marker.hide_viewport = False
    return marker


def find_marker(tomogram: Any) -> Any | None:
    """The frame of a tomogram, or None."""
    return marks.first_marked(tomogram.children, KIND)


def middle_and_size(marker: Any) -> tuple[Vector, float]:
    """The middle of what the frame holds in the world, and its diagonal, in Blender units."""
    matrix = world_matrix(marker)
    diagonal = (matrix @ Vector((1, 1, 1)) - matrix @ Vector((-1, -1, -1))).length
    return matrix.translation, float(diagonal)
