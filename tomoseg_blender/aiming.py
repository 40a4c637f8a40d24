"""Where the mouse points: from pixels of a 3D view to voxels of the shown slice."""

from dataclasses import dataclass
from typing import Any

from bpy.types import Context, Scene
from bpy_extras.view3d_utils import region_2d_to_origin_3d, region_2d_to_vector_3d
from mathutils import Vector
from mathutils.geometry import intersect_line_plane

from ..tomo.boxes import Box
from . import viewing
from .scene import boxes, marks

Mouse = tuple[float, float]  # pixels in the region, from its lower left


@dataclass(frozen=True)
class Aim:
    """A point on the shown z slice. x, y: voxels, fractions counted from the voxel's edge. z: the slice."""

    item: Any  # the tomogram's property group
    empty: Any
    x: float
    y: float
    z: int

    @property
    def voxel(self) -> tuple[int, int, int]:
        """The voxel (x, y, z) that holds the point."""
        return int(self.x // 1), int(self.y // 1), self.z

    @property
    def inside(self) -> bool:
        """True on the slice, False beside it."""
        _depth, height, width = self.item.shape
        return 0 <= self.x < width and 0 <= self.y < height


def aim(scene: Scene, region: Any, region_3d: Any, mouse: Mouse) -> Aim | None:
    """The point of the shown slice under the mouse; None if no tomogram is shown, or the view looks along the slice."""
    shown = viewing.shown_tomogram(scene)
    if shown is None:
        return None
    item, empty = shown
    hit = _point_on_slice(empty, "z", item.slice_z, region, region_3d, mouse)
    return None if hit is None else Aim(item, empty, hit.x, hit.y, item.slice_z)


def _point_on_slice(empty: Any, axis: str, index: int, region: Any, region_3d: Any, mouse: Mouse) -> Any | None:
    """Where the mouse meets a slice's plane, in voxels (x, y, z); None if the view looks along the plane."""
    start = region_2d_to_origin_3d(region, region_3d, mouse)
    along = region_2d_to_vector_3d(region, region_3d, mouse)
    across, place = Vector((0, 0, 0)), Vector((0, 0, 0))
    across["xyz".index(axis)], place["xyz".index(axis)] = 1, index + 0.5
    matrix = empty.matrix_world
    normal = matrix.to_3x3() @ across
    if abs(normal.normalized().dot(along.normalized())) < 1e-3:
        return None
    hit = intersect_line_plane(start, start + along, matrix @ place, normal)
    return None if hit is None else matrix.inverted() @ hit


def voxel_under(scene: Scene, region: Any, region_3d: Any, mouse: Mouse) -> tuple[int, int, int] | None:
    """The voxel (x, y, z) under the mouse, on the slice along the chosen axis; None beside it.

    Where the view looks along that slice, the z slice counts.
    """
    shown = viewing.shown_tomogram(scene)
    if shown is None:
        return None
    item, empty = shown
    for axis in (scene.tomoseg.axis, "z"):
        index = getattr(item, f"slice_{axis}")
        hit = _point_on_slice(empty, axis, index, region, region_3d, mouse)
        if hit is not None:
            voxel = [int(place // 1) for place in hit]
            voxel["xyz".index(axis)] = index  # of which rounding must not make its neighbour
            inside = all(0 <= place < size for place, size in zip(voxel, reversed(item.shape), strict=True))
            return (voxel[0], voxel[1], voxel[2]) if inside else None
    return None


def aim_of_event(context: Context, event: Any) -> Aim | None:
    """The point under the mouse of an event that an operator got in a 3D view, or over the slice's label in an Image
    Editor; None elsewhere."""
    region, mouse = context.region, (event.mouse_region_x, event.mouse_region_y)
    if region is None or region.type != "WINDOW" or context.area is None:
        return None
    if context.area.type == "IMAGE_EDITOR":
        return _aim_in_editor(context, mouse)
    if context.region_data is None or context.area.type != "VIEW_3D":
        return None
    return aim(context.scene, region, context.region_data, mouse)


def _aim_in_editor(context: Context, mouse: Mouse) -> Aim | None:
    shown, image = viewing.shown_tomogram(context.scene), context.space_data.image
    if shown is None or not viewing.is_label_of_slice(context.scene, image):
        return None
    item, empty = shown
    across, up = context.region.view2d.region_to_view(*mouse)
    return Aim(item, empty, across * item.shape[2], up * item.shape[1], item.slice_z)


def box_under(target: Aim, feature: str = "") -> Box | None:
    """The box on this slice that the point lies in, the one with the nearest centre; of `feature` only, if given."""
    found = []
    for child in target.empty.children:
        if not marks.is_marked(child, boxes.KIND) or child.hide_get():
            continue
        box = boxes.box_from_object(child)
        x, y = (target.x - box.corner[0], target.y - box.corner[1])
        if box.centre[2] == target.z and 0 <= x < box.size and 0 <= y < box.size and feature in ("", box.feature):
            found.append((max(abs(x - box.size / 2), abs(y - box.size / 2)), box.id, box))
    return min(found)[2] if found else None
