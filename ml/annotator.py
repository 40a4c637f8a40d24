"""A patient annotator made of a label volume: draws positive and negative boxes from it, the same for the same seed."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomo.boxes import ADVISED_NEGATIVES, ADVISED_POSITIVES, DEFAULT_SIZE, NEGATIVE, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.words import counted

FEWEST_FEATURE = 0.03  # of a positive box's pixels


@dataclass(frozen=True)
class _Aim:
    """What is drawn: `wanted` boxes of one kind, and the name that they carry."""

    kind: str
    wanted: int
    size: int
    tomogram: str
    feature: str


def draw_boxes(
    labels: NDArray[Any],
    positives: int = ADVISED_POSITIVES,
    negatives: int = ADVISED_NEGATIVES,
    size: int = DEFAULT_SIZE,
    seed: int = 0,
    tomogram: str = "",
    feature: str = "",
) -> list[Box]:
    """Boxes of size × size voxels on z slices, positive ones first, spread over the slices that have places for them.

    labels: [z, y, x] of any number type, may be a memory map; every value other than 0 (and NaN) is the feature.
    Each box lies wholly inside and no two are the same, though they may overlap. A positive box holds at least
    3 % feature, a negative box none; where there are not enough such places, fewer boxes come back.
    Memory grows with one slice only; the volume is read about twice.
    Raises TomosegError if the box does not fit, or if no voxel is labelled.
    """
    _check(labels, positives, negatives, size)
    rng = np.random.default_rng(seed)
    places = {kind: np.zeros(labels.shape[0], np.int64) for kind in (POSITIVE, NEGATIVE)}
    labelled = False
    for z in range(labels.shape[0]):
        plane = _feature(labels[z])
        labelled = labelled or bool(plane.any())
        held = feature_per_place(plane, size)
        for kind, counts in places.items():
            counts[z] = np.count_nonzero(_suits(held, kind, size))
    if not labelled:
        raise TomosegError("The label volume holds no label: every voxel is 0, so label the feature first.")
    aims = (
        _Aim(POSITIVE, positives, size, tomogram, feature),
        _Aim(NEGATIVE, negatives, size, tomogram, feature),
    )
    return [box for aim in aims for box in _draw(labels, places[aim.kind], aim, rng)]


def feature_per_place(plane: NDArray[np.bool_], size: int) -> NDArray[np.int32]:
    """Feature pixels in each box of size × size, by an integral image; [y - size + 1, x - size + 1] box corners."""
    sums = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1), np.int32)
    np.cumsum(plane, axis=0, dtype=np.int32, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    held: NDArray[np.int32] = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return held


def _check(labels: NDArray[Any], positives: int, negatives: int, size: int) -> None:
    if labels.ndim != 3:
        raise TomosegError(f"The labels have {counted(labels.ndim, 'axis')}: give a volume with three, [z, y, x].")
    if size < 2 or positives < 0 or negatives < 0:
        raise TomosegError("A box is at least 2 voxels wide and the numbers of boxes at least 0: mend these options.")
    _, height, width = labels.shape
    if size > min(height, width):
        raise TomosegError(
            f"A box of {size} voxels is larger than the tomogram's slices of {height} × {width} (y × x): "
            f"choose a box size of at most {min(height, width)}."
        )


def _feature(plane: NDArray[Any]) -> NDArray[np.bool_]:
    feature = np.asarray(plane) != 0
    if np.issubdtype(plane.dtype, np.floating):
        feature &= ~np.isnan(plane)
    return feature


def _suits(held: NDArray[np.int32], kind: str, size: int) -> NDArray[np.bool_]:
    fewest = max(1, math.ceil(FEWEST_FEATURE * size * size))
    return held >= fewest if kind == POSITIVE else held == 0


def _draw(labels: NDArray[Any], places: NDArray[np.int64], aim: _Aim, rng: np.random.Generator) -> list[Box]:
    """Boxes of one kind; places: [z] how many there are on each slice."""
    boxes = []
    for z, number in enumerate(spread(places, aim.wanted, rng)):
        if number:
            suits = _suits(feature_per_place(_feature(labels[z]), aim.size), aim.kind, aim.size)
            ranks = rng.choice(int(places[z]), int(number), replace=False)
            boxes += [_box(aim, z, *_place(suits, int(rank))) for rank in ranks]
    return boxes


def spread(places: NDArray[np.int64], wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How many of `wanted` boxes each slice gets: evenly spaced slices, each as often as the others while it can.

    places: [z] the most that each slice can take. Returns [z], its sum `wanted` or all places together.
    """
    share = np.zeros_like(places)
    while (left := wanted - int(share.sum())) > 0 and (free := np.flatnonzero(places > share)).size:
        if left < free.size:
            steps = (np.arange(left) + rng.random()) * free.size / left
            free = free[steps.astype(np.int64)]
        share[free] += 1
    return share


def _place(suits: NDArray[np.bool_], rank: int) -> tuple[int, int]:
    """(y, x) of the rank-th True, without listing them all."""
    per_row = np.cumsum(suits.sum(axis=1))
    y = int(np.searchsorted(per_row, rank, side="right"))
    before = int(per_row[y - 1]) if y else 0
    return y, int(np.flatnonzero(suits[y])[rank - before])


def _box(aim: _Aim, z: int, y: int, x: int) -> Box:
    """The box whose first voxel is (z, y, x); its id follows from what it is, so that one seed gives one list."""
    words = f"{aim.tomogram}/{aim.feature}/{aim.kind}/{aim.size}/{z}/{y}/{x}"
    name = hashlib.sha256(words.encode()).hexdigest()[:12]
    half = aim.size // 2
    return Box(aim.tomogram, aim.feature, aim.kind, (x + half, y + half, z), aim.size, name)
