"""What Tomoseg draws over the 3D view: a line that says what is seen, the value under the mouse, and the boxes."""

from dataclasses import dataclass, field
from typing import Any

import blf
import bpy
import gpu
import numpy as np
from bpy.types import Context, Scene
from gpu_extras.batch import batch_for_shader
from numpy.typing import NDArray

from ..tomo.boxes import POSITIVE
from ..tomo.errors import TomosegError
from . import aiming, slice_drawing, state, viewing
from .scene import boxes, marks
from .scene.palette import srgb

TEXT_SIZE = 13
LINE = 20
MARGIN = 10
REACH = 12  # slices from which boxes still shine through, fainter the farther
FAINTEST, FAINT = 0.06, 0.35
TOGETHER = 8  # voxels: boxes of other slices that lie closer are drawn as one
DASHES = 8  # of a side of a negative box: told apart without colour too
_PLATE = (0.0, 0.0, 0.0, 0.8)
_WHITE = (1.0, 1.0, 1.0, 1.0)
Rgba = tuple[float, float, float, float]
Points = NDArray[np.float32]


@dataclass
class _Handles:
    """What Blender gave for the functions that draw."""

    view: list[Any] = field(default_factory=list)
    editor: list[Any] = field(default_factory=list)
    cursor: list[Any] = field(default_factory=list)


_HANDLES = _Handles()


def headline(context: Context) -> list[list[tuple[str, Rgba]]]:
    """The lines over the view, each in parts with their colours; none where no tomogram is shown."""
    group = context.scene.tomoseg
    shown = viewing.shown_tomogram(context.scene)
    if shown is None:
        return []
    item = shown[0]
    axis = group.axis
    depth = item.shape["zyx".index(axis)]
    size = f"{item.voxel_size:.2f} Å" if item.voxel_size else "voxel size unknown"
    lines = [[(f"{item.name}   {axis} {getattr(item, f'slice_{axis}')} of {depth}   {size}", _WHITE)]]
    feature = state.active_feature(context.scene)
    if feature is not None:
        lines.append([(f"■ {feature.name}", (*feature.colour, 1.0)), *_mode_parts(context)])
    return lines


def _mode_parts(context: Context) -> list[tuple[str, Rgba]]:
    group = context.scene.tomoseg
    if context.mode == "PAINT_TEXTURE":
        what = "erase" if group.erase else ("ignore" if group.paint_role == "ignore" else "paint")
        return [(f"{what}, radius {group.brush_radius:g} voxels", _WHITE)]
    sign = "+" if group.box_kind == POSITIVE else "−"
    return [(f"{sign} {group.box_kind} box, {group.box_size} voxels", kind_colour(group.box_kind))]


def kind_colour(kind: str) -> Rgba:
    """Blue for positive, vermilion for negative, as bright as text over a dark plate needs."""
    return (*srgb(boxes.POSITIVE_COLOUR if kind == POSITIVE else boxes.NEGATIVE_COLOUR), 1.0)


def readout(scene: Scene, voxel: tuple[int, int, int]) -> str:
    """Position and value of a voxel (x, y, z) of the shown tomogram; a sentence if its file is gone."""
    x, y, z = voxel
    try:
        value = float(viewing.data_of(scene, scene.tomoseg.shown).data[z, y, x])
    except TomosegError as error:
        return str(error)
    return f"x {x}   y {y}   z {z}   value {value:.4g}"


def _top_left(context: Context) -> tuple[float, float]:
    """Where the first line stands in the region: below headers, beside the toolbar, below Blender's own words."""
    scale = context.preferences.system.ui_scale
    left, _right, top = viewing.covered(context.area)
    overlay = context.space_data.overlay
    lines = (3 if overlay.show_text else 0) + (6 if overlay.show_stats else 0)
    return left + MARGIN * scale, context.region.height - top - (MARGIN + LINE + lines * 18) * scale


def _line_height(context: Context) -> float:
    return (LINE + 2) * float(context.preferences.system.ui_scale)


def _draw_headline() -> None:
    context = bpy.context
    if context.space_data is None or not context.space_data.overlay.show_overlays:
        return
    x, y = _top_left(context)
    for number, parts in enumerate(headline(context)):
        _write(context, parts, (x, y - number * _line_height(context)))


def _write(context: Context, parts: list[tuple[str, Rgba]], corner: tuple[float, float]) -> None:
    """One line of text in several colours, on a dark plate that keeps it legible over a bright slice."""
    scale = context.preferences.system.ui_scale
    font, gap = 0, 14 * scale
    blf.size(font, TEXT_SIZE * scale)
    widths = [blf.dimensions(font, text)[0] for text, _ in parts]
    x, y = corner
    _plate(x - 6 * scale, y - 6 * scale, sum(widths) + gap * (len(parts) - 1) + 12 * scale, LINE * scale)
    for (text, colour), width in zip(parts, widths, strict=True):
        blf.color(font, *colour)
        blf.position(font, x, y, 0)
        blf.draw(font, text)
        x += width + gap


def _plate(x: float, y: float, width: float, height: float) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_float("color", _PLATE)
    batch_for_shader(shader, "TRIS", {"pos": corners}, indices=((0, 1, 2), (0, 2, 3))).draw(shader)
    gpu.state.blend_set("NONE")


def _draw_readout(mouse: tuple[float, float]) -> None:
    """Called by Blender for each movement of the mouse over a 3D view; coordinates are the window's."""
    context = bpy.context
    region, space = context.region, context.space_data
    if region is None or space is None or space.type != "VIEW_3D" or not space.overlay.show_overlays:
        return
    inside = (mouse[0] - region.x, mouse[1] - region.y)
    voxel = aiming.voxel_under(context.scene, region, space.region_3d, inside)
    if voxel is not None:
        x, y = _top_left(context)
        below = len(headline(context)) * _line_height(context)
        text = readout(context.scene, voxel)
        _write(context, [(text, _WHITE)], (region.x + x, region.y + y - below))


def box_lines(empty: Any, index: int) -> dict[tuple[Rgba, bool], Points]:
    """The outlines of a tomogram's boxes by colour and whether they are selected: pairs of points in the world (n, 3).

    Boxes of the slice `index` are opaque, others the fainter the farther away; those of far slices are left out.
    All are drawn on the shown slice, where their places count.
    """
    lines: dict[tuple[Rgba, bool], list[Points]] = {}
    for child in _nearest(empty, index):
        x, y, z = child.location
        away = abs(int(z // 1) - index)
        kind, half = str(marks.value_of(child, "box_kind")), float(marks.value_of(child, "size")) / 2
        alpha = 1.0 if away == 0 else FAINTEST + (FAINT - FAINTEST) * (1 - away / (REACH + 1))
        outline = _SOLID if kind == POSITIVE else _DASHED
        style = ((*kind_colour(kind)[:3], alpha), child.select_get())
        lines.setdefault(style, []).append(outline * half + np.array((x, y)))
    matrix = np.array(empty.matrix_world, np.float32)
    return {style: _on_slice(np.concatenate(parts), index, matrix) for style, parts in lines.items()}


def _nearest(empty: Any, index: int) -> list[Any]:
    """The boxes within reach; of those of other slices that lie over each other only the nearest, or faint adds up."""
    found: dict[object, tuple[int, Any]] = {}
    for child in empty.children:
        if not marks.is_marked(child, boxes.KIND) or (child.hide_get() and not child.hide_viewport):
            continue
        x, y, z = child.location
        away = abs(int(z // 1) - index)
        if away <= REACH:
            place = child.name if away == 0 else (round(x / TOGETHER), round(y / TOGETHER))
            if place not in found or away < found[place][0]:
                found[place] = (away, child)
    return [child for _away, child in found.values()]


def _on_slice(points: Points, index: int, matrix: Points) -> Points:
    """Voxel coordinates (x, y) on top of slice `index` to the world."""
    full = np.concatenate([points, np.full((len(points), 1), index + 1.0), np.ones((len(points), 1))], axis=1)
    return np.asarray((full @ matrix.T)[:, :3], np.float32)


def _outline(dashes: int) -> Points:
    """Pairs of points (n, 2) around a square from -1 to 1, each side of so many dashes."""
    corners = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)), np.float32)
    steps = np.linspace(0, 1, 2 * dashes)[:, None]
    sides = [a + steps * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    return np.asarray(np.concatenate(sides), np.float32)


_SOLID, _DASHED = _outline(1), _outline(DASHES)


def _draw_boxes() -> None:
    context = bpy.context
    shown = viewing.shown_tomogram(context.scene)
    if shown is None or not context.space_data.overlay.show_overlays:
        return
    item, empty = shown
    if empty.hide_viewport:
        return
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", (context.region.width, context.region.height))
    gpu.state.blend_set("ALPHA")
    for (colour, selected), points in sorted(box_lines(empty, item.slice_z).items(), key=lambda pair: pair[0][0][3]):
        batch = batch_for_shader(shader, "LINES", {"pos": points})
        for width, shade in ((5.0, _WHITE), (2.0, colour)) if selected else ((2.0, colour),):
            shader.uniform_float("lineWidth", width * context.preferences.system.ui_scale)
            shader.uniform_float("color", shade)
            batch.draw(shader)
    gpu.state.blend_set("NONE")


def register() -> None:
    """Draw from now on; nothing is drawn in background mode."""
    if bpy.app.background:
        return
    view = bpy.types.SpaceView3D
    _HANDLES.view.append(view.draw_handler_add(slice_drawing.draw_in_view, (), "WINDOW", "POST_VIEW"))
    _HANDLES.view.append(view.draw_handler_add(_draw_headline, (), "WINDOW", "POST_PIXEL"))
    _HANDLES.view.append(view.draw_handler_add(_draw_boxes, (), "WINDOW", "POST_VIEW"))
    editor = bpy.types.SpaceImageEditor
    _HANDLES.editor.append(editor.draw_handler_add(slice_drawing.draw_in_editor, (), "WINDOW", "POST_PIXEL"))
    manager = bpy.types.WindowManager
    _HANDLES.cursor.append(manager.draw_cursor_add(_draw_readout, (), "VIEW_3D", "WINDOW"))


def unregister() -> None:
    """Draw no more."""
    for handle in _HANDLES.view:
        bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
    for handle in _HANDLES.editor:
        bpy.types.SpaceImageEditor.draw_handler_remove(handle, "WINDOW")
    for handle in _HANDLES.cursor:
        bpy.types.WindowManager.draw_cursor_remove(handle)
    _HANDLES.view.clear()
    _HANDLES.editor.clear()
    _HANDLES.cursor.clear()
