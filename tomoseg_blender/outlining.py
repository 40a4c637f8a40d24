"""Outlines of the features' maps on the shown z slice, drawn over the 3D view at each feature's threshold."""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import gpu
import numpy as np
from bpy.types import Scene
from gpu_extras.batch import batch_for_shader
from numpy.typing import NDArray

from ..tomo import mrc
from ..tomo.errors import TomosegError
from ..tomo.names import result_name
from . import state, viewing
from .scene.outline import outline

KEPT_SLICES, KEPT_LINES = 8, 16
WIDTH = 2.0
SHADE = (0.0, 0.0, 0.0, 0.55)  # under the line: seen on bright and on dark slices
SliceKey = tuple[str, int, int]


@dataclass
class _Cache:
    """What was read and computed last: slices as float32, outlines, and the handle that Blender gave."""

    slices: "OrderedDict[SliceKey, NDArray[np.float32]]" = field(default_factory=OrderedDict)
    lines: "OrderedDict[tuple[SliceKey, float], NDArray[np.float32]]" = field(default_factory=OrderedDict)
    opened: "dict[tuple[str, int], mrc.Tomogram]" = field(default_factory=dict)
    handles: list[Any] = field(default_factory=list)


_CACHE = _Cache()


def outlines(scene: Scene) -> list[tuple[str, NDArray[np.float32]]]:
    """(feature, segments (n, 2, 2) x, y in voxels) of the shown slice; none where outlines are off or nothing is shown.

    A map that cannot be read, or that is of another size, is left out: the step that made it tells.
    """
    shown = viewing.shown_tomogram(scene)
    folder = state.project_folder(scene)
    if shown is None or folder is None or not scene.tomoseg.masks.outlines:
        return []
    item = shown[0]
    found = []
    for feature in scene.tomoseg.features:
        path = folder / "segmentations" / f"{result_name(item.name, feature.name)}.mrc"
        plane = slice_of(path, item.slice_z, tuple(item.shape))
        if plane is not None:
            found.append((feature.name, _lines(plane, feature.level)))
    return found


def slice_of(path: Path, z: int, shape: tuple[int, ...]) -> tuple[SliceKey, NDArray[np.float32]] | None:
    """Slice `z` of a map of `shape` [z, y, x] as float32 [y, x] with its key; None where there is no such map."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    key = (str(path), changed, z)
    if key not in _CACHE.slices:
        try:
            opened = _opened(path, changed)
        except TomosegError:
            return None
        if opened.shape != shape or not 0 <= z < shape[0]:
            return None
        _CACHE.slices[key] = np.nan_to_num(np.asarray(opened.data[z], np.float32))
        _shorten(_CACHE.slices, KEPT_SLICES)
    return key, _CACHE.slices[key]


def _opened(path: Path, changed: int) -> mrc.Tomogram:
    key = (str(path), changed)
    if key not in _CACHE.opened:
        if len(_CACHE.opened) >= KEPT_SLICES:
            _CACHE.opened.clear()
        _CACHE.opened[key] = mrc.open_tomogram(path)
    return _CACHE.opened[key]


def _lines(plane: tuple[SliceKey, NDArray[np.float32]], level: float) -> NDArray[np.float32]:
    key = plane[0], round(level, 6)
    if key not in _CACHE.lines:
        _CACHE.lines[key] = outline(plane[1], level)
        _shorten(_CACHE.lines, KEPT_LINES)
    return _CACHE.lines[key]


def _shorten(kept: "OrderedDict[Any, Any]", count: int) -> None:
    while len(kept) > count:
        kept.popitem(last=False)


def forget() -> None:
    """Close the maps and drop what was read of them."""
    _CACHE.slices.clear()
    _CACHE.lines.clear()
    _CACHE.opened.clear()


def on_slice(segments: NDArray[np.float32], index: int, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ends of segments (2 n, 3) in the world, on top of slice `index`."""
    flat = segments.reshape(-1, 2)
    full = np.concatenate([flat, np.full((len(flat), 1), index + 1.0), np.ones((len(flat), 1))], axis=1)
    return np.asarray((full @ matrix.T)[:, :3], np.float32)


def _draw() -> None:
    context = bpy.context
    shown = viewing.shown_tomogram(context.scene)
    if shown is None or not context.space_data.overlay.show_overlays or shown[1].hide_viewport:
        return
    item, empty = shown
    matrix = np.array(empty.matrix_world, np.float32)
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", (context.region.width, context.region.height))
    gpu.state.blend_set("ALPHA")
    for name, segments in outlines(context.scene):
        if not len(segments):
            continue
        batch = batch_for_shader(shader, "LINES", {"pos": on_slice(segments, item.slice_z, matrix)})
        colour = (*context.scene.tomoseg.features[name].colour, 1.0)
        for width, shade in ((WIDTH + 2, SHADE), (WIDTH, colour)):
            shader.uniform_float("lineWidth", width * context.preferences.system.ui_scale)
            shader.uniform_float("color", shade)
            batch.draw(shader)
    gpu.state.blend_set("NONE")


def register() -> None:
    """Draw from now on; nothing is drawn in background mode."""
    if not bpy.app.background:
        _CACHE.handles.append(bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW"))


def unregister() -> None:
    """Draw no more."""
    for handle in _CACHE.handles:
        bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
    _CACHE.handles.clear()
    forget()
