"""Making a label from a label or a slice: fill closed contours, flood, copy, interpolate, accept a prediction.

All take and give arrays of one slice [y, x]; numpy only, since Blender brings no more. Nothing is changed in place.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import Box
from .labels import BACKGROUND, FEATURE, IGNORE

Mask = NDArray[np.bool_]
Label = NDArray[np.int8]
MAP_THRESHOLD = 0.8  # where training has fixed none
REACH = 128  # voxels: labels that moved further than this between two slices are not interpolated


def connected(mask: Mask, seeds: Mask) -> Mask:
    """The part of `mask` [y, x] that hangs together (over edges, not corners) with one of `seeds`.

    Cost: a few passes over the array, more the more winding the part is.
    """
    found = mask & seeds
    count = -1
    while (now := np.count_nonzero(found)) != count:
        count = now
        found = _along_rows(mask, found)
        found = _along_rows(mask.T, found.T).T
    return np.ascontiguousarray(found)


def _along_rows(mask: Mask, found: Mask) -> Mask:
    """Let each found voxel take the whole run of `mask` in its row."""
    walls = ~mask
    walls[:, 0] = True  # a run ends with its row
    runs = np.cumsum(walls.ravel()).reshape(mask.shape)
    touched = np.zeros(int(runs[-1, -1]) + 1, bool)
    touched[runs[found]] = True
    return touched[runs] & mask


def fill_contours(label: Label) -> Label:
    """Everything that the painted feature encloses becomes feature; ignore zones stay.

    A contour that is closed over corners alone counts as closed.
    """
    painted = label == FEATURE
    rows, columns = _bounds(painted)
    outside_of = np.pad(~painted[rows, columns], 1, constant_values=True)
    border = np.zeros(outside_of.shape, bool)
    border[0, 0] = True
    enclosed = (outside_of & ~connected(outside_of, border))[1:-1, 1:-1]
    result = label.copy()
    part = result[rows, columns]
    part[enclosed & (part == BACKGROUND)] = FEATURE
    return result


def _bounds(mask: Mask) -> tuple[slice, slice]:
    """The smallest rectangle (rows, columns) that holds the mask; empty where the mask is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def flood(grey: NDArray[Any], x: int, y: int, radius: float, tolerance: float, like: float | None = None) -> Mask:
    """The voxels of like grey that hang together with (x, y) and lie within `radius` voxels of it, bool [y, x].

    grey: the slice. tolerance: how much a voxel's grey may differ from that at (x, y), or from `like`; all are means
    of 3 × 3 voxels, since single ones are noise. Empty where (x, y) lies outside the slice, or is not like `like`.
    """
    result = np.zeros(grey.shape, bool)
    height, width = grey.shape
    if not (0 <= x < width and 0 <= y < height):
        return result
    reach = int(np.ceil(radius))
    rows = slice(max(y - reach, 0), min(y + reach, height - 1) + 1)
    columns = slice(max(x - reach, 0), min(x + reach, width - 1) + 1)
    smooth = _mean_of_nine(np.asarray(grey[rows, columns], np.float32))
    at_y, at_x = y - rows.start, x - columns.start
    up, across = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
    near = (up - at_y) ** 2 + (across - at_x) ** 2 <= radius**2
    seeds = np.zeros(smooth.shape, bool)
    seeds[at_y, at_x] = True
    wanted = smooth[at_y, at_x] if like is None else np.float32(like)
    result[rows, columns] = connected(near & (np.abs(smooth - wanted) <= tolerance), seeds)
    return result


def grey_at(grey: NDArray[Any], x: int, y: int) -> float:
    """The mean grey of the 3 × 3 voxels around (x, y), which must lie on the slice [y, x]."""
    rows, columns = slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2)
    smooth = _mean_of_nine(np.asarray(grey[rows, columns], np.float32))
    return float(smooth[y - rows.start, x - columns.start])


def _mean_of_nine(image: NDArray[np.float32]) -> NDArray[np.float32]:
    padded = np.pad(image, 1, mode="edge")
    height, width = image.shape
    parts = (padded[i : i + height, j : j + width] for i in range(3) for j in range(3))
    return np.asarray(sum(parts) / 9, np.float32)


def painted_over(label: Label, mask: Mask, value: int = FEATURE) -> Label:
    """`label` with `value` where the mask is; the rest stays."""
    result = label.copy()
    result[mask] = value
    return result


def label_of_map(found: NDArray[Any], threshold: float, label: Label, where: Mask | None = None) -> Label:
    """A network's map [y, x] as the label to correct: feature where it is above `threshold`.

    label: what is painted now; its ignore zones stay, the rest gives way. where: only there, and only where the map
    is known: it is NaN where the network has not looked.
    """
    taken = np.isfinite(found) if where is None else where & np.isfinite(found)
    result = label.copy()
    result[taken & (label != IGNORE)] = BACKGROUND
    result[taken & (label != IGNORE) & (np.asarray(found) > threshold)] = FEATURE
    return result


def inside_box(shape: tuple[int, ...], box: Box) -> Mask:
    """The voxels of a slice of `shape` [y, x] that lie in a box."""
    mask = np.zeros(shape, bool)
    x, y = box.corner
    mask[max(y, 0) : max(y + box.size, 0), max(x, 0) : max(x + box.size, 0)] = True
    return mask


def inside_polygon(points: NDArray[Any], shape: tuple[int, int]) -> Mask:
    """The voxels of a slice of `shape` [y, x] whose middles lie inside a closed outline; by the even-odd rule.

    points: (n, 2), x and y in voxels counted from the slice's corner. Fewer than three enclose nothing.
    """
    mask = np.zeros(shape, bool)
    if len(points) < 3:
        return mask
    middles = np.arange(shape[1]) + 0.5
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        rows = np.arange(max(int(np.ceil(min(y0, y1) - 0.5)), 0), min(int(np.ceil(max(y0, y1) - 0.5)), shape[0]))
        if rows.size:
            crossings = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            mask[rows] ^= middles > crossings[:, None]
    return mask


def nearest_painted(painted: list[int], z: int, step: int = 0) -> int | None:
    """The painted slice nearest to `z` but not `z` itself; below it only for step -1, above it only for step 1."""
    others = [one for one in painted if one != z and (one - z) * step >= 0]
    return min(others, key=lambda one: (abs(one - z), one), default=None)


def neighbours(painted: list[int], z: int) -> tuple[int, int] | None:
    """The nearest painted slices below and above `z`, or None where one of them is missing."""
    below, above = nearest_painted(painted, z, -1), nearest_painted(painted, z, 1)
    return None if below is None or above is None else (below, above)


def interpolate(below: Label, above: Label, place: float) -> Label:
    """The label between two painted slices, by the mean of the signed distances to their outlines.

    place: where between them, 0 = at `below`, 1 = at `above`. Feature and ignore zones are interpolated
    each by itself. Source: S. P. Raya and J. K. Udupa, IEEE Trans. Med. Imaging 9, 32 (1990).
    """
    result = np.zeros(below.shape, np.int8)
    for value in (FEATURE, IGNORE):
        first, last = below == value, above == value
        if not (first.any() and last.any()):
            continue  # it ends somewhere between the two, and nobody knows where
        rows, columns = _bounds(first | last)
        between = (1 - place) * _signed_distance(first[rows, columns]) + place * _signed_distance(last[rows, columns])
        result[rows, columns][between < 0] = value
    return result


def _signed_distance(mask: Mask) -> NDArray[np.float32]:
    """Voxels from the outline, negative inside the mask; at most REACH. Outside the array counts as outside."""
    padded = np.pad(mask, 1)
    signed = _distance_to(padded) - _distance_to(~padded)
    return signed[1:-1, 1:-1]


def _distance_to(mask: Mask) -> NDArray[np.float32]:
    """Each voxel's distance to the nearest voxel of the mask, at most REACH; exact.

    First along columns, then the best over all columns within reach: O(pixels × largest distance).
    """
    rows = np.arange(mask.shape[0], dtype=np.float32)[:, None]
    below = np.maximum.accumulate(np.where(mask, rows, -np.inf), axis=0)
    above = np.minimum.accumulate(np.where(mask, rows, np.inf)[::-1], axis=0)[::-1]
    vertical = np.minimum(np.minimum(rows - below, above - rows), REACH) ** 2
    best = vertical.copy()
    for shift in range(1, min(REACH, mask.shape[1] - 1) + 1):
        if shift**2 >= best.max():
            break
        np.minimum(best[:, shift:], vertical[:, :-shift] + shift**2, out=best[:, shift:])
        np.minimum(best[:, :-shift], vertical[:, shift:] + shift**2, out=best[:, :-shift])
    return np.asarray(np.sqrt(np.minimum(best, REACH**2)), np.float32)
