"""The empty of a tomogram: its matrix takes voxel coordinates (x, y, z) to the world; all it owns are its children.

Voxel i covers [i, i + 1] on each axis, so the centre of the first voxel is at (0.5, 0.5, 0.5).
"""

from typing import Any

import bpy
from mathutils import Matrix

from ...tomo.geometry import Geometry, Triple
from . import marks
from .collections import collection, link_only
from .units import SHOWN_VOXEL_SIZE, UNITS_PER_ANGSTROM

KIND = "tomogram"


def ensure_tomogram(name: str, shape: tuple[int, int, int], geometry: Geometry) -> Any:
    """The empty of tomogram `name`, made or brought up to date.

    shape: voxels [z, y, x]. An unknown voxel size is drawn as 10 Å and flagged (`voxel_size_known`).
    """
    empty = find_tomogram(name)
    if empty is None:
        empty = bpy.data.objects.new(f"Tomogram {name}", None)
        empty.empty_display_type = "ARROWS"
        link_only(empty, collection(name))
    if not _has_geometry(empty, geometry):  # else it may have been moved by hand, and stays there
        empty.matrix_world = voxel_to_world(geometry)
    marks.mark(
        empty,
        KIND,
        tomogram=name,
        shape=list(shape),
        voxel_size=list(geometry.voxel_size),
        place=list(geometry.place),
        voxel_size_known=geometry.voxel_size_known,
    )
    empty.empty_display_size = max(shape) / 20  # in voxels: the arrows are scaled with the rest
    return empty


def _has_geometry(empty: Any, geometry: Geometry) -> bool:
    if not marks.is_marked(empty, KIND):
        return False
    stored = geometry_of(empty)
    return stored.voxel_size == geometry.voxel_size and stored.place == geometry.place


def find_tomogram(name: str) -> Any | None:
    """The empty of tomogram `name`, or None if it is not in this file."""
    return marks.first_marked(bpy.data.objects, KIND, tomogram=name)


def tomograms() -> list[Any]:
    """The empties of all tomograms in this file."""
    return list(marks.marked(bpy.data.objects, KIND))


def tomogram_of(scene_object: Any) -> Any | None:
    """The tomogram that an object is or belongs to (through its parents), or None."""
    while scene_object is not None and not marks.is_marked(scene_object, KIND):
        scene_object = scene_object.parent
    return scene_object


def shown_voxel_size(geometry: Geometry) -> Triple:
    """Å along (x, y, z) that the scene draws: the voxel size, or 10 Å on each axis while it is unknown."""
    return geometry.voxel_size if geometry.voxel_size_known else (SHOWN_VOXEL_SIZE,) * 3


def voxel_to_world(geometry: Geometry) -> Matrix:
    """4 × 4 matrix from voxel coordinates (x, y, z) to Blender units, at the tomogram's place."""
    scale = [size * UNITS_PER_ANGSTROM for size in shown_voxel_size(geometry)]
    place = [length * UNITS_PER_ANGSTROM for length in geometry.place]
    return Matrix.LocRotScale(place, None, scale)


def name_of(empty: Any) -> str:
    """The tomogram's name."""
    return str(marks.value_of(empty, "tomogram"))


def shape_of(empty: Any) -> tuple[int, int, int]:
    """The tomogram's shape in voxels, [z, y, x]."""
    z, y, x = marks.value_of(empty, "shape")
    return int(z), int(y), int(x)


def geometry_of(empty: Any) -> Geometry:
    """Voxel size and place (as an origin) of the tomogram behind an empty."""
    x, y, z = (float(size) for size in marks.value_of(empty, "voxel_size"))
    place_x, place_y, place_z = (float(length) for length in marks.value_of(empty, "place"))
    return Geometry((x, y, z), (place_x, place_y, place_z))


def make_child(scene_object: Any, empty: Any) -> None:
    """Parent `scene_object` to a tomogram so that its own coordinates are voxels of it."""
    scene_object.parent = empty
    scene_object.matrix_parent_inverse = Matrix.Identity(4)
