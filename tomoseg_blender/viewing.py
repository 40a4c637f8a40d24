"""Showing the chosen tomogram: its slice planes, contrast, boxes of the slice, and labels on it."""

from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Context, Scene
from bpy_extras.view3d_utils import location_3d_to_region_2d, region_2d_to_location_3d
from mathutils import Quaternion, Vector

from ..tomo import mrc
from ..tomo.errors import TomosegError
from . import painting, sections, slice_texture, state
from .scene import boxes, labels, marks, slices, tomogram
from .scene.slice_pixels import automatic_window, quick_step

SHARPEN_SECONDS = 0.05  # of rest, twice: see rest
SIGHT = 0.85  # of the free part of a view: what lies further out is brought to the middle
FRAME = 1.1  # the view is this much wider than the tomogram
# How a view is turned that looks straight on slices along an axis: from the top, the front, the right.
TURNS = {"z": (1.0, 0.0, 0.0, 0.0), "y": (0.5**0.5, 0.5**0.5, 0.0, 0.0), "x": (0.5, 0.5, 0.5, 0.5)}
STRAIGHT = 0.9999  # cosine of half the angle between two turns that count as one


@lru_cache(maxsize=4)
def _mapped(path: Path, _changed: int) -> mrc.Tomogram:
    return mrc.open_tomogram(path)


def data_of(scene: Scene, name: str) -> mrc.Tomogram:
    """The tomogram `name`, memory-mapped; kept open between slices until its file changes."""
    path = state.require_project(scene).tomogram_path(name)
    try:
        return _mapped(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise TomosegError(f"{path} is gone ({error.strerror}): restore it, or import the tomogram again.") from error


def forget() -> None:
    """Close the tomograms; the next slice opens its own again."""
    _mapped.cache_clear()


def empty_of(scene: Scene, name: str) -> Any:
    """The tomogram's empty, which surfaces and volumes hang on; made, without showing a slice, where there is none."""
    opened = data_of(scene, name)
    return tomogram.find_tomogram(name) or tomogram.ensure_tomogram(name, opened.shape, opened.geometry)


def show(scene: Scene, item: Any) -> Any:
    """Show a tomogram of the project (a property group) with its boxes and labels; returns its empty."""
    opened = data_of(scene, item.name)
    empty = tomogram.ensure_tomogram(item.name, opened.shape, opened.geometry)
    with state.muted():
        if item.low == item.high:
            item.low, item.high = automatic_window(opened.data[opened.shape[0] // 2])
        scene.tomoseg.tomogram_index = scene.tomoseg.tomograms.find(item.name)
        scene.tomoseg.shown = item.name
    boxes.show_boxes(boxes.merged_boxes(state.require_project(scene).boxes()))
    for other in tomogram.tomograms():
        _set_hidden(other, other != empty)
    show_again(scene)
    return empty


def _set_hidden(empty: Any, hidden: bool) -> None:
    # Tomograms share a place in space: only one is seen at a time. What people hid themselves stays hidden.
    if empty.hide_viewport == hidden:
        return
    for child in empty.children:
        child.hide_viewport = hidden
    empty.hide_viewport = hidden


def shown_tomogram(scene: Scene) -> tuple[Any, Any] | None:
    """(property group, empty) of the tomogram that is shown, or None."""
    item = scene.tomoseg.tomograms.get(scene.tomoseg.shown)
    empty = tomogram.find_tomogram(scene.tomoseg.shown)
    return None if item is None or empty is None else (item, empty)


def show_chosen(scene: Scene) -> None:
    """Show the tomogram chosen in the list, if another one is shown; a person who shows none wants none."""
    chosen = state.active_tomogram(scene)
    if chosen is not None and scene.tomoseg.shown and chosen.name != scene.tomoseg.shown:
        painting.save_painted(scene)
        show(scene, chosen)


def show_again(scene: Scene, *, quick: bool = False, only: str = "", whole: bool = False) -> None:
    """Show the current slices of the shown tomogram, after a step or a change of contrast; nothing if none is shown.

    What was painted on the slice that is left goes to the project folder first. only: the axis that was stepped along;
    the planes of the others stay as they are. whole: Blender's own image is needed in full, as for rendering.
    """
    shown = shown_tomogram(scene)
    if shown is None:
        return
    painting.save_painted(scene)
    item, empty = shown
    opened = data_of(scene, item.name)
    _clamp(item, opened.shape)
    drawn = not whole and slice_texture.serves(tuple(opened.shape[1:]))
    for axis in only or slices.AXES:
        if axis in ("z", scene.tomoseg.axis, only) or slices.find_plane(empty, axis) is not None:
            data, binned = (opened.data, 1) if axis == "z" else _across(scene, item.name, opened)
            slices.show_slice(
                empty,
                axis,
                getattr(item, f"slice_{axis}"),
                data,
                item.low,
                item.high,
                item.invert,
                thickness=item.thickness,
                smooth=item.smooth,
                quick=quick or (drawn and axis == "z"),
                binned=binned,
            )
    if only in ("", "z") and not quick:
        _keep_values(item, opened.data, drawn)
    if only in ("", "z"):
        boxes.show_boxes_near(empty, item.slice_z)
        show_labels(scene)


def _keep_values(item: Any, data: Any, drawn: bool) -> None:
    """What the z slice is drawn from where Blender's image of it is not filled in full."""
    if drawn:
        key = (item.name, item.slice_z, item.thickness)
        slice_texture.put(key, slices.slice_at(data, "z", item.slice_z, item.thickness))
        redraw("VIEW_3D", "IMAGE_EDITOR")
    else:
        slice_texture.drop()


def _across(scene: Scene, name: str, opened: mrc.Tomogram) -> tuple[Any, int]:
    """What slices along y and x are taken from: (data [z, y, x], how many voxels of each side are one in it)."""
    factor = sections.factor_of(opened.shape)
    if factor == 1:
        return opened.data, 1
    project = state.require_project(scene)
    changed = project.tomogram_path(name).stat().st_mtime
    copy = sections.coarse(project.folder, name, opened.data, changed)
    if copy is not None:
        return copy, factor
    if not project.read_only:
        sections.MAKER.ask(project.folder, name, opened.data)
        if bpy.app.background:
            while sections.MAKER.work() is not None:
                continue
            return _across(scene, name, opened)
        if not bpy.app.timers.is_registered(make_sections):
            bpy.app.timers.register(make_sections, first_interval=0.1)
    return sections.sampled(opened.data), factor


def make_sections() -> float | None:
    """Timer: go on making small copies for the slices along y and x; show them once they are there."""
    try:
        finished = sections.MAKER.work()
        if finished:
            for scene in bpy.data.scenes:
                if scene.tomoseg.folder:
                    show_again(scene)
    except TomosegError as error:
        bpy.context.scene.tomoseg.reasons.next_step = str(error)
        return None
    redraw("VIEW_3D")
    return None if finished is None else 0.01


def redraw(*kinds: str) -> None:
    """Have all areas of these kinds drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in kinds:
                area.tag_redraw()


def _clamp(item: Any, shape: tuple[int, int, int]) -> None:
    with state.muted():
        for axis, size in zip(slices.AXES, shape, strict=True):
            name = f"slice_{axis}"
            if getattr(item, name) >= size:
                setattr(item, name, size - 1)


def show_labels(scene: Scene) -> None:
    """Show the active feature's label of the current z slice over the grey, and paint on that from now on."""
    shown, feature = shown_tomogram(scene), state.active_feature(scene)
    if shown is None:
        return
    item, empty = shown
    plane = slices.find_plane(empty, "z")
    images: tuple[Any | None, Any | None] = (None, None)
    if feature is not None:
        images = painting.images_of_slice(scene, item, feature, item.slice_z)
    labels.show_label(plane, *images, opacity=scene.tomoseg.label_opacity)
    painting.follow(scene, plane, images)


def is_label_of_slice(scene: Scene, image: Any | None) -> bool:
    """True for an image that people paint the shown slice's label on."""
    shown = shown_tomogram(scene)
    if shown is None or image is None or not marks.is_marked(image, labels.KIND):
        return False
    name, _feature, z = labels.key_of(image)
    return name == shown[0].name and z == shown[0].slice_z


def frame(context: Any, empty: Any, axis: str = "z", *, straight_only: bool = False) -> None:
    """Look straight on the slice along `axis` in all 3D views, in exact greys; nothing in background mode.

    straight_only: views that look straight along no axis, as a person turned them, stay as they are.
    """
    context.scene.view_settings.view_transform = "Standard"  # AgX would change the greys
    depth, height, width = tomogram.shape_of(empty)
    centre = empty.matrix_world @ Vector((width / 2, height / 2, depth / 2))
    scale = empty.matrix_world.to_scale()
    sides = {"x": width * scale.x, "y": height * scale.y, "z": depth * scale.z}
    across, up = (sides[one] for one in "xyz" if one != axis)
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and not (straight_only and _is_turned(area.spaces.active.region_3d)):
                _look_on(area, centre, (across, up), Quaternion(TURNS[axis]))


def _is_turned(view: Any) -> bool:
    """True for a view in perspective, or one that looks along none of the axes."""
    straight = any(abs(view.view_rotation.dot(Quaternion(turn))) > STRAIGHT for turn in TURNS.values())
    return view.view_perspective != "ORTHO" or not straight


def _look_on(area: Any, centre: Vector, size: tuple[float, float], turn: Quaternion) -> None:
    """Fit a slice of `size` (Blender units) into what toolbar, sidebar and headers leave free of a 3D view."""
    space = area.spaces.active
    view = space.region_3d
    region = next(one for one in area.regions if one.type == "WINDOW")
    left, right, top = covered(area)
    free = max(region.width - left - right, 1), max(region.height - top, 1)
    pixels = min(free[0] / size[0], free[1] / size[1]) / FRAME  # for one unit
    view.view_perspective = "ORTHO"
    view.view_rotation = turn
    view.view_location = centre - turn @ Vector(((left - right) / 2, -top / 2, 0)) / pixels
    # An orthographic view spans its distance × 72 mm / lens over the larger side of the region.
    view.view_distance = max(region.width, region.height) / pixels * space.lens / 72.0
    space.clip_end = max(space.clip_end, 20 * max(size))
    space.overlay.show_relationship_lines = False  # else a line from each box to its tomogram crosses the slice
    if space.shading.type == "SOLID":
        space.shading.light, space.shading.color_type = "FLAT", "TEXTURE"


def bring_into_view(context: Context, place: Vector) -> None:
    """Move each 3D view in which `place` is out of sight, or under a sidebar, so that it is in the free middle."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                _bring_into(area, place)


def _bring_into(area: Any, place: Vector) -> None:
    view = area.spaces.active.region_3d
    region = next(one for one in area.regions if one.type == "WINDOW")
    left, right, top = covered(area)
    middle = Vector(((left + region.width - right) / 2, (region.height - top) / 2))
    seen = location_3d_to_region_2d(region, view, place)
    free = (region.width - left - right, region.height - top)
    if seen is not None and all(abs(seen[n] - middle[n]) < SIGHT * free[n] / 2 for n in (0, 1)):
        return
    view.view_location += place - region_2d_to_location_3d(region, view, middle, place)


def covered(area: Any) -> tuple[int, int, int]:
    """Pixels of a 3D view that lie under its toolbar (left), its sidebar (right) and its headers (top)."""
    left = right = top = 0
    if bpy.context.preferences.system.use_region_overlap:
        for region in area.regions:
            if region.type == "TOOLS" and region.width > 1:
                left = region.width
            elif region.type == "UI" and region.width > 1:
                right = region.width
            elif region.type in ("HEADER", "TOOL_HEADER") and region.alignment == "TOP" and region.height > 1:
                top += region.height
    return left, right, top


def step(scene: Scene, axis: str, count: int) -> int:
    """Move the shown tomogram's slice along `axis` by `count`, within the tomogram; returns the new index."""
    shown = shown_tomogram(scene)
    if shown is None:
        raise TomosegError("No tomogram is shown: show one first.")
    item = shown[0]
    size = item.shape[slices.AXES.index(axis)]
    index = int(min(max(getattr(item, f"slice_{axis}") + count, 0), size - 1))
    with state.muted():
        setattr(item, f"slice_{axis}", index)
    show_moving(scene, only=axis)
    return index


def show_moving(scene: Scene, *, only: str = "") -> None:
    """Show the slices while they are being changed: large ones at screen resolution, in full once they stand still."""
    show_again(scene, quick=not bpy.app.background, only=only)
    shown = shown_tomogram(scene)
    if shown is not None and quick_step(tuple(shown[0].shape)[1:]) > 1:
        _sharpen_soon()


def carry_view(scene: Scene, given: Any, wanted: Any, scale: Fraction) -> None:
    """Let a variant or bin be looked at as the one before: the same place, the same contrast.

    given, wanted: the property groups of the two. scale: voxels of `wanted` for one of `given`. Variants differ in
    their values, so black and white lie as far from the automatic ones as they did.
    """
    with state.muted():
        for axis, size in zip(slices.AXES, wanted.shape, strict=True):
            name = f"slice_{axis}"
            setattr(wanted, name, min(int((getattr(given, name) + Fraction(1, 2)) * scale), size - 1))
        before, now = (automatic_window(data_of(scene, one.name).data[one.slice_z]) for one in (given, wanted))
        stretch = (now[1] - now[0]) / (before[1] - before[0])
        wanted.low, wanted.high = (now[0] + (value - before[0]) * stretch for value in (given.low, given.high))
        for name in ("invert", "smooth", "thickness"):
            setattr(wanted, name, getattr(given, name))


def _sharpen_soon() -> None:
    """Show a large slice in full once it has stood still for a moment; nothing in background mode."""
    if bpy.app.background:
        return
    for timer in (rest, sharpen):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    bpy.app.timers.register(rest, first_interval=SHARPEN_SECONDS)


def rest() -> None:
    """Timer: let `sharpen` come a moment later.

    Blender asks its timers before it looks at the keys that came while it drew. Where drawing is slow, only the second
    one knows that no key is held down: the next step would have begun anew.
    """
    bpy.app.timers.register(sharpen, first_interval=SHARPEN_SECONDS)


def sharpen() -> None:
    """Timer: show the slices that stand still in full."""
    for scene in bpy.data.scenes:
        if scene.tomoseg.folder:
            try:
                _sharpen(scene)
            except TomosegError as error:
                scene.tomoseg.reasons.next_step = str(error)


def _sharpen(scene: Scene) -> None:
    shown = shown_tomogram(scene)
    if shown is None:
        return
    data = data_of(scene, shown[0].name).data
    if slice_texture.serves(tuple(data.shape[1:])):
        _keep_values(shown[0], data, True)  # the coarse image stays as the step left it
    else:
        show_again(scene)


def fill_image(scene: Scene) -> None:
    """Fill Blender's own image of the slice in full, if it was left coarse: renders show that one."""
    if slice_texture.is_held():
        show_again(scene, whole=True)


def fill_image_soon() -> None:
    """A 3D view shows Blender's own image: fill it in full, if it was left coarse."""
    if slice_texture.is_held() and not bpy.app.timers.is_registered(sharpen):
        bpy.app.timers.register(sharpen, first_interval=SHARPEN_SECONDS)
