"""What a 3D view shows as numbers: its middle, its turn and its width; read, and set again."""

from typing import Any

from mathutils import Quaternion, Vector

SENSOR = 72.0  # mm: a 3D view spans its distance × 72 mm / lens over the larger side of its region
Sight = tuple[tuple[float, float, float], tuple[float, float, float, float], float]


def areas(context: Any) -> list[Any]:
    """The 3D views of all windows, the largest first; none in background mode."""
    found = [
        area
        for window in context.window_manager.windows
        for area in window.screen.areas
        if area.type == "VIEW_3D" and any(region.type == "WINDOW" and region.width > 1 for region in area.regions)
    ]
    return sorted(found, key=lambda area: -area.width * area.height)


def seen(context: Any) -> Sight | None:
    """(middle, turn as w x y z, width) of the largest 3D view, in Blender units; None where there is none."""
    for area in areas(context):
        space, region = area.spaces.active, _region(area)
        view = space.region_3d
        width = view.view_distance * SENSOR / space.lens * region.width / max(region.width, region.height)
        return tuple(view.view_location), tuple(view.view_rotation), float(width)
    return None


def look(context: Any, middle: Any, turn: Any | None, width: float) -> None:
    """Let all 3D views show `width` Blender units around `middle`, turned as given (None: as they are)."""
    for area in areas(context):
        space, region = area.spaces.active, _region(area)
        view = space.region_3d
        view.view_location = Vector(middle)
        if turn is not None:
            view.view_rotation = Quaternion(turn)
        view.view_distance = width * space.lens / SENSOR * max(region.width, region.height) / region.width


def _region(area: Any) -> Any:
    return next(region for region in area.regions if region.type == "WINDOW")
