"""Painting labels on the shown slice, and keeping them: what is painted goes to the project folder.

The images in the scene are what people paint on; the label files follow them, and rule again on loading.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from bpy.types import Context, Scene
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector
from numpy.typing import NDArray

from ..tomo import mrc
from ..tomo.errors import TomosegError
from ..tomo.labels import load_label, save_label
from . import compat, state
from .scene import labels, marks, slices, tomogram

UNSAVED = "tomoseg_unsaved"  # packed in the .blend, but the project folder could not be written
ERASER_MARGIN = 0.5
Images = tuple[Any | None, Any | None]
VERSION = "tomoseg_version"  # which computed label an image holds; "" where it was painted only
Key = tuple[str, str, int]
_written: dict[Key, str] = {}  # the version that the project has; not in the scene, where undo would turn it back


def is_stroking() -> bool:
    """True while the mouse draws a stroke. What is kept then is not marked as painted by the stroke's rest."""
    return "PAINT_OT_image_paint" in compat.modal_operators()


def unsaved_slices() -> list[tuple[str, str, int]]:
    """(tomogram, feature, z) of all slices painted since they were last written to the project."""
    return sorted({labels.key_of(image) for image in labels.label_images() if _is_unsaved(image)})


def _is_unsaved(image: Any) -> bool:
    if image.is_dirty or image.get(UNSAVED):
        return True
    # Undo and redo exchange computed labels without painting.
    key = labels.key_of(image)
    return key in _written and _written[key] != _version_of(key)


def _version_of(key: Key) -> str:
    images = (labels.find_label_image(*key, role) for role in labels.ROLES)
    return next((str(image.get(VERSION, "")) for image in images if image is not None), "")


def save_painted(scene: Scene) -> int:
    """Write what was painted since the last time to the project; returns the number of slices.

    Raises TomosegError if the project cannot be written; what was painted then stays to be written next time.
    """
    waiting = unsaved_slices()
    if not waiting or is_stroking():
        return 0
    project = state.require_project(scene)
    project.require_writable()
    features = {feature.name for feature in project.features()}
    for name, feature, z in waiting:
        if feature in features:  # the labels of a removed feature stay in the .blend only
            geometry = state.open_data(project, name).geometry
            save_label(project.label_path(name, feature, z), labels.read_slice_label(name, feature, z), geometry)
        _settle(name, feature, z)
    return len(waiting)


def save_shown(scene: Scene, item: Any) -> bool:
    """After undo or redo: write the label of the shown slice if the project has another one; True if it had.

    Undo changes painted images without marking them as painted, and always those of the slice that it goes back to.
    """
    feature = state.active_feature(scene)
    if feature is None:
        return False
    key = (item.name, feature.name, item.slice_z)
    if all(labels.find_label_image(*key, role) is None for role in labels.ROLES):
        return False
    path = state.require_project(scene).label_path(*key)
    label = labels.read_slice_label(*key)
    if np.array_equal(label, load_label(path, (label.shape[0], label.shape[1]))):
        return False
    state.require_project(scene).require_writable()
    save_label(path, label, state.open_data(state.require_project(scene), item.name).geometry)
    return True


def _settle(name: str, feature: str, z: int) -> None:
    """Mark both images of a slice as written; keeping makes `is_dirty` mean "painted since"."""
    for role in labels.ROLES:
        image = labels.find_label_image(name, feature, z, role)
        if image is not None:
            labels.keep(image)
            image.pop(UNSAVED, None)
    if (name, feature, z) in _written:
        _written[name, feature, z] = _version_of((name, feature, z))


def keep_in_blend() -> None:
    """Pack what could not be written to the project, so that saving the .blend keeps it."""
    for image in labels.label_images():
        if image.is_dirty:
            image.pack()
            image[UNSAVED] = True


def forget_saved(*, for_good: bool = False) -> None:
    """Drop label images that the project has too, perhaps in a newer state; they are read again when shown.

    for_good: after loading a .blend, where no undo can want them back.
    """
    for image in list(labels.label_images()):
        if not image.get(UNSAVED):
            labels.set_aside(image)
    if for_good:
        for image in list(labels.images_set_aside()):
            bpy.data.images.remove(image)


def forget_versions() -> None:
    """After loading a file: which computed labels the project before it had says nothing about this one's."""
    _written.clear()


def images_of_slice(scene: Scene, item: Any, feature: Any, z: int) -> Images:
    """(label, ignore) images of a slice, read from the project's label file where the scene has none yet.

    While painting, an empty image is made where there is no label at all.
    """
    found: Images = tuple(labels.find_label_image(item.name, feature.name, z, role) for role in labels.ROLES)  # type: ignore[assignment]  # two roles
    shape = (item.shape[1], item.shape[2])
    if found == (None, None):
        path = state.require_project(scene).label_path(item.name, feature.name, z)
        if path.is_file():
            labels.write_new_label(item.name, feature.name, z, load_label(path, shape), state.hex_colour(feature))
            return images_of_slice(scene, item, feature, z)
    if painted_plane(scene) is not None:
        role = scene.tomoseg.paint_role
        labels.ensure_label_image(item.name, feature.name, z, shape, state.hex_colour(feature), role)
        found = tuple(labels.find_label_image(item.name, feature.name, z, one) for one in labels.ROLES)  # type: ignore[assignment]  # two roles
    return found


def put_label(scene: Scene, item: Any, feature: Any, z: int, label: NDArray[np.int8]) -> None:
    """Make `label` [y, x] the label of a slice: in the project, and in the scene where its image is shown."""
    project = state.require_project(scene)
    project.require_writable()
    geometry = mrc.open_tomogram(project.tomogram_path(item.name)).geometry
    save_label(project.label_path(item.name, feature.name, z), label, geometry)
    if any(labels.find_label_image(item.name, feature.name, z, role) is not None for role in labels.ROLES):
        labels.write_new_label(item.name, feature.name, z, label, state.hex_colour(feature))
        _stamp(item.name, feature.name, z)


def keep_written(scene: Scene, item: Any, feature: Any, z: int, label: NDArray[np.int8]) -> None:
    """Save `label` [y, x], which the images of a slice hold already, in the project, and keep the images."""
    project = state.require_project(scene)
    project.require_writable()
    save_label(project.label_path(item.name, feature.name, z), label, state.open_data(project, item.name).geometry)
    for role in labels.ROLES:
        image = labels.find_label_image(item.name, feature.name, z, role)
        if image is not None:
            labels.keep(image)
    _stamp(item.name, feature.name, z)


def _stamp(name: str, feature: str, z: int) -> None:
    """Remember which computed label the project has of a slice."""
    version = uuid.uuid4().hex
    for role in labels.ROLES:
        image = labels.find_label_image(name, feature, z, role)
        if image is not None:
            image[VERSION] = version
    _written[name, feature, z] = version


def painted_plane(scene: Scene) -> Any | None:
    """The slice plane that is in Texture Paint mode, or None."""
    empty = tomogram.find_tomogram(scene.tomoseg.shown)
    plane = None if empty is None else slices.find_plane(empty, "z")
    return plane if plane is not None and plane.mode == "TEXTURE_PAINT" else None


def follow(scene: Scene, plane: Any, images: Images) -> None:
    """Let painting go on with these (label, ignore) images, if the plane is being painted on."""
    if plane.mode != "TEXTURE_PAINT":
        return
    paint = scene.tool_settings.image_paint
    paint.mode = "IMAGE"
    paint.canvas = images[labels.ROLES.index(scene.tomoseg.paint_role)]
    for space in _label_editors():
        space.image = paint.canvas  # else strokes there would go to the slice that was left
    feature = state.active_feature(scene)
    if paint.brush is not None and paint.brush.name == compat.BRUSH_NAME and feature is not None:
        role_colour = tuple(feature.colour) if scene.tomoseg.paint_role == labels.LABEL else (0.5, 0.5, 0.5)
        compat.set_brush_colour(paint.brush, role_colour)
        paint.brush.blend = "ERASE_ALPHA" if scene.tomoseg.erase else "MIX"


def _label_editors() -> Iterator[Any]:
    """The Image Editors that show a label, also one that was replaced."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            image = area.spaces.active.image if area.type == "IMAGE_EDITOR" else None
            if image is not None and image.get(marks.KIND) in (labels.KIND, labels.SET_ASIDE):
                yield area.spaces.active


def open_editors(scene: Scene) -> None:
    """Let the Image Editors take part in painting: Blender shows the canvas in them, strokes need their paint mode."""
    for space in _label_editors():
        space.mode = "PAINT"
        space.image = scene.tool_settings.image_paint.canvas


def close_editors(instead: Any | None) -> None:
    """After painting: Image Editors show `instead` of the label, if there is such an image."""
    for space in _label_editors():
        space.mode = "VIEW"
        if instead is not None:
            space.image = instead


def dress_brush(context: Context) -> None:
    """Make the hard label brush the active one; raises TomosegError where Blender has none to offer."""
    if compat.label_brush(context) is None:
        raise TomosegError("Blender offers no brush here: paint in a 3D view or an Image Editor of a Blender window.")
    # Else a stroke over the edge of the slice also paints its opposite edge.
    context.tool_settings.image_paint.seam_bleed = 0
    apply_radius(context)


class _Brush:
    """The radius on the screen that the brush was given last: another one was chosen by the person, with F."""

    def __init__(self) -> None:
        self.pixels = 0


_BRUSH = _Brush()


def apply_radius(context: Context, region: Any = None, region_3d: Any = None) -> None:
    """Set the brush's size on the screen from its radius in voxels, at the zoom of a region, or of the first 3D view.

    region_3d: of a region in a 3D view; None for one of an Image Editor.
    """
    brush = context.tool_settings.image_paint.brush
    zoom = pixels_per_voxel(context, region, region_3d)
    if brush is not None and brush.name == compat.BRUSH_NAME and zoom is not None:
        compat.set_brush_radius(brush, (context.scene.tomoseg.brush_radius + _margin(brush)) * zoom)
        _BRUSH.pixels = brush.size


def _margin(brush: Any) -> float:
    """Voxels that the eraser reaches further: a stroke is never repeated to the pixel, and left single voxels."""
    return ERASER_MARGIN if brush.blend == "ERASE_ALPHA" else 0.0


def follow_radius(context: Context) -> None:
    """Keep the radius in voxels when the view is zoomed, and take a radius over that was chosen with F."""
    brush = context.tool_settings.image_paint.brush
    if brush is None or brush.name != compat.BRUSH_NAME or compat.modal_operators():
        return
    zoom = pixels_per_voxel(context)
    if zoom is not None and _BRUSH.pixels and brush.size != _BRUSH.pixels:
        context.scene.tomoseg.brush_radius = max(0.5, round(compat.brush_radius(brush) / zoom - _margin(brush), 1))
    apply_radius(context)


def pixels_per_voxel(context: Context, region: Any = None, region_3d: Any = None) -> float | None:
    """How many pixels of the screen a voxel of the shown slice takes in a region; None without a 3D view."""
    if region is None:
        view = _first_view(context)
        if view is None:
            return None
        region, region_3d = view
    empty = tomogram.find_tomogram(context.scene.tomoseg.shown)
    if empty is None:
        return None
    if region_3d is None:
        width = tomogram.shape_of(empty)[2]
        ends = [region.view2d.view_to_region(u, 0, clip=False)[0] for u in (0, 1)]
        return abs(ends[1] - ends[0]) / width
    middle = empty.matrix_world.inverted() @ region_3d.view_location
    start, end = (
        location_3d_to_region_2d(region, region_3d, empty.matrix_world @ (middle + Vector((x, 0, 0)))) for x in (0, 10)
    )
    return None if start is None or end is None else float((end - start).length) / 10


def _first_view(context: Context) -> tuple[Any, Any] | None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                region = next(region for region in area.regions if region.type == "WINDOW")
                return region, area.spaces.active.region_3d
    return None
