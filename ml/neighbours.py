"""Preprocessed slices with their neighbours in z, each computed once, for networks that look at several slices."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Volume(Protocol):
    """What ml.preprocess.Preprocessed offers."""

    shape: tuple[int, int, int]

    def slab(self, z0: int, z1: int) -> Floats:
        """Slices z0 to z1 - 1, float32 [z, y, x]."""


class Neighbours:
    """The slices of a volume in groups of `depth`: always the same groups, whichever slice a run begins with.

    So a run that was interrupted gets bit for bit the same numbers. Groups that lie behind are forgotten.
    """

    def __init__(self, volume: Volume, depth: int, context: int) -> None:
        self._volume, self._depth, self._reach = volume, depth, context // 2
        self._groups: dict[int, Floats] = {}

    def slices(self, start: int, stop: int) -> list[Floats]:
        """Slices start - reach to stop + reach - 1 [y, x]; beyond the first and the last slice, these are repeated."""
        last = self._volume.shape[0] - 1
        wanted = [min(max(z, 0), last) for z in range(start - self._reach, stop + self._reach)]
        for group in [group for group in self._groups if group < wanted[0] // self._depth]:
            del self._groups[group]
        return [self._slice(z) for z in wanted]

    def _slice(self, z: int) -> Floats:
        number, offset = divmod(z, self._depth)
        if number not in self._groups:
            first = number * self._depth
            self._groups[number] = self._volume.slab(first, min(first + self._depth, self._volume.shape[0]))
        return self._groups[number][offset]
