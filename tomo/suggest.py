"""Suggesting negative boxes: places spread over the tomogram, away from the feature as far as anybody knows."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from .boxes import NEGATIVE, POSITIVE, Box

Place = tuple[int, int, int]
_CANDIDATES = 30  # tried for each box; the one farthest from all others is taken
_ROUNDS = 10


def suggest_negatives(
    boxes: Iterable[Box],
    shape: tuple[int, int, int],
    model: Box,
    count: int,
    on_feature: Callable[[Box], bool],
    seed: int = 0,
) -> list[Box]:
    """Up to `count` new negative boxes, each wholly inside the tomogram.

    boxes: the feature's, in this tomogram; none is overlapped, and a positive one keeps a distance of half its
    size along z too, since features go on there. shape: [z, y, x]. model: gives tomogram, feature and size.
    on_feature: whether the feature is painted or predicted in a box; asked for places that are free otherwise.
    The same seed gives the same boxes. Fewer come back where there is no more room.
    """
    random = np.random.default_rng(seed)
    taken = list(boxes)
    half = model.size // 2
    spans = [(0, shape[0]), (half, shape[1] - model.size + half + 1), (half, shape[2] - model.size + half + 1)]
    if any(last <= first for first, last in spans):
        return []
    found: list[Box] = []
    for _ in range(count * _ROUNDS):
        if len(found) == count:
            break
        z, y, x = (random.integers(first, last, _CANDIDATES) for first, last in spans)
        places = [(int(a), int(b), int(c)) for a, b, c in zip(x, y, z, strict=True)]
        new = _best(places, taken, model, on_feature)
        if new is not None:
            found.append(new)
            taken.append(new)
    return found


def _best(places: list[Place], taken: list[Box], model: Box, on_feature: Callable[[Box], bool]) -> Box | None:
    """The allowed place farthest from all boxes (Mitchell's best candidate: spread without a pattern), or None."""
    centres = np.array([box.centre for box in taken], np.float64).reshape(-1, 3)
    ranked = sorted(places, key=lambda place: -_nearest(np.array(place), centres))
    for place in ranked:
        box = Box(model.tomogram, model.feature, NEGATIVE, place, model.size)
        if not any(_too_near(box, other) for other in taken) and not on_feature(box):
            return box
    return None


def _nearest(place: NDArray[np.int64], centres: NDArray[np.float64]) -> float:
    return float(((centres - place) ** 2).sum(axis=1).min()) if len(centres) else 0.0


def _too_near(box: Box, other: Box) -> bool:
    apart = [abs(a - b) for a, b in zip(box.centre, other.centre, strict=True)]
    side = (box.size + other.size) / 2
    reach = max(1, other.size // 2) if other.kind == POSITIVE else 1
    return apart[0] < side and apart[1] < side and apart[2] < reach
