"""One map that many processes write at once: each writes its slices, one keeps the journal and gives it its name.

The unfinished map and its journal are those of ml/resumable.py, so that any later run goes on with them.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ml.resumable import JOURNAL_SECONDS, ResumableWriter
from tomo.files import explain_write_error
from tomo.geometry import Geometry
from tomo.mrc import MrcWriter

Statistics = list[list[float]]  # one row per slice: minimum, maximum, mean, sum of squared deviations


class SharedMap(ResumableWriter):
    """The process that began the map: it writes no slice itself, but `note`s those that lie on the disk.

    When the block ends, the map gets its name if every slice was noted. After Cancelled, or when the batch that holds
    it is closed, the slices stay for the next run.
    """

    @property
    def partial(self) -> Path:
        """Where the slices are to be written by `RangeWriter`."""
        return self._partial

    def missing(self, depth: int, most: int) -> Iterator[tuple[int, int]]:
        """Ranges (start, stop) of at most about `most` slices to write; each starts at a multiple of `depth`.

        A slab of `depth` slices is written as a whole or not at all: always the same slabs give the same bits.
        """
        most = max(most // depth, 1) * depth
        start: int | None = None
        for slab in range(0, self.shape[0] + depth, depth):
            here = slab < self.shape[0] and not self._written[slab : slab + depth].all()
            if start is not None and (not here or slab - start >= most):
                yield start, min(slab, self.shape[0])
                start = None
            if here and start is None:
                start = slab

    def note(self, z0: int, statistics: Statistics) -> None:
        """Slices z0 … z0 + len(statistics) - 1 are on the disk."""
        z1 = z0 + len(statistics)
        self._statistics[z0:z1], self._written[z0:z1] = statistics, True
        self.done = self._count_done()
        if time.monotonic() - self._told >= JOURNAL_SECONDS:
            self._tell()

    def _count_done(self) -> int:
        return int(self._written.sum())

    def _rows(self) -> list[list[float] | None]:
        rows = zip(self._statistics.tolist(), self._written, strict=True)
        return [row if written else None for row, written in rows]


class RangeWriter(MrcWriter):
    """Writes slices of another process's SharedMap; `statistics` are what that process needs to know of them."""

    def __init__(self, partial: Path, shape: tuple[int, int, int], dtype: DTypeLike) -> None:
        super().__init__(partial, shape, dtype, Geometry())

    def __enter__(self) -> "RangeWriter":
        try:
            self._file = self.path.open("r+b")
        except OSError as error:
            raise explain_write_error(self.path, error) from error
        return self

    def write(self, z0: int, slab: NDArray[Any]) -> None:
        """Put `slab` [z, y, x] at slice `z0`, onto the disk: a journal may name it from now on."""
        assert self._file is not None
        super().write(z0, slab)
        self._file.flush()
        os.fsync(self._file.fileno())

    def statistics(self, z0: int, z1: int) -> Statistics:
        """Of slices z0 … z1 - 1, which were written."""
        rows: Statistics = np.asarray(self._statistics[z0:z1]).tolist()
        return rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()
        self._file = None
        if isinstance(error, OSError):
            raise explain_write_error(self.path, error) from error
