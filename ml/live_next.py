"""Where to annotate next: the place in a tomogram where the network is least sure and that differs most from the boxes.

Entropy of the prediction on sampled pieces of slices, weighed by the distance to all boxes so far, in place and in
looks (source of the idea: uncertainty and diversity sampling, Settles, Active Learning, 2012).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from ml.live_tomograms import LiveTomograms
from ml.predict import Predictor
from ml.preview import Part, predict_part
from ml.trainset import Trainset, neighbours
from tomo.boxes import POSITIVE, Box
from tomo.errors import TomosegError
from tomo.words import counted

PIXELS = 1_000_000  # predicted for one answer: about a second
WIDEST = 384  # of a piece, pixels
GRID = 8  # places tried along a box's side
NEAR_SLICES = 8  # a box says something about as many slices to both sides
LEAST = 0.4  # of its uncertainty that a place keeps beside a box, or looking like one
Floats = NDArray[np.float32]
Predict = Callable[[int, Part], tuple[Floats, Floats]]
"""(z, part) → what is seen there, preprocessed, and the probability of the feature, both [y, x]."""


@dataclass(frozen=True)
class Suggestion:
    """A place for a box. centre: (x, y, z) voxels. entropy: mean in the box, bits: 1 where nothing is known, 0 sure."""

    centre: tuple[int, int, int]
    size: int
    entropy: float
    distance: float | None

    @property
    def reason(self) -> str:
        """Why here, in a sentence."""
        near = "" if self.distance is None else f", {counted(round(self.distance), 'voxel')} from the nearest box"
        return f"The network is least sure here ({100 * self.entropy:.0f} % of complete doubt){near}."


@dataclass(frozen=True)
class _Places:
    """Possible boxes. centres: (n, 3) x, y, z. entropy: (n,). looks: (n, 2) mean and deviation of the greys."""

    centres: NDArray[np.int64]
    entropy: Floats
    looks: Floats


def suggest(
    predict: Predict,
    shape: tuple[int, int, int],
    boxes: list[Box],
    known_looks: Floats,
    size: int,
    random: np.random.Generator,
) -> Suggestion | None:
    """The best place for a box of `size` in a tomogram of `shape` [z, y, x]; None where no place is free.

    boxes: those of this tomogram, and places suggested before. known_looks: of all boxes, see `looks_of`.
    Predicts about a million pixels.
    """
    pieces = [_places(z, part, *predict(z, part), size) for z, part in _sampled(shape, size, random)]
    places = _Places(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))
    free = ~_taken(places.centres, boxes, size)
    if not free.any():
        return None
    apart = _distance(places.centres, boxes, size)
    worth = places.entropy * _weight(apart) * _weight(_unlike(places.looks, known_looks))
    best = int(np.argmax(np.where(free, worth, -1.0)))
    x, y, z = (int(value) for value in places.centres[best])
    nearest = float(apart[best]) * size if boxes else None
    return Suggestion((x, y, z), size, float(places.entropy[best]), nearest)


class NextPlaces:
    """Suggests places one after the other, never the same twice."""

    def __init__(self, tomograms: LiveTomograms, seed: int) -> None:
        self._tomograms, self._random = tomograms, np.random.default_rng(seed)
        self._before: list[Box] = []

    def next(self, name: str, predictor: Predictor, trainset: Trainset, boxes: list[Box]) -> Suggestion:
        """The next place in the tomogram called `name`. Raises TomosegError where there is none, or no tomogram."""
        chain, size = predictor.info.preprocessing, trainset.info.box_size
        volume = self._tomograms.opened(name, chain).preprocessed
        if size > min(volume.shape[1:]):
            raise TomosegError(f"A box of {size} voxels does not fit into {name}: choose another tomogram.")

        def predict(z: int, part: Part) -> tuple[Floats, Floats]:
            x, y, width, height = part
            around = neighbours(volume.slab, z, volume.shape[0], predictor.context)
            found = predict_part(predictor, around, part) * predictor.info.amplitude
            return around[predictor.context // 2, y : y + height, x : x + width], np.minimum(found, 1)

        here = [box for box in (*boxes, *self._before) if box.tomogram == name]
        found = suggest(predict, volume.shape, here, _looks_of_boxes(trainset), size, self._random)
        if found is None:
            raise TomosegError(f"No place is left in {name} that no box covers: look at another tomogram.")
        self._before.append(Box(name, trainset.info.feature, POSITIVE, found.centre, size))
        return found


def _looks_of_boxes(trainset: Trainset) -> Floats:
    size, middle = trainset.info.box_size, trainset.images.shape[-1] // 2
    window = slice(middle - size // 2, middle - size // 2 + size)
    return looks_of(trainset.images[:, trainset.info.context // 2, window, window])


def looks_of(pieces: Floats) -> Floats:
    """(n, 2) mean and standard deviation of the greys of pieces (n, y, x)."""
    return np.stack([pieces.mean(axis=(1, 2)), pieces.std(axis=(1, 2))], axis=1)


def entropy_of(probability: Floats) -> Floats:
    """Bits: 1 at a probability of one half, 0 where it is 0 or 1. Any shape."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    result: Floats = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)).astype(np.float32)
    return result


def _sampled(shape: tuple[int, int, int], size: int, random: np.random.Generator) -> Iterator[tuple[int, Part]]:
    """Pieces of slices, about PIXELS together: one at a random place in each of evenly spread ranges of slices."""
    depth, height, width = shape
    high, wide = (min(side, max(WIDEST, size)) for side in (height, width))
    most = depth * math.ceil(height * width / (high * wide))
    count = min(max(4, PIXELS // (high * wide)), most)
    for number in range(count):
        z = min(int((number + random.random()) * depth / count), depth - 1)
        y, x = (int(random.integers(0, side - taken + 1)) for side, taken in ((height, high), (width, wide)))
        yield z, (x, y, wide, high)


def _places(
    z: int, part: Part, seen: Floats, probability: Floats, size: int
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """The boxes that fit into one piece, on a grid."""
    x, y, wide, high = part
    step, half = max(1, size // GRID), size // 2
    rows = np.arange(half, high - size + half + 1, step)
    columns = np.arange(half, wide - size + half + 1, step)
    at = np.ix_(rows, columns)
    mean = _mean(seen, size)[at].ravel()
    square = _mean(seen * seen, size)[at].ravel()
    looks = np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0))], axis=1)
    row, column = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    centres = np.stack([column + x, row + y, np.full(row.shape, z)], axis=1)
    return centres, _mean(entropy_of(probability), size)[at].ravel(), looks


def _mean(values: Floats, size: int) -> Floats:
    """Mean over a box around each pixel, whose voxel `size // 2` the pixel is."""
    result: Floats = uniform_filter(values.astype(np.float32), size, mode="nearest")
    return result


def _taken(centres: NDArray[np.int64], boxes: list[Box], size: int) -> NDArray[np.bool_]:
    """True for places that overlap a box of about the same slice."""
    taken = np.zeros(len(centres), bool)
    for box in boxes:
        apart = np.abs(centres - np.array(box.centre))
        reach = (size + box.size) / 2
        taken |= (apart[:, 0] < reach) & (apart[:, 1] < reach) & (apart[:, 2] <= NEAR_SLICES)
    return taken


def _distance(centres: NDArray[np.int64], boxes: list[Box], size: int) -> Floats:
    """How far the nearest box is, in box sizes; a large number where there is none."""
    nearest = np.full(len(centres), 1e6, np.float32)
    for box in boxes:
        away = np.linalg.norm(centres - np.array(box.centre), axis=1) / size
        nearest = np.minimum(nearest, away.astype(np.float32))
    return nearest


def _unlike(looks: Floats, known: Floats) -> Floats:
    """How far the looks are from those of the most alike box, in standard deviations of all places."""
    if not len(known):
        return np.full(len(looks), 1e6, np.float32)
    scale = looks.std(axis=0) + 1e-6
    apart = np.linalg.norm((looks[:, None] - known[None]) / scale, axis=2)
    result: Floats = apart.min(axis=1)
    return result


def _weight(distance: Floats) -> Floats:
    """LEAST at distance 0, towards 1 far away; half way at 1."""
    result: Floats = LEAST + (1 - LEAST) * distance / (1 + distance)
    return result
