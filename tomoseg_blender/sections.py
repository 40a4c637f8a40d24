"""Slices along y and x of a large tomogram come from a small copy: across the file, one of them would read it all.

The copy is the mean over blocks, kept in the project folder (`views/<tomogram>_bin<n>.npy`, [z, y, x] float32). It
is made a slice at a time between two events of the window; until then every n-th voxel is shown.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..tomo.files import replacing
from ..tomo.project import Project

LARGEST = 2**26  # voxels of a tomogram, or of a copy; more are not read across
TICK_SECONDS = 0.03  # of work at a time
Volume = NDArray[Any]


def factor_of(shape: tuple[int, int, int]) -> int:
    """How many voxels of each side become one in the copy of a tomogram of `shape` [z, y, x]; 1: no copy is needed."""
    factor = 1
    while np.prod([-(-length // factor) for length in shape]) > LARGEST:
        factor += 1
    return factor


def copy_path(folder: Path, name: str, factor: int) -> Path:
    """Where the project in `folder` keeps the copy of tomogram `name`."""
    return folder / "views" / f"{name}_bin{factor}.npy"


def coarse(folder: Path, name: str, data: Volume, changed: float) -> Volume | None:
    """The copy of tomogram `name` [z, y, x], if it is there and not older than `changed` (seconds, as of a file)."""
    path = copy_path(folder, name, factor_of(_shape(data)))
    try:
        if path.stat().st_mtime < changed:
            return None
        found: Volume = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):  # not there yet, or damaged: it is made again
        return None
    return found if found.shape == sampled(data).shape else None


def sampled(data: Volume) -> Volume:
    """Every n-th voxel of `data`, a view: what is shown until there is a copy."""
    factor = factor_of(_shape(data))
    return data[::factor, ::factor, ::factor]


def _shape(data: Volume) -> tuple[int, int, int]:
    depth, height, width = data.shape
    return depth, height, width


def write_copy(folder: Path, name: str, data: Volume) -> Iterator[float]:
    """Make the copy of tomogram `name`; yields the part that is done (0 to 1) after each slice of `data`.

    Raises TomosegError if the project is gone or cannot be written.
    """
    Project(folder).require_writable()  # one that went away must not be made anew
    factor = factor_of(_shape(data))
    with replacing(copy_path(folder, name, factor)) as temporary:
        shape = sampled(data).shape
        copy = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        for z in range(0, len(data), factor):
            rows = range(z, min(z + factor, len(data)))
            total = np.zeros(shape[1:], np.float32)
            for row in rows:
                total += _means(data[row], factor)
                yield row / len(data)
            copy[z // factor] = total / len(rows)
        copy.flush()
        del copy  # Windows renames no file that is mapped


def _means(pixels: Volume, factor: int) -> NDArray[np.float32]:
    """The mean over blocks of `factor` × `factor` pixels of a slice [y, x], those cut off at the edges included."""
    starts = [np.arange(0, length, factor) for length in pixels.shape]
    sums = np.add.reduceat(pixels.astype(np.float32), starts[1], axis=1)
    sums = np.add.reduceat(sums, starts[0], axis=0)
    counts = [np.minimum(factor, length - first) for first, length in zip(starts, pixels.shape, strict=True)]
    return np.asarray(sums / np.outer(*counts), np.float32)


class Maker:
    """The copies that are being made now, one after another."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[Path, str], Iterator[float]] = {}
        self.part = 0.0

    def ask(self, folder: Path, name: str, data: Volume) -> None:
        """Have the copy of a tomogram made, if it is not on the way yet."""
        self._waiting.setdefault((folder, name), write_copy(folder, name, data))

    def forget(self) -> None:
        """Stop making copies; what was half made is removed."""
        for steps in self._waiting.values():
            steps.close()  # type: ignore[attr-defined]  # a generator
        self._waiting.clear()

    def wants(self, name: str) -> bool:
        """True while the copy of tomogram `name` is waited for."""
        return any(wanted == name for _folder, wanted in self._waiting)

    def work(self) -> bool | None:
        """Some work on the first copy: True once it is finished, None when there is nothing to do.

        Raises TomosegError; that copy is then given up.
        """
        if not self._waiting:
            return None
        key, steps = next(iter(self._waiting.items()))
        until = time.monotonic() + TICK_SECONDS
        try:
            while time.monotonic() < until:
                self.part = next(steps)
        except StopIteration:
            del self._waiting[key]
            return True
        except BaseException:
            del self._waiting[key]
            raise
        return False


MAKER = Maker()
