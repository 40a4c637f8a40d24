"""Components of a mask in the scene: which one a click hits, taking one out of its mesh, putting it into another.

A surface of a mask knows the mask's file, a stamp of its state, and its label. Its vertices carry the numbers of
components, which are those of `measure`; the surface of a single component carries one number itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from . import marks, meshes
from .ply import COMPONENT

LABEL = "mask_label"  # attribute: the label that a vertex had in the mask, where it came from another surface
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Component:
    """One component as it is in the mask's file. value: its label there. number: from 1, by size."""

    mask: str
    stamp: str
    value: int
    number: int


@dataclass(frozen=True, eq=False)
class Part:
    """A component's piece of a mesh: vertices (n, 3), x, y, z in voxels of the tomogram, and triangles (m, 3)."""

    vertices: Floats
    triangles: Ints


@dataclass(frozen=True, eq=False)
class Met:
    """What a ray meets. away: how far from its start, in Blender units. leaving: from within the component."""

    surface: Any
    component: Component
    away: float
    leaving: bool


def slices_of(part: Part) -> tuple[int, int]:
    """The first and the last slice that a piece reaches into by at least half a voxel."""
    z = part.vertices[:, 2]
    first = max(int(z.min() + 0.5), 0)
    return first, max(int(np.ceil(z.max() - 0.5)) - 1, first)


def mark_surface(surface: Any, mask: str, stamp: str, value: int, feature: str, number: int | None) -> None:
    """Tell a surface what it shows. feature: the label's name, also for the surface of one component."""
    for name, told in {"mask": mask, "stamp": stamp, "value": value, "label": feature}.items():
        surface[f"tomoseg_{name}"] = told
    surface["tomoseg_number"] = 0 if number is None else number


def label_of(surface: Any) -> str:
    """The name of the label that a surface shows, or one component of."""
    return str(marks.value_of(surface, "label", marks.value_of(surface, "feature", "")))


def of_mask(tomogram: Any) -> list[Any]:
    """All surfaces of a tomogram that were made of a mask."""
    return [one for one in meshes.surfaces(tomogram) if marks.value_of(one, "mask")]


def component_at(surface: Any, vertex: int) -> Component | None:
    """The component that a vertex of a surface belongs to; None where the surface was not made of a mask."""
    mask = str(marks.value_of(surface, "mask", ""))
    numbers = meshes.numbers_of(surface.data, COMPONENT)
    if not mask or numbers is None or not 0 <= vertex < len(numbers):
        return None
    labels = _labels(surface)
    return Component(mask, str(marks.value_of(surface, "stamp", "")), int(labels[vertex]), int(numbers[vertex]))


def mark_alone(surface: Any) -> None:
    """Tell a surface that it was made by itself: the other components of its label may be shown nowhere."""
    surface["tomoseg_alone"] = 1


def is_alone(surface: Any) -> bool:
    """True where `mark_alone` said so."""
    return bool(marks.value_of(surface, "alone"))


def whole_component(surface: Any) -> Component | None:
    """The component whose surface this object is by itself; None for the surface of a whole label."""
    return component_at(surface, 0) if marks.value_of(surface, "number") else None


def meet(tomogram: Any, origin: Vector, direction: Vector, value: int | None = None) -> Met | None:
    """What a ray (world; direction of length 1) meets first of a mask's surfaces; None where it meets none.

    value: only the surface of this label.
    """
    best: tuple[float, Any, Vector, bool] | None = None
    for surface in of_mask(tomogram):
        if not surface.visible_get() or value not in (None, marks.value_of(surface, "value")):
            continue
        inverse = surface.matrix_world.inverted()
        local = inverse.to_3x3() @ direction
        met, place, normal, _face = surface.ray_cast(inverse @ origin, local)
        if met:
            away = (surface.matrix_world @ place - origin).length
            if best is None or away < best[0]:
                best = away, surface, place, normal.dot(local) > 0
    if best is None:
        return None
    # The nearest vertex, not the face that was met: modifiers change faces and their numbers.
    apart = meshes.arrays_of(best[1].data)[0] - np.array(best[2], np.float32)
    component = component_at(best[1], int((apart**2).sum(1).argmin()))
    return None if component is None else Met(best[1], component, best[0], best[3])


def find_part(tomogram: Any, component: Component) -> tuple[Any, Part] | None:
    """The surface that shows a component now, and its piece of it; None where it is shown nowhere."""
    for surface in of_mask(tomogram):
        chosen = _rows(surface, component)
        if chosen is not None and chosen.any():
            return surface, _piece(surface.data, chosen)
    return None


def others(tomogram: Any, label: str, component: Component) -> Floats:
    """The vertices (n, 3), voxels, of all other components that are shown with this label's name."""
    found = [np.zeros((0, 3), np.float32)]
    for surface in of_mask(tomogram):
        chosen = _rows(surface, component)
        if label_of(surface) == label and chosen is not None:
            found.append(meshes.arrays_of(surface.data)[0][~chosen])
    return np.concatenate(found)


def take_out(surface: Any, component: Component) -> Part:
    """Remove a component from its surface; returns the piece. An object that shows nothing else stays, empty."""
    chosen = _rows(surface, component)
    assert chosen is not None
    mesh = surface.data
    part = _piece(mesh, chosen)
    numbers, labels = meshes.numbers_of(mesh, COMPONENT), _labels(surface)
    assert numbers is not None
    rest = _piece(mesh, ~chosen)
    _refill(mesh, rest.vertices, rest.triangles, numbers[~chosen], labels[~chosen])
    return part


def put_in(surface: Any, component: Component, part: Part) -> None:
    """Add a component's piece to the surface of another label; its vertices remember where they came from."""
    mesh = surface.data
    vertices, triangles = meshes.arrays_of(mesh)
    numbers, labels = meshes.numbers_of(mesh, COMPONENT), _labels(surface)
    if numbers is None:
        numbers = np.zeros(len(vertices), np.int32)
    count = len(part.vertices)
    _refill(
        mesh,
        np.concatenate([vertices, part.vertices]),
        np.concatenate([triangles, part.triangles + np.int32(len(vertices))]),
        np.concatenate([numbers, np.full(count, component.number, np.int32)]),
        np.concatenate([labels, np.full(count, component.value, np.int32)]),
    )


def _refill(mesh: Any, vertices: Floats, triangles: Ints, numbers: Ints, labels: Ints) -> None:
    meshes.fill_mesh(mesh, vertices, triangles)
    meshes.set_numbers(mesh, COMPONENT, numbers)
    meshes.set_numbers(mesh, LABEL, labels)


def _labels(surface: Any) -> Ints:
    """For each vertex the label that it has in the mask's file."""
    labels = meshes.numbers_of(surface.data, LABEL)
    own = int(marks.value_of(surface, "value", 0))
    return np.full(len(surface.data.vertices), own, np.int32) if labels is None else labels


def _rows(surface: Any, component: Component) -> NDArray[np.bool_] | None:
    """Which vertices of a surface belong to a component; None where the surface is of another state of the mask."""
    numbers = meshes.numbers_of(surface.data, COMPONENT)
    told = marks.value_of(surface, "mask", ""), marks.value_of(surface, "stamp", "")
    if numbers is None or told != (component.mask, component.stamp):
        return None
    return (numbers == component.number) & (_labels(surface) == component.value)


def _piece(mesh: Any, chosen: NDArray[np.bool_]) -> Part:
    """The chosen vertices and the triangles between them, numbered anew."""
    vertices, triangles = meshes.arrays_of(mesh)
    number = np.cumsum(chosen, dtype=np.int32) - 1
    kept = triangles[chosen[triangles].all(1)] if len(triangles) else triangles
    return Part(vertices[chosen], number[kept])
