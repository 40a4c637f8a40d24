"""A simulated cell as a list of objects, and how slabs of it look: density and labels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.simulate_shapes import FEATURES, Corners, Floats, Points, Shape


@dataclass(frozen=True)
class Cell:
    """All objects in a field of `shape` [z, y, x]; `carbon` and `sheet` are among `objects` too."""

    shape: tuple[int, int, int]
    objects: tuple[Shape, ...]

    def count(self) -> dict[str, int]:
        """How many objects of each feature there are."""
        return {name: sum(shape.feature == name for shape in self.objects) for name in FEATURES}


def paint(cell: Cell, first: int, last: int) -> tuple[Floats, dict[str, NDArray[np.int8]]]:
    """Density and labels of slices `first` to `last` - 1: [z, y, x] float32 of about 0 to 7, and int8 0 or 1.

    Where objects meet, the denser one shows; labels of one voxel may be of several features.
    """
    shape = (last - first, *cell.shape[1:])
    density = np.zeros(shape, np.float32)
    labels = {name: np.zeros(shape, np.int8) for name in FEATURES}
    for thing in cell.objects:
        for box in thing.boxes():
            if (cut := _cut(box, first, last, cell.shape)) is None:
                continue
            points, window = cut
            dense, inside = thing.at(points)
            np.maximum(density[window], dense, out=density[window])
            if thing.feature:
                labels[thing.feature][window] |= inside
    return density, labels


def _cut(
    box: Corners, first: int, last: int, shape: tuple[int, int, int]
) -> tuple[Points, tuple[slice, slice, slice]] | None:
    """The voxels of `box` in the slab: their coordinates as open grids, and their place in the slab's array."""
    low = [max(math.floor(value), least) for value, least in zip(box[0], (first, 0, 0), strict=True)]
    high = [min(math.ceil(value) + 1, most) for value, most in zip(box[1], (last, *shape[1:]), strict=True)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return None
    axes = [np.arange(a, b, dtype=np.float32) for a, b in zip(low, high, strict=True)]
    points = (axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
    return points, (slice(low[0] - first, high[0] - first), slice(low[1], high[1]), slice(low[2], high[2]))
