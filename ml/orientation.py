"""Tomograms as IMOD reconstructs them, with the thickness along y, and the rotation that puts it along z."""

from dataclasses import replace

from tomo.geometry import Geometry
from tomo.mrc import Tomogram

THIN = 0.8  # an axis shorter than this part of the others holds the thickness


def thin_along_y(shape: tuple[int, int, int]) -> bool:
    """True if a volume [z, y, x] is clearly thinnest along y: the slices are then seen edge-on."""
    z, y, x = shape
    return y < THIN * min(z, x)


def rotate_about_x(tomogram: Tomogram) -> Tomogram:
    """The tomogram turned by -90° about x, as `trimvol -rx`: old y becomes the depth, seen from its far end.

    Slice z of the result is the old plane y = ny - 1 - z, its row y the old z. This is a turn and no mirror image:
    the hand stays. Costs nothing: the data are a view.
    """
    turned = tomogram.data.transpose(1, 0, 2)[::-1]
    return replace(tomogram, data=turned, geometry=_turned(tomogram.geometry, tomogram.shape[1]))


def _turned(geometry: Geometry, height: int) -> Geometry:
    """The place turns along: old (x, y, z) is new (x, z, -y); a place that is not set stays unset."""
    x, y, z = geometry.voxel_size
    i, j, k = geometry.nstart
    u, v, w = geometry.origin
    return Geometry(
        (x, z, y),
        (u, w, -(v + height * y)) if any(geometry.origin) else geometry.origin,
        (i, k, -(j + height)) if any(geometry.nstart) else geometry.nstart,
    )
