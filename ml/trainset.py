"""A training set: boxes cut out of tomograms with their labels, ready to be turned and varied.

Each image is cut larger than its box, so that turning it brings real surroundings into the corners; what lies outside
the boxes is marked unknown there and never counts.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.memory import available_memory
from tomo.boxes import POSITIVE, Box
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import BACKGROUND, FEATURE, IGNORE
from tomo.preprocessing import Preprocessing
from tomo.words import counted

USUAL_CONTEXT = 5
MOST_BYTES = 8 * 2**30
CUTTING_TAKES = 2  # times the memory of all pieces: those of the slices, and all together
VOXEL_SIZE_TOLERANCE = 0.05
Images = NDArray[np.float32]
Labels = NDArray[np.int8]


@dataclass(frozen=True)
class TrainsetInfo:
    """What all boxes of a set share. voxel_size: Å along x, y, z (0 unknown). copies: EMAN2's ncopy."""

    feature: str
    box_size: int
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    context: int = 1
    copies: int = 10
    tomograms: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Trainset:
    """images: (n, context, c, c) float32, preprocessed, c at least √2 × box_size. labels: (n, c, c) int8, 0, 1, or 2
    where nobody annotated. positive: (n,) bool. box_ids: (n,) str. held_out: (n,) int8, 0 for boxes that are trained
    on, 1 for those that are not; of an ensemble its k-th network does not train on those with k.
    """

    info: TrainsetInfo
    images: Images
    labels: Labels
    positive: NDArray[np.bool_]
    box_ids: NDArray[np.str_]
    held_out: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def n_positive(self) -> int:
        """How many positive boxes there are."""
        return int(self.positive.sum())


def usual_context(geometry: Geometry) -> int:
    """Slices that the default network sees at once: 5, or 1 where slices are far apart (serial sections)."""
    return 1 if geometry.anisotropic else USUAL_CONTEXT


def crop_size(box_size: int) -> int:
    """Pixels of the piece that is cut out around a box: room to turn it and to zoom out a little; even."""
    roomy = min(2 * box_size, box_size + 64)
    return 2 * math.ceil(max(1.5 * box_size, roomy) / 2)


def cut_piece(slab: NDArray[Any], centre: tuple[int, int], size: int) -> Images:
    """[context, size, size] around `centre` (x, y) out of a slab [context, y, x], mirrored beyond its edges."""
    rows, columns = (
        mirrored(np.arange(size) + middle - size // 2, length)
        for middle, length in zip((centre[1], centre[0]), slab.shape[1:], strict=True)
    )
    return np.ascontiguousarray(slab[:, rows[:, None], columns[None, :]], dtype=np.float32)


def mirrored(indices: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Indices beyond 0 … length − 1 reflected back in, the edge voxel not repeated."""
    if length == 1:
        return np.zeros_like(indices)
    period = 2 * (length - 1)
    folded = np.abs(indices) % period
    result: NDArray[np.int64] = np.where(folded < length, folded, period - folded)
    return result


def known_labels(boxes: Iterable[Box], painted: NDArray[Any]) -> Labels:
    """What the boxes of one slice tell, int8 [y, x]: the painted label inside positive boxes, 0 inside negative
    ones, 2 (unknown) everywhere else. Where a positive box covers a negative one, its label holds.
    """
    known = np.full(painted.shape, IGNORE, np.int8)
    for box in sorted(boxes, key=lambda box: box.kind == POSITIVE):
        (x, y), side = box.corner, box.size
        inside = (slice(max(y, 0), max(y + side, 0)), slice(max(x, 0), max(x + side, 0)))
        known[inside] = painted[inside] if box.kind == POSITIVE else BACKGROUND
    return known


def cut_boxes(
    boxes: list[Box],
    slab: Callable[[int, int], NDArray[Any]],
    painted: Callable[[int], NDArray[Any]],
    depth: int,
    info: TrainsetInfo,
) -> Trainset:
    """The training set of the boxes of one tomogram, in their order; reads each slice with boxes once.

    slab(z0, z1) → preprocessed [z, y, x]; painted(z) → label [y, x], 0, 1 or 2. depth: slices of the tomogram.
    """
    size = crop_size(info.box_size)
    images = np.empty((len(boxes), info.context, size, size), np.float32)
    labels = np.full((len(boxes), size, size), IGNORE, np.int8)
    for z in sorted({box.centre[2] for box in boxes}):
        here = [number for number, box in enumerate(boxes) if box.centre[2] == z]
        around = neighbours(slab, z, depth, info.context)
        labels[here] = labels_on_slice([boxes[number] for number in here], painted(z), size)
        for number in here:
            images[number] = cut_piece(around, boxes[number].centre[:2], size)
    return assembled(info, boxes, images, labels)


def require_memory_for_cutting(count: int, info: TrainsetInfo) -> None:
    """Raise TomosegError where the pieces of `count` boxes are more than memory holds; the system would kill us."""
    _require_memory("Cutting out", count, info, CUTTING_TAKES * _piece_bytes(info), available_memory())


def require_memory_for_training(count: int, info: TrainsetInfo, held: int = 0) -> None:
    """The same for training on them, which looks at all boxes at once after each iteration.

    held: boxes whose pieces are in memory already.
    """
    # Bytes per pixel: copies of the images, and label, mask and maps beside them. Measured with one and five slices.
    each = crop_size(info.box_size) ** 2 * (12 * info.context + 40)
    free = available_memory() + held * _piece_bytes(info)
    _require_memory("Training on", count, info, each, free)


def _piece_bytes(info: TrainsetInfo) -> int:
    return crop_size(info.box_size) ** 2 * (4 * info.context + 1)


def _require_memory(what: str, count: int, info: TrainsetInfo, each: int, free: int) -> None:
    if count * each > free:
        most = free // each
        cure = f"use at most {counted(most, 'box')}" if most else "close other programs, or use smaller boxes"
        raise TomosegError(
            f"{what} {counted(count, 'box')} of {info.box_size} voxels takes {count * each / 1e9:.2g} GB of memory, "
            f"and {free / 1e9:.2g} GB are free: {cure}."
        )


def labels_on_slice(boxes: list[Box], painted: NDArray[Any], size: int) -> Labels:
    """(n, size, size) int8 around each box of one slice, 2 where none of them tells anything. painted: [y, x]."""
    padded = np.pad(known_labels(boxes, painted), size, constant_values=IGNORE)
    centres = [(box.centre[0] + size, box.centre[1] + size) for box in boxes]
    return np.stack([cut_piece(padded[None], centre, size)[0] for centre in centres]).astype(np.int8)


def assembled(info: TrainsetInfo, boxes: list[Box], images: Images, labels: Labels) -> Trainset:
    """The set of these boxes, none of them held out."""
    positive = np.array([box.kind == POSITIVE for box in boxes], bool)
    names = np.array([box.id for box in boxes], str)
    return Trainset(info, images, labels, positive, names, np.zeros(len(boxes), np.int8))


def neighbours(slab: Callable[[int, int], NDArray[Any]], z: int, depth: int, context: int) -> NDArray[Any]:
    """[context, y, x]: slice z in the middle of its neighbours; the first and last slice repeat beyond the ends."""
    wanted = np.clip(np.arange(context) + z - context // 2, 0, depth - 1)
    return slab(int(wanted[0]), int(wanted[-1]) + 1)[wanted - wanted[0]]


def joined(sets: list[Trainset]) -> Trainset:
    """One set of the boxes of several tomograms.

    Raises TomosegError where box sizes or preprocessing differ.
    """
    first = sets[0].info
    for other in (one.info for one in sets[1:]):
        same = replace(other, tomograms=(), voxel_size=first.voxel_size) == replace(first, tomograms=())
        if not same or differing_voxel_sizes(first.voxel_size, other.voxel_size):
            raise TomosegError(
                f"The tomograms {', '.join(first.tomograms + other.tomograms)} differ in voxel size or preprocessing: "
                "import them in the same way, or place the boxes in one of them only."
            )
    together = {
        name: np.concatenate([getattr(one, name) for one in sets])
        for name in ("images", "labels", "positive", "box_ids", "held_out")
    }
    names = tuple(name for one in sets for name in one.info.tomograms)
    return Trainset(replace(first, tomograms=names), **together)


def differing_voxel_sizes(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """True where both are known and differ by more than 5 % along x or y, the slices' plane."""
    pairs = [(a, b) for a, b in zip(one[:2], other[:2], strict=True) if a > 0 and b > 0 and 1.0 not in (a, b)]
    return any(abs(a - b) > VOXEL_SIZE_TOLERANCE * min(a, b) for a, b in pairs)


def narrowed(trainset: Trainset, context: int) -> Trainset:
    """The same boxes with the `context` middle slices of each; as it was where it has no more than that."""
    margin = (trainset.info.context - context) // 2
    if margin <= 0:
        return trainset
    middle = slice(margin, margin + context)
    return replace(
        trainset,
        info=replace(trainset.info, context=context),
        images=np.ascontiguousarray(trainset.images[:, middle]),
    )


def hold_out(trainset: Trainset, share: float, seed: int, networks: int = 1) -> Trainset:
    """Mark a share of the boxes, positive and negative ones alike, as held out: whole boxes, never single copies.

    Each network of an ensemble is spared other ones: so all are learned from, and more can be judged honestly.
    With fewer than four boxes of a kind none of that kind is held out: each is needed for learning.
    """
    random = np.random.default_rng(seed)
    held_out = np.zeros(len(trainset), np.int8)
    for kind in (True, False):
        numbers = np.flatnonzero(trainset.positive == kind)
        if len(numbers) >= 4 and share > 0:
            order, each = random.permutation(numbers), max(1, round(share * len(numbers)))
            for network in range(networks):
                held_out[order[network * each : (network + 1) * each]] = network + 1
    return replace(trainset, held_out=held_out)


def check_trainset(trainset: Trainset) -> None:
    """Raise TomosegError where nothing can be learned: no positive box, nothing painted, or all of it ignored."""
    feature = trainset.info.feature
    if not trainset.positive.any():
        raise TomosegError(f"There is no positive box of {feature}: place at least one on the feature and paint in it.")
    if not (trainset.labels != IGNORE).any():
        raise TomosegError(f"Every pixel in the boxes of {feature} is to be ignored: leave some to learn from.")
    if not (trainset.labels[trainset.positive] == FEATURE).any():
        raise TomosegError(f"Nothing is painted in the positive boxes of {feature}: paint the feature in them first.")
    if not np.isfinite(trainset.images).all():
        raise TomosegError(f"The tomogram of {feature} has voxels that are no numbers: repair it first.")
