"""Fourier resampling of volumes to another voxel size, slab by slab, voxels staying in their place.

Voxel i covers [i, i + 1) at any size, so a shrink by block means moves voxel centres by half a block. The cosine
transform (DCT-II) has its mirrors at the outer faces of the first and last voxel: cutting or padding its spectrum
resamples between these faces, which undoes that shift and lets no side shine through on the other.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct

from ml.report import Report
from ml.scratch import scratch_array
from tomo.errors import TomosegError
from tomo.mrc import Tomogram
from tomo.words import counted

Shape = tuple[int, int, int]
_PART_VOXELS = 8 * 2**20
_SAME_SCALE = 0.02


@dataclass(frozen=True)
class Plan:
    """How a volume of shape `source` becomes one of shape `target`, both [z, y, x].

    used: source voxels that are resampled, from the first on; the rest would not fill a target voxel.
    covered: target voxels that those span; beyond them the result is mirrored, what is too much is cut.
    """

    source: Shape
    target: Shape
    used: Shape
    covered: Shape


def plan_for(source: Tomogram, reference: Tomogram) -> Plan:
    """The plan that brings `source` to the size of `reference`; raises TomosegError if they cover unlike volumes."""
    sizes = (source.geometry.voxel_size, reference.geometry.voxel_size)
    known = source.geometry.voxel_size_known and reference.geometry.voxel_size_known
    spans = []
    for axis, (old, new) in enumerate(zip(source.shape, reference.shape, strict=True)):
        scale = sizes[0][2 - axis] / sizes[1][2 - axis] if known else new / old
        used, covered = _span(scale, old, new)
        if abs(covered - new) > max(1.0, scale):
            raise TomosegError(
                f"{source.path} spans {counted(covered, 'voxel')} of {reference.path} along {'zyx'[axis]}, "
                f"which has {new}: they show unlike volumes, or one voxel size is wrong."
            )
        spans.append((used, covered))
    (z, new_z), (y, new_y), (x, new_x) = spans
    return Plan(source.shape, reference.shape, (z, y, x), (new_z, new_y, new_x))


def _span(scale: float, old: int, new: int) -> tuple[int, int]:
    """(used, covered) along one axis; a shrink by a whole factor with its cut-off rest is recognised."""
    up, down = max(1, round(scale)), max(1, round(1 / scale))
    if new // up == old and abs(scale / up - 1) < max(_SAME_SCALE, 1 / old):
        return old, old * up
    if old // down == new and abs(scale * down - 1) < max(_SAME_SCALE, 1 / new):
        return new * down, new
    return old, max(1, round(old * scale))


def fourier_slices(tomogram: Tomogram, plan: Plan, report: Report, scratch: Path) -> Iterator[NDArray[np.float32]]:
    """Yield the slices [y, x] of the resampled volume in order; what has no negative voxel gets none by ringing.

    Costs scratch space of target z × source y × source x voxels where the z axis changes.
    Raises TomosegError for voxels that are no numbers.
    """
    stretched, low = _along_z(tomogram, plan, report, scratch)
    _, height, width = plan.target
    for z in range(plan.target[0]):
        report.progress(0.5 + 0.5 * z / plan.target[0], "Resampling")
        plane = np.asarray(stretched[z, : plan.used[1], : plan.used[2]], np.float32)
        for axis, side in ((0, height), (1, width)):
            plane = _fitted(resampled_axis(plane, plan.covered[axis + 1], axis), side, axis)
        yield np.maximum(plane, 0, out=plane) if low >= 0 else plane


def nearest_slices(tomogram: Tomogram, plan: Plan, report: Report) -> Iterator[NDArray[Any]]:
    """Yield the slices [y, x] of the resampled volume, each voxel that of the source at its centre: for labels."""
    z, y, x = (
        np.minimum(((np.arange(new) + 0.5) * used / span).astype(int), old - 1)
        for old, new, used, span in zip(plan.source, plan.target, plan.used, plan.covered, strict=True)
    )
    for number, source_z in enumerate(z):
        report.progress(number / len(z), "Resampling")
        yield tomogram.data[source_z][y[:, None], x]


def resampled_axis(array: NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    """`array` with `count` samples along `axis`, between the same outer faces."""
    size = array.shape[axis]
    if count == size:
        return array
    spectrum = dct(array, type=2, norm="ortho", axis=axis)
    kept = _sliced(spectrum, min(size, count), axis) * np.float32(math.sqrt(count / size))
    return np.asarray(idct(kept, type=2, n=count, norm="ortho", axis=axis), np.float32)


def _fitted(array: NDArray[np.float32], side: int, axis: int) -> NDArray[np.float32]:
    missing = side - array.shape[axis]
    if missing <= 0:
        return _sliced(array, side, axis)
    return np.pad(array, [(0, missing if each == axis else 0) for each in range(array.ndim)], mode="symmetric")


def _sliced(array: NDArray[Any], count: int, axis: int) -> NDArray[Any]:
    return array[tuple(slice(count) if each == axis else slice(None) for each in range(array.ndim))]


def _along_z(tomogram: Tomogram, plan: Plan, report: Report, scratch: Path) -> tuple[NDArray[Any], float]:
    """The volume resampled along z alone, and the source's lowest value."""
    depth, height, width = plan.source
    changed = {plan.used[0], plan.covered[0], plan.target[0]} != {depth}
    stretched = scratch_array((plan.target[0], height, width), np.float32, scratch) if changed else tomogram.data
    rows = max(1, _PART_VOXELS // (max(plan.target[0], depth) * width))
    low = math.inf
    for y in range(0, height, rows):
        report.progress(0.5 * y / height, "Resampling along z")
        part = tomogram.data[:, y : y + rows].astype(np.float32)
        low = min(low, float(part.min()))
        if not (math.isfinite(low) and np.isfinite(part.max())):
            raise TomosegError(f"{tomogram.path} holds voxels that are no numbers (NaN or infinite): replace them.")
        if changed:
            part = resampled_axis(part[: plan.used[0]], plan.covered[0], 0)
            stretched[:, y : y + rows] = _fitted(part, plan.target[0], 0)
    return stretched, low
