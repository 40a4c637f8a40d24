"""The component of a mask that corrections act on: picked by a click, or selected as an object of its own."""

from dataclasses import dataclass, field
from typing import Any

import bpy
import gpu
import numpy as np
from bpy.types import Context, Scene
from bpy_extras.view3d_utils import region_2d_to_origin_3d, region_2d_to_vector_3d
from gpu_extras.batch import batch_for_shader
from mathutils import Vector

from ..tomo.errors import TomosegError
from . import state, viewing
from .scene import components, marks, meshes, tomogram
from .scene.components import Component

GLOW = (1.0, 1.0, 1.0, 0.55)  # over the picked component
NONE_PICKED = "No component is picked: click on one with Pick Component, or select its object."


@dataclass
class _Shown:
    """The batch of the picked component, and what it was made of."""

    key: Any = None
    batch: Any = None
    handles: list[Any] = field(default_factory=list)


_SHOWN = _Shown()


def pick(scene: Scene, component: Component | None, label: str = "") -> str:
    """Let a component be the picked one (None: no component); returns the sentence that describes it."""
    group = scene.tomoseg.masks
    if component is None:
        group.picked, group.picked_component = "", 0
        return "No component is picked"
    _deselect(scene)
    group.picked_mask, group.picked_stamp = component.mask, component.stamp
    group.picked_value, group.picked_component = component.value, component.number
    group.picked = f"{label}, component {component.number}{_extent(scene, component)}"
    return str(group.picked)


def pick_listed(scene: Scene, empty: Any, mask: str, label: str, number: int) -> None:
    """Pick a part of the measured table, so that corrections act on it; none where its surface is not shown."""
    for surface in components.of_mask(empty):
        if marks.value_of(surface, "mask") == mask and components.label_of(surface) == label:
            value, stamp = int(marks.value_of(surface, "value")), str(marks.value_of(surface, "stamp"))
            component = Component(mask, stamp, value, number)
            if components.find_part(empty, component) is not None:
                pick(scene, component, label)
                return
    pick(scene, None)


def _deselect(scene: Scene) -> None:
    """Corrections act on selected components first: what was selected before a click is not meant any more."""
    for layer in scene.view_layers:
        for one in [one for one in layer.objects.selected if one.type == "MESH" and components.whole_component(one)]:
            one.select_set(False, view_layer=layer)


def _extent(scene: Scene, component: Component) -> str:
    """`, slices 4 to 12`, as far as the component is shown."""
    empty = tomogram.find_tomogram(scene.tomoseg.shown)
    found = None if empty is None else components.find_part(empty, component)
    if found is None or not len(found[1].vertices):
        return ""
    first, last = components.slices_of(found[1])
    return f", slices {first} to {last}"


def picked(scene: Scene) -> Component | None:
    """The picked component, or None."""
    group = scene.tomoseg.masks
    if not group.picked_component:
        return None
    return Component(group.picked_mask, group.picked_stamp, group.picked_value, group.picked_component)


def chosen(context: Context) -> list[Component]:
    """The components of the selected objects that show a single one, else the picked one.

    Raises TomosegError where there is neither.
    """
    found = [components.whole_component(one) for one in context.selected_objects if one.type == "MESH"]
    selected = [one for one in found if one is not None]
    if selected:
        return selected
    component = picked(context.scene)
    if component is None:
        raise TomosegError(NONE_PICKED)
    return [component]


def shown_empty(scene: Scene) -> Any:
    """The shown tomogram's empty. Raises TomosegError if none is shown."""
    shown = viewing.shown_tomogram(scene)
    if shown is None:
        raise TomosegError("No tomogram is shown: show one first.")
    return shown[1]


def ray_under(context: Context, place: tuple[int, int]) -> tuple[Vector, Vector] | None:
    """Start and direction (world) of the ray under a place of the region (pixels); None outside a 3D view."""
    region, view = context.region, context.region_data
    if region is None or view is None:
        return None
    return region_2d_to_origin_3d(region, view, place), region_2d_to_vector_3d(region, view, place).normalized()


def _draw() -> None:
    """The picked component shines through whatever lies before it."""
    context = bpy.context
    component = picked(context.scene)
    empty = tomogram.find_tomogram(context.scene.tomoseg.shown)
    if component is None or empty is None or not context.space_data.overlay.show_overlays:
        return
    batch = _batch(empty, component)
    if batch is None:
        return
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("color", GLOW)
    gpu.state.blend_set("ALPHA")
    gpu.state.face_culling_set("BACK")
    gpu.matrix.push()
    gpu.matrix.multiply_matrix(empty.matrix_world)
    batch.draw(shader)
    gpu.matrix.pop()
    gpu.state.face_culling_set("NONE")
    gpu.state.blend_set("NONE")


def _batch(empty: Any, component: Component) -> Any | None:
    """The component's triangles on the graphics card, made anew only where a mesh has changed."""
    sizes = [(one.name, len(one.data.vertices)) for one in components.of_mask(empty) if one.visible_get()]
    key = component, sizes
    if _SHOWN.key != key:
        found = components.find_part(empty, component)
        _SHOWN.key, _SHOWN.batch = key, None
        if found is not None and len(found[1].triangles) and found[0].visible_get():
            shader = gpu.shader.from_builtin("UNIFORM_COLOR")
            corners = {"pos": found[1].vertices}
            _SHOWN.batch = batch_for_shader(shader, "TRIS", corners, indices=found[1].triangles)
    return _SHOWN.batch


def surface_of_label(empty: Any, mask: str, name: str, value: int, colour: str, stamp: str) -> Any:
    """The surface that shows a label as a whole, made empty where there is none."""
    found = meshes.find_surface(empty, name)
    if found is None:
        found = meshes.show_surface(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), empty, name, colour)
        components.mark_surface(found, mask, stamp, value, name, None)
    return found


def label_name(scene: Scene, value: int) -> str:
    """The name of the listed label with this integer."""
    names = {row.value: row.name for row in scene.tomoseg.masks.labels}
    return str(names.get(value, f"label {value}"))


def label_colour(scene: Scene, value: int) -> str:
    """The colour of the listed label with this integer, '#rrggbb'."""
    return next(state.hex_colour(row) for row in scene.tomoseg.masks.labels if row.value == value)


def register() -> None:
    """Draw from now on; nothing is drawn in background mode."""
    if not bpy.app.background:
        _SHOWN.handles.append(bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    """Draw no more."""
    for handle in _SHOWN.handles:
        bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
    _SHOWN.handles.clear()
    _SHOWN.key = _SHOWN.batch = None
