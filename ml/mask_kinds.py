"""Labels or a map? What the values of a volume tell about it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.masks import slab_ranges
from ml.report import Report
from tomo.errors import TomosegError
from tomo.mask_names import MaskName
from tomo.mrc import Tomogram

SAMPLED = 9  # slices that are looked at
FEW = 8  # values; a map has more
RISING = 0.3  # of neighbours within objects that differ: in masks these are borders between objects only
HALF, MERGING = 0.5, 0.8  # thresholds: of a probability, and of a map in amplitude units
MOST_AS_IT_STANDS = 10.0  # larger than any map in amplitude units
Convert = Callable[[NDArray[Any]], NDArray[np.float16]]


def holds_map(data: NDArray[Any]) -> bool:
    """True for a map of strengths [z, y, x], False for a mask of integers.

    Fractions make a map. Integers make one where values rise and fall within objects, as the 8-bit maps of Ais and
    easymode do, instead of being one number on each. Reads all of a float file without fractions, else some slices.
    """
    if data.dtype.kind == "f":
        return any(_has_fractions(data[z0:z1]) for z0, z1 in _slabs(data))
    chosen = np.unique(np.linspace(0, data.shape[0] - 1, SAMPLED).astype(int))
    values: set[int] = set()
    pairs = different = 0
    for z in chosen:
        plane = np.asarray(data[z])
        values |= set(np.unique(plane).tolist())
        left, right = plane[:, :-1], plane[:, 1:]
        inside = (left > 0) & (right > 0)
        pairs += int(np.count_nonzero(inside))
        different += int(np.count_nonzero(left[inside] != right[inside]))
    return len(values) > FEW and min(values) >= 0 and different > RISING * pairs


def value_range(path: Path, data: NDArray[Any], report: Report) -> tuple[float, float]:
    """(lowest, highest) of all voxels. Raises TomosegError where some are no numbers."""
    low, high = np.inf, -np.inf
    for z0, z1 in _slabs(data):
        report.progress(z0 / data.shape[0], f"Reading {path.name}")
        low, high = min(low, float(data[z0:z1].min())), max(high, float(data[z0:z1].max()))
        if not np.isfinite((low, high)).all():
            raise TomosegError(f"{path} holds voxels that are no numbers (NaN or infinite): export it again.")
    return low, high


def scaling(source: Tomogram, name: MaskName, report: Report) -> tuple[Convert, float, str]:
    """(values to amplitude units, the threshold that then divides, what to tell the user or "").

    Raises TomosegError for values that are no numbers, and for a map that is nowhere above 0.
    """
    path = source.path
    low, high = value_range(path, source.data, report)
    if name.logit is not None:
        at = float(_probability(np.array(name.logit)))
        return _probability, at, f"{path.name} holds logits: they became probabilities, {at:.2f} divides."
    if high <= 0:
        raise TomosegError(f"{path} is nowhere above 0, so there is nothing in it: choose another map.")
    full = _full_scale(source, high)
    told = f"{path.name} was divided by {full:g}: 1 is certain." if full != 1 else ""
    told += f" Negative values of {path.name} became 0." if low < 0 else ""
    return partial(_fraction, full), HALF if high / full <= 1.001 else MERGING, told.strip()


def _full_scale(source: Tomogram, high: float) -> float:
    """The value that stands for certainty: what easymode (127) and Ais (255) write, 1, or else the largest."""
    if source.data.dtype.kind == "f":
        return 1.0 if high <= MOST_AS_IT_STANDS else high
    if source.data.dtype.itemsize == 1 and high <= 127:
        return 127.0
    return 255.0 if high <= 255 else high


def _probability(slab: NDArray[Any]) -> NDArray[np.float16]:
    odds: NDArray[np.float16] = (1 / (1 + np.exp(-np.clip(slab.astype(np.float32), -30, 30)))).astype(np.float16)
    return odds


def _fraction(full: float, slab: NDArray[Any]) -> NDArray[np.float16]:
    part: NDArray[np.float16] = (np.maximum(slab.astype(np.float32), 0) / np.float32(full)).astype(np.float16)
    return part


def _slabs(data: NDArray[Any]) -> Iterator[tuple[int, int]]:
    z, y, x = data.shape
    return slab_ranges((z, y, x))


def _has_fractions(slab: NDArray[Any]) -> bool:
    # NaN counts as one, too: the map's own check names it.
    return bool((slab != np.rint(slab)).any())
