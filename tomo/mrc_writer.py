"""Writing MRC files slab by slab: whole and checked, or not at all."""

import errno
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .files import replacing, require_space
from .geometry import Geometry
from .mrc_header import DTYPES, HEADER_BYTES, build_header, set_statistics


class MrcWriter:
    """Write a volume of `shape` [z, y, x] in slabs, in any order, without holding it in memory.

    Use it in a `with` block: the file appears under its name when the block ends and all slices
    were written; after any error nothing is left and what was there before stays.
    dtype: int8, int16, uint16, float16 or float32 (MRC modes 0, 1, 6, 12, 2).
    labels: texts of up to 80 ASCII characters; the last ten are kept.
    Raises TomosegError where the disk lacks the space or refuses, ValueError for wrong use.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: DTypeLike, geometry: Geometry, labels: Iterable[str] = ()
    ) -> None:
        self.path = path
        self.dtype = np.dtype(dtype).newbyteorder("<")
        if self.dtype.newbyteorder("=") not in [np.dtype(code) for code in DTYPES.values()]:
            raise ValueError(f"MRC files cannot hold {np.dtype(dtype)}: use int8, int16, uint16, float16 or float32.")
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"A volume has three sides of at least 1 voxel, not {tuple(shape)}.")
        self.shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        self._header = build_header(self.shape, self.dtype.newbyteorder("="), geometry, list(labels))
        self._written = np.zeros(self.shape[0], bool)
        # One row per slice (minimum, maximum, mean, sum of squared deviations): a slice may be rewritten.
        self._statistics = np.zeros((self.shape[0], 4))
        self._stack = ExitStack()
        self._file: BinaryIO | None = None

    def __enter__(self) -> "MrcWriter":
        total = HEADER_BYTES + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        require_space(self.path.parent, total)
        with ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            self._file = stack.enter_context(temporary.open("wb"))
            self._file.write(self._header.tobytes())
            _reserve(self._file, total)
            self._stack = stack.pop_all()
        return self

    def write(self, z0: int, slab: NDArray[Any]) -> None:
        """Put `slab` [z, y, x] at slice `z0`; integers must fit the file's type, floats are not rounded to integers."""
        if self._file is None:
            raise ValueError("MrcWriter writes inside its with block only.")
        z1 = z0 + len(slab)
        if slab.ndim != 3 or slab.shape[1:] != self.shape[1:] or z0 < 0 or z1 > self.shape[0]:
            raise ValueError(f"A slab of {slab.shape} at slice {z0} does not fit a volume of {self.shape}.")
        plane = self.shape[1] * self.shape[2] * self.dtype.itemsize
        self._file.seek(HEADER_BYTES + z0 * plane)
        for z, original in enumerate(slab, z0):
            stored = _converted(original, self.dtype)
            self._file.write(stored.data)
            self._statistics[z] = _slice_statistics(stored)
        self._written[z0:z1] = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if error is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:  # removes the temporary file should _finish raise
            self._finish()
        return None

    def _finish(self) -> None:
        if self._file is None or not self._written.all():
            missing = np.flatnonzero(~self._written)
            raise ValueError(f"{len(missing)} slices of {self.path} were never written, the first is {missing[0]}.")
        low, high, mean, squares = self._statistics.T
        total_mean = float(mean.mean())
        plane = self.shape[1] * self.shape[2]
        variance = (squares.sum() + plane * ((mean - total_mean) ** 2).sum()) / (plane * self.shape[0])
        set_statistics(self._header, float(low.min()), float(high.max()), total_mean, float(np.sqrt(variance)))
        self._file.seek(0)
        self._file.write(self._header.tobytes())


def write_mrc(path: Path, array: NDArray[Any], geometry: Geometry, labels: Iterable[str] = ()) -> None:
    """Write a whole array [z, y, x], or one slice [y, x], all or nothing.

    float64 becomes float32; other integers and bool become the smallest MRC type that holds their values.
    """
    volume = array[np.newaxis] if array.ndim == 2 else array
    with MrcWriter(path, volume.shape, _mrc_dtype(volume), geometry, labels) as writer:
        writer.write(0, volume)


def _mrc_dtype(array: NDArray[Any]) -> np.dtype[Any]:
    native = array.dtype.newbyteorder("=")
    if native == np.float64:
        return np.dtype(np.float32)
    if native.kind not in "iub" or native in (np.int8, np.int16, np.uint16):
        return native
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for candidate in (np.int8, np.int16, np.uint16):
        if np.iinfo(candidate).min <= low and high <= np.iinfo(candidate).max:
            return np.dtype(candidate)
    raise ValueError(f"MRC files cannot hold integers from {low} to {high}.")


def _reserve(file: BinaryIO, total: int) -> None:
    """Take the whole space now, so that a full disk shows at once and not after an hour."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, total)
            return
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
    file.truncate(total)


def _converted(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """One slice in the file's type; raises ValueError where that would change values beyond rounding."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(values, dtype)
        if values.dtype.itemsize > dtype.itemsize and not np.array_equal(np.isfinite(stored), np.isfinite(values)):
            raise ValueError(f"Values beyond {np.finfo(dtype).max:g} do not fit {dtype}.")
        return stored
    if values.dtype.kind not in "iub":
        raise ValueError(f"Round {values.dtype} values before writing them as {dtype}.")
    limits = np.iinfo(dtype)
    if values.size and values.dtype != dtype and not limits.min <= values.min() <= values.max() <= limits.max:
        raise ValueError(f"Values from {values.min()} to {values.max()} do not fit {dtype}.")
    return np.ascontiguousarray(values, dtype)


def _slice_statistics(values: NDArray[Any]) -> tuple[float, float, float, float]:
    mean = float(values.mean(dtype=np.float64))
    # Through float32 and not float64: a 4096 × 4096 slice would cost 134 MB for a number of seven digits.
    deviations = values.astype(np.float32)
    deviations -= np.float32(mean)
    np.square(deviations, out=deviations)
    return float(values.min()), float(values.max()), mean, float(deviations.sum(dtype=np.float64))
