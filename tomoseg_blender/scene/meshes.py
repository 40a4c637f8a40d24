"""Surfaces in the scene: a PLY in Å becomes a mesh that is a child of its tomogram, in voxel coordinates."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...tomo.geometry import Geometry
from . import marks
from .collections import SURFACES, collection, link_only
from .materials import feature_material
from .palette import linear
from .ply import COMPONENT, read_numbered_ply
from .tomogram import geometry_of, make_child, name_of
from .units import file_voxel_size

KIND = "surface"


def import_surface(path: Path, tomogram: Any, feature: str, colour: str) -> Any:
    """The mesh object of a feature's surface, read from a PLY with vertices in Å; returns it.

    A surface imported before is updated in place: material, name, visibility and modifiers that the person set stay.
    Where the vertices carry the numbers of components, the mesh gets them as the attribute "component".
    Raises TomosegError if the file is no such PLY; the scene then stays as it was.
    """
    vertices, triangles, numbers = read_numbered_ply(path)
    surface = show_surface(to_voxels(vertices, geometry_of(tomogram)), triangles, tomogram, feature, colour)
    if numbers is not None:
        set_numbers(surface.data, COMPONENT, numbers)
    return surface


def show_surface(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32], tomogram: Any, feature: str, colour: str
) -> Any:
    """The mesh object with these vertices (n, 3: x, y, z in voxels) and triangles (n, 3), made or updated in place."""
    surface = find_surface(tomogram, feature)
    if surface is None:
        surface = bpy.data.objects.new(feature, bpy.data.meshes.new(feature))
        surface.data.materials.append(feature_material(feature, colour))
        surface.color = linear(colour)
        make_child(surface, tomogram)
        link_only(surface, collection(name_of(tomogram), SURFACES))
        marks.mark(surface, KIND, tomogram=name_of(tomogram), feature=feature)
    fill_mesh(surface.data, vertices, triangles)
    return surface


def find_surface(tomogram: Any, feature: str) -> Any | None:
    """The surface of a feature in this tomogram, or None."""
    return marks.first_marked(tomogram.children, KIND, feature=feature)


def surfaces(tomogram: Any) -> list[Any]:
    """All surfaces of a tomogram."""
    return list(marks.marked(tomogram.children, KIND))


def feature_of(surface: Any) -> str:
    """The feature that a surface shows."""
    return str(marks.value_of(surface, "feature"))


def to_voxels(points: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Points (n, 3) in Å, (x, y, z), as voxel coordinates of a tomogram, where voxel i covers [i, i + 1].
    An unknown voxel size counts as in `file_voxel_size`.
    """
    size = np.array(file_voxel_size(geometry))
    voxels: NDArray[np.float32] = ((points - np.array(geometry.place)) / size).astype(np.float32)
    return voxels


def set_numbers(mesh: Any, name: str, numbers: NDArray[np.int32]) -> None:
    """Give each vertex of `mesh` a whole number as the attribute `name`; int32 (n,)."""
    attribute = mesh.attributes.get(name) or mesh.attributes.new(name, "INT", "POINT")
    attribute.data.foreach_set("value", np.ascontiguousarray(numbers, np.int32))


def numbers_of(mesh: Any, name: str) -> NDArray[np.int32] | None:
    """The vertices' numbers, int32 (n,), or None where the mesh has none of this name."""
    attribute = mesh.attributes.get(name)
    if attribute is None or attribute.domain != "POINT" or attribute.data_type != "INT":
        return None
    numbers = np.empty(len(attribute.data), np.int32)
    attribute.data.foreach_get("value", numbers)
    return numbers


def arrays_of(mesh: Any) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices (n, 3) float32 and triangles (m, 3) int32 of a mesh; faces with more corners are cut into triangles."""
    vertices = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", vertices)
    mesh.calc_loop_triangles()
    triangles = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    return vertices.reshape(-1, 3), triangles.reshape(-1, 3)


def fill_mesh(mesh: Any, vertices: NDArray[np.float32], triangles: NDArray[np.int32]) -> None:
    """Give `mesh` new vertices (n, 3) and triangles (n, 3), shaded smooth; its materials stay."""
    mesh.clear_geometry()
    count = len(triangles)
    mesh.vertices.add(len(vertices))
    mesh.loops.add(3 * count)
    mesh.polygons.add(count)
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).reshape(-1))
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(triangles, np.int32).reshape(-1))
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * count, 3, dtype=np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(count, bool))
    mesh.update(calc_edges=True)
    mesh.validate()
