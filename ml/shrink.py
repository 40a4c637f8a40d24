"""Shrinking a tomogram by an integer factor: each voxel becomes the mean of a block, as EMAN2's math.meanshrink."""

from pathlib import Path

import numpy as np

from ml.report import Report, Silent
from ml.scratch import scratch_array
from tomo.errors import TomosegError
from tomo.mrc import Tomogram
from tomo.preprocessing import preprocessing_of
from tomo.words import counted

_SLAB_VOXELS = 16 * 2**20


def shrunk_shape(shape: tuple[int, int, int], factor: int) -> tuple[int, int, int]:
    """[z, y, x] after a shrink; what does not fill a block at the far end of an axis is cut off."""
    z, y, x = (side // factor for side in shape)
    return z, y, x


def shrink(tomogram: Tomogram, factor: int, report: Report | None = None, scratch: Path | None = None) -> Tomogram:
    """The tomogram at 1 / factor of its size, float32, slab by slab into scratch space (in folder `scratch`).

    Voxel (k, j, i) is the mean over [k f, (k + 1) f) … of the source, so the corner of voxel 0 stays in its place.
    Raises TomosegError for a factor below 1 or larger than a third of the thinnest axis.
    """
    report = report or Silent()
    if factor == 1:
        return tomogram
    if factor < 1 or factor > min(tomogram.shape) // 3:
        thinnest = min(tomogram.shape)
        raise TomosegError(
            f"{tomogram.path} cannot be shrunk by {factor}: with {counted(thinnest, 'voxel')} along its thinnest axis, "
            f"factors from 1 to {max(1, thinnest // 3)} are possible."
        )
    shape = shrunk_shape(tomogram.shape, factor)
    lost = [side - factor * kept for side, kept in zip(tomogram.shape, shape, strict=True)]
    if any(lost):
        report.log(f"The last {lost[2]} × {lost[1]} × {lost[0]} voxels (x, y, z) do not fill a block and are cut off.")
    data = scratch_array(shape, np.float32, scratch)
    rows = max(1, _SLAB_VOXELS // (factor * factor * tomogram.shape[2]))
    for z in range(shape[0]):
        report.progress(z / shape[0], f"Shrinking by {factor}")
        for y in range(0, shape[1], rows):
            y1 = min(y + rows, shape[1])
            block = tomogram.data[z * factor : (z + 1) * factor, y * factor : y1 * factor, : shape[2] * factor]
            # First over whole rows (fast), then over the short runs along x.
            columns = block.reshape(factor, y1 - y, factor, -1).mean(axis=(0, 2), dtype=np.float32)
            data[z, y:y1] = columns.reshape(y1 - y, shape[2], factor).mean(axis=2)
    labels = [label for label in tomogram.labels if preprocessing_of([label]) is None]  # its spread changes
    return Tomogram(tomogram.path, data, tomogram.geometry.shrunk(factor), labels, tomogram.notes)
