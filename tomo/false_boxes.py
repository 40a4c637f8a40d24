"""Negative boxes over a component of a mask that is not the feature, so that the next training learns what it is not.

The same for a component that is shown as a surface and for one read from the mask: points stand for either.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .boxes import NEGATIVE, POSITIVE, Box, kept_inside

MOST_PER_SLICE = 4
Points = NDArray[np.float32]


def boxes_over(
    points: Points,
    slices: tuple[int, ...],
    others: Points,
    positives: Iterable[Box],
    place: tuple[str, str, int, tuple[int, int, int]],
) -> tuple[list[Box], int]:
    """(boxes, places left out): negative boxes over a component on some of its slices.

    points, others: (n, 3), x, y, z in voxels (voxel i covers [i, i + 1]), of the component and of the other
    components of its label. place: tomogram, feature, box size, and the tomogram's shape [z, y, x]. A place is left
    out where another component of the label, or a positive box, reaches into the box: there the feature is.
    """
    tomogram, feature, size, shape = place
    kept = [box for box in positives if (box.kind, box.tomogram, box.feature) == (POSITIVE, tomogram, feature)]
    found, left_out = [], 0
    for z in slices:
        near_others = near_slice(others, z)
        for x, y in cover(near_slice(points, z), size):
            box = Box(tomogram, feature, NEGATIVE, kept_inside((x, y, z), shape), size)
            if _holds(box, near_others) or any(_overlap(box, other) for other in kept):
                left_out += 1
            else:
                found.append(box)
    return found, left_out


def _holds(box: Box, points: Points) -> bool:
    x, y = box.corner
    inside = (points[:, 0] >= x) & (points[:, 0] < x + box.size)
    return bool((inside & (points[:, 1] >= y) & (points[:, 1] < y + box.size)).any())


def _overlap(one: Box, other: Box) -> bool:
    reach = (one.size + other.size) / 2
    apart = [abs(b + other.size / 2 - a - one.size / 2) for a, b in zip(one.corner, other.corner, strict=True)]
    return one.centre[2] == other.centre[2] and max(apart) < reach


def spread(first: int, last: int, count: int) -> tuple[int, ...]:
    """Up to `count` of the slices from `first` to `last`, evenly apart and not at the very ends."""
    count = min(count, last - first + 1)
    return tuple(first + (last - first + 1) * (2 * number + 1) // (2 * count) for number in range(count))


def near_slice(points: Points, z: int) -> Points:
    """Those of the points (n, 3) that lie within a voxel of the middle of slice `z`."""
    return points[np.abs(points[:, 2] - (z + 0.5)) <= 1.0]


def cover(points: Points, size: int) -> list[tuple[int, int]]:
    """Centres (x, y) of squares of `size` that together hold the points, at most MOST_PER_SLICE; few, not fewest."""
    left = points[:, :2]
    centres: list[tuple[int, int]] = []
    while len(left) and len(centres) < MOST_PER_SLICE:
        if (np.ptp(left, axis=0) <= size).all():
            middle = (left.min(0) + left.max(0)) / 2
        else:
            # A corner square of what is left, moved to the middle of what it holds.
            corner = left[left[:, 1].argmin()]
            inside = left[(np.abs(left - corner) <= size / 2).all(1)]
            middle = (inside.min(0) + inside.max(0)) / 2
        centres.append((int(middle[0]), int(middle[1])))
        left = left[(np.abs(left - middle) > size / 2).any(1)]
    return centres
