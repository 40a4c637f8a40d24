"""Which slice, and which part of it, the 3D views show: that is what the network is asked to look at."""

import bpy
from bpy.types import Scene

from ..tomo.boxes import Box
from . import aiming, boxing, state, viewing

GRID = 64  # voxels: the visible part grows in such steps, so that small pans ask for nothing new
WORTHWHILE = 0.7  # of a slice: if more of it is seen, all of it is asked for
SMALL = 512 * 512  # voxels: slices up to this size are always asked for whole
Region = tuple[int, int, int, int]  # x, y, width, height in voxels
View = tuple[str, int, Region | None]  # tomogram, z, the visible part or all of it


def view_of(scene: Scene, feature: str, asked: Region | None) -> View | None:
    """The slice in view and what is seen of it; None where another feature, or nothing, is shown.

    asked: the part asked for last; it stays while it covers what is seen, and not much more.
    """
    shown, active = viewing.shown_tomogram(scene), state.active_feature(scene)
    if shown is None or active is None or active.name != feature:
        return None
    item, _empty = shown
    shape = (item.shape[1], item.shape[2])
    seen = None if shape[0] * shape[1] <= SMALL else visible_part(scene, shape)
    if seen is not None and asked is not None and _covers(asked, seen) and _area(asked) <= 2 * _area(seen):
        seen = asked
    return item.name, item.slice_z, seen


def visible_part(scene: Scene, shape: tuple[int, int]) -> Region | None:
    """The part of a slice of `shape` [y, x] that the largest 3D view shows; None for most or all of it."""
    corners = [aim for aim in _corner_aims(scene) if aim is not None]
    if len(corners) < 4:
        return None
    xs, ys = [aim.x for aim in corners], [aim.y for aim in corners]
    return rounded_part((min(xs), min(ys), max(xs), max(ys)), shape)


def rounded_part(seen: tuple[float, float, float, float], shape: tuple[int, int]) -> Region | None:
    """(left, lower, right, upper) in voxels, grown to GRID inside a slice of `shape` [y, x]; None: all of it."""
    height, width = shape
    left, lower = (max(int(value // GRID) * GRID, 0) for value in seen[:2])
    right, upper = (
        min(-int(-value // GRID) * GRID, size) for value, size in zip(seen[2:], (width, height), strict=True)
    )
    part = (left, lower, right - left, upper - lower)
    if right <= left or upper <= lower or _area(part) >= WORTHWHILE * height * width:
        return None
    return part


def _corner_aims(scene: Scene) -> list[aiming.Aim | None]:
    areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]
    views = [area for area in areas if area.type == "VIEW_3D"]
    if not views:
        return []
    area = max(views, key=lambda one: one.width * one.height)
    region = next(one for one in area.regions if one.type == "WINDOW")
    ends = ((0, 0), (region.width, 0), (region.width, region.height), (0, region.height))
    return [aiming.aim(scene, region, area.spaces.active.region_3d, end) for end in ends]


def _area(part: Region) -> int:
    return part[2] * part[3]


def _covers(outer: Region, inner: Region) -> bool:
    return all(outer[n] <= inner[n] and outer[n] + outer[n + 2] >= inner[n] + inner[n + 2] for n in (0, 1))


def bring_to(box: Box) -> None:
    """Select a box that came by itself, bring it into view, and make it one step of undo."""
    boxing.centre_on(bpy.context, box)
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message="Next Box to Annotate")
