"""Picking a component by a click: on a surface of the mask, or on the slice, where the mask's own voxels tell.

Where no surface shows the component, the worker finds it in the mask and makes a surface of it alone, so that it can
be seen, corrected and undone like any other.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpy.types import Scene
from mathutils import Vector

from ..tomo import mrc
from ..tomo.errors import TomosegError
from . import jobs, masks, picking, state, thresholding, viewing
from .scene import components, meshes, slices
from .scene.components import Component, Met
from .scene.ply import COMPONENT, read_numbered_ply
from .scene.tomogram import geometry_of

UP = Vector((0, 0, 1))


@dataclass(frozen=True, eq=False)
class OnSlice:
    """A voxel (x, y, z) of the mask under a click on the slice. value: its label, 0 for none. point: in the world,
    `away` from the eye."""

    mask: Path
    voxel: tuple[int, int, int]
    value: int
    point: Vector
    away: float


def find(scene: Scene, origin: Vector, direction: Vector) -> Met | OnSlice | None:
    """What a ray (world; direction of length 1) meets first: a surface of the mask, or a labelled voxel of its slice.

    On the slice, a component that a surface shows is found by that. None where there is neither.
    """
    empty = picking.shown_empty(scene)
    met, place = components.meet(empty, origin, direction), on_slice(scene, origin, direction)
    if place is None or (met is not None and met.away < place.away):
        return met
    if not place.value:  # the slice hides what lies behind it
        return None
    around = components.meet(empty, place.point, (empty.matrix_world.to_3x3() @ UP).normalized(), place.value)
    return around if around is not None and around.leaving else place


def on_slice(scene: Scene, origin: Vector, direction: Vector) -> OnSlice | None:
    """The voxel of the tomogram's mask where a ray meets the shown z slice; None where there is no slice, or no mask
    of its size."""
    shown = viewing.shown_tomogram(scene)
    if shown is None:
        return None
    item, empty = shown
    plane, mask = slices.find_plane(empty, "z"), masks.current_mask(scene, item.name)
    if plane is None or not plane.visible_get() or mask is None:
        return None
    inverse = empty.matrix_world.inverted()
    start, along = inverse @ origin, inverse.to_3x3() @ direction
    far = (item.slice_z + 0.5 - start.z) / along.z if along.z else -1.0
    data = mrc.open_tomogram(mask).data
    x, y, z = int((start + far * along).x // 1), int((start + far * along).y // 1), item.slice_z
    if far <= 0 or tuple(data.shape) != tuple(item.shape) or not (0 <= y < data.shape[1] and 0 <= x < data.shape[2]):
        return None
    value = int(data[z, y, x]) if data[z, y, x] > 0 else 0
    return OnSlice(mask, (x, y, z), value, origin + far * direction, far)


def start(scene: Scene, place: OnSlice) -> str:
    """Let the worker find the component at a voxel; it is picked when that is done. Returns a sentence."""
    project, stamp, tomogram = state.require_project(scene), masks.stamp_of(place.mask), scene.tomoseg.shown
    size = thresholding.shown_size(mrc.open_tomogram(place.mask))
    params = {"mask": str(place.mask), "voxel": list(place.voxel), "output": str(project.folder / "surfaces"), **size}

    def done(scene: Scene, result: dict[str, Any]) -> str:
        return take(scene, tomogram, Component(place.mask.name, stamp, result["value"], result["component"]), result)

    return jobs.start(scene, "results", f"Component at {place.voxel}", ("component", params), done)


def take(scene: Scene, tomogram: str, component: Component, made: dict[str, Any]) -> str:
    """Pick what the worker found, and show it where no surface does; returns the sentence that describes it.

    Raises TomosegError for a component that a correction has deleted.
    """
    for edit in scene.tomoseg.masks.edits:
        if (edit.mask, edit.value, edit.component) == (component.mask, component.value, component.number):
            if not edit.new:
                raise TomosegError(
                    f"{made['feature']} {component.number} was deleted: Ctrl+Z or Discard brings it back."
                )
            made = {**made, "feature": picking.label_name(scene, edit.new)}
    empty = viewing.empty_of(scene, tomogram)
    if components.find_part(empty, component) is None:
        _show_alone(empty, component, made)
    return picking.pick(scene, component, made["feature"])


def _show_alone(empty: Any, component: Component, made: dict[str, Any]) -> None:
    """The component as an object of its own, named like those of “Split”."""
    vertices, triangles, numbers = read_numbered_ply(Path(made["path"]))
    places = meshes.to_voxels(vertices, geometry_of(empty))
    surface = meshes.show_surface(places, triangles, empty, made["name"], made["colour"])
    if numbers is not None:
        meshes.set_numbers(surface.data, COMPONENT, numbers)
    components.mark_surface(
        surface, component.mask, component.stamp, component.value, made["feature"], component.number
    )
    components.mark_alone(surface)
