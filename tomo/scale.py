"""Does the size of the painted objects suit the boxes? If not: by how much to shrink the tomogram instead.

A network learns from boxes of some 64 voxels. Of an object that fills its box it sees neither outline nor surroundings;
of one that is two voxels wide it sees hardly more than noise. Both are mended by another bin.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .boxes import POSITIVE, Box
from .words import counted

Mask = NDArray[np.bool_]
SURVIVES = 0.5  # of the painted area: that much is at least as wide as the width that is told
PAINTED_BEYOND = 0.1  # of the paint outside the boxes: then objects were painted whole, not only inside the boxes
MOST_SIDE = 384  # pixels; larger slices are looked at coarsely
NARROW, WIDE_ENOUGH = 3.0, 6.0  # voxels


def width_of(feature: Mask, known: Mask, most: float) -> float | None:
    """How wide painted objects are, in voxels: half of their area lies in parts that are at least so wide.

    feature, known: [y, x]; where nothing is known, objects may go on. None: nothing painted. Infinite: beyond `most`.
    Measured with octagons that must fit in, so round objects come out up to 15 % too narrow.
    """
    if not feature.any():
        return None
    feature, known = _around(feature, known, math.ceil(most))
    step = -(-max(feature.shape) // MOST_SIDE)
    feature, known = feature[::step, ::step], known[::step, ::step]
    area = np.count_nonzero(feature)
    if not area:
        return None
    solid, low, high = feature | ~known, 0, math.ceil(most / (2 * step)) + 1
    if np.count_nonzero(_opened(solid, high) & feature) >= SURVIVES * area:
        return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        survives = np.count_nonzero(_opened(solid, middle) & feature) >= SURVIVES * area
        low, high = (middle, high) if survives else (low, middle)
    return float((2 * low + 1) * step)


def known_part(feature: Mask, boxes: Sequence[Box]) -> Mask:
    """Where a slice [y, x] was annotated: inside the positive boxes; everywhere, if paint goes beyond them."""
    inside = np.zeros(feature.shape, bool)
    for box in boxes:
        if box.kind == POSITIVE:
            x, y = box.corner
            inside[max(y, 0) : max(y + box.size, 0), max(x, 0) : max(x + box.size, 0)] = True
    beyond = np.count_nonzero(feature & ~inside) > PAINTED_BEYOND * np.count_nonzero(feature)
    return np.ones_like(inside) if beyond else inside


def scale_hint(feature: str, tomogram: str, widths: Sequence[float], box_size: int, shrink: int) -> str | None:
    """The sentence that offers another bin, with its reason; None where the size suits, or nothing is painted.

    widths: of the painted slices, voxels. shrink: how many voxels of the source one voxel of `tomogram` spans.
    """
    if not widths:
        return None
    width = float(np.median(widths))
    if math.isinf(width):
        return (
            f"{feature} fills its boxes of {box_size} voxels in {tomogram}, so its outline cannot be seen: import the "
            f"tomogram at shrink {2 * shrink} or more, or use larger boxes."
        )
    wide = counted(round(width), "voxel")
    if width > box_size:
        factor = math.ceil(width / box_size)
        return (
            f"{feature} is about {wide} wide in {tomogram}: at shrink {factor * shrink} it fits a box of "
            f"{box_size}, and the network sees its outline."
        )
    better = max(1, math.floor(shrink * width / WIDE_ENOUGH))
    if width <= NARROW and better < shrink:
        return (
            f"{feature} is only about {wide} wide in {tomogram}, which was shrunk {shrink} times: at "
            f"shrink {better} the network sees more of it."
        )
    return None


def _around(feature: Mask, known: Mask, margin: int) -> tuple[Mask, Mask]:
    """Both cut to what is painted and a margin around it."""
    rows, columns = np.flatnonzero(feature.any(1)), np.flatnonzero(feature.any(0))
    here = tuple(slice(max(int(line[0]) - margin, 0), int(line[-1]) + margin + 1) for line in (rows, columns))
    return feature[here], known[here]


def _opened(mask: Mask, radius: int) -> Mask:
    """What remains of `mask` where an octagon of this radius fits in; it may reach out of the picture."""
    padded = np.pad(mask, radius, constant_values=True)
    for number in range(radius):
        padded = ~_grown(~padded, square=bool(number % 2))
    for number in range(radius):
        padded = _grown(padded, square=bool(number % 2))
    return padded[radius : radius + mask.shape[0], radius : radius + mask.shape[1]]


def _grown(mask: Mask, *, square: bool) -> Mask:
    """One pixel more all around: by a cross or by a square, which in turn make an octagon."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    source = grown.copy() if square else mask
    grown[:, 1:] |= source[:, :-1]
    grown[:, :-1] |= source[:, 1:]
    return grown
