"""Connected components of a mask, found slab by slab: memory does not grow with the tomogram.

A slab is labelled by itself; pieces that touch across a seam are joined afterwards. The pieces of the voxels that are
not 0 are kept in a nameless temporary file, so that whoever needs the components again need not label them again.
"""

import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from ml.masks import Mask, slab_ranges
from ml.report import Report
from tomo.errors import TomosegError

FACES, EDGES, CORNERS = 1, 2, 3  # what voxels of one component share at least
MOST_PIECES = 5_000_000
PAIR = 2**31  # more than any piece number
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(eq=False)
class Parts:
    """Sums over components (or over pieces of them), one row each; coordinates in voxels, [z, y, x].

    value: the label. voxels: their number. first: sums of the coordinates. second: sums of their products in the
    order zz, zy, zx, yy, yx, xx. low, high: the box, high exclusive.
    """

    value: NDArray[np.int32]
    voxels: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    low: NDArray[np.int32]
    high: NDArray[np.int32]

    @property
    def centroid(self) -> NDArray[np.float64]:
        """[n, 3] in voxel indices, z, y, x: the centre of voxel 0 is 0."""
        return self.first / np.maximum(self.voxels, 1)[:, None]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """[n, 3, 3] in voxels², of the voxels' volume (a lone voxel has 1/12 along each axis)."""
        centroid = self.centroid
        result = np.empty((len(self.voxels), 3, 3))
        for column, (a, b) in enumerate(_PAIRS):
            mean = self.second[:, column] / np.maximum(self.voxels, 1) - centroid[:, a] * centroid[:, b]
            result[:, a, b] = result[:, b, a] = mean + (1 / 12 if a == b else 0)
        return result

    def chosen(self, rows: NDArray[np.int64]) -> "Parts":
        """Only these rows, in this order."""
        return Parts(
            self.value[rows], self.voxels[rows], self.first[rows], self.second[rows], self.low[rows], self.high[rows]
        )


@dataclass(eq=False)
class Components:
    """The components of a mask, ordered by label and then by size, largest first.

    table: one row per component. number: 1 to n within each label.
    """

    mask: Mask
    connectivity: int
    table: Parts
    number: NDArray[np.int64]
    _ids: list[NDArray[np.int32]] = field(repr=False, default_factory=list)
    _kept: "_Pieces | None" = field(repr=False, default=None)

    def __len__(self) -> int:
        return len(self.table.voxels)

    def only(self, row: int) -> "Components":
        """The component in this row alone, with the number that it has among all."""
        rows = np.array([row])
        ids = [(part == 1 + row).astype(np.int32) for part in self._ids]
        return Components(self.mask, self.connectivity, self.table.chosen(rows), self.number[rows], ids, self._kept)

    def slabs(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Yield (z0, ids) for the whole mask: ids [z, y, x] is 1 + the component's row, 0 where there is none.

        Slabs that hold no component are not read: the cost of a single component (`only`) is that of its own slabs.
        """
        for number, ((z0, z1), ids) in enumerate(zip(slab_ranges(self.mask.shape), self._ids, strict=True)):
            if not ids.any():
                yield z0, np.zeros((z1 - z0, *self.mask.shape[1:]), np.int32)
                continue
            values = self.mask.read((slice(z0, z1), slice(None), slice(None)))
            pieces = None if self._kept is None else self._kept.read(number)
            if pieces is None:
                yield z0, ids[label(values, background=0, connectivity=self.connectivity)]
            else:
                found = np.zeros(values.shape, np.int32)
                found[values != 0] = ids[pieces]
                yield z0, found


class _Pieces:
    """The piece numbers of the voxels that are not 0, slab by slab, on disk; forgets all where the disk is full.

    The file has no name and goes with this object, or with the process.
    """

    def __init__(self) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as this object
        self._file: IO[bytes] | None = file
        weakref.finalize(self, file.close)
        self._parts: list[tuple[int, int, type[np.unsignedinteger[Any]]]] = []

    def add(self, pieces: NDArray[np.int64]) -> None:
        """Keep those of the next slab, 1-dimensional."""
        if self._file is None:
            return
        kind = np.uint16 if pieces.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
        try:
            self._parts.append((self._file.tell(), len(pieces), kind))
            self._file.write(pieces.astype(kind).tobytes())
            self._file.flush()
        except OSError:  # they can be found again
            self._file.close()
            self._file = None

    def read(self, slab: int) -> NDArray[Any] | None:
        """Those of one slab; None where they were not kept."""
        if self._file is None:
            return None
        start, count, kind = self._parts[slab]
        self._file.seek(start)
        return np.frombuffer(self._file.read(count * np.dtype(kind).itemsize), kind)


def find_components(mask: Mask, report: Report, *, smallest: int = 1, connectivity: int = CORNERS) -> Components:
    """All components of at least `smallest` voxels. Voxels of different labels are never joined.

    Memory: a slab, and about 200 bytes per piece. Raises TomosegError where the mask is nothing but specks.
    """
    pieces: list[Parts] = []
    links: list[NDArray[np.int64]] = []
    above: NDArray[np.int64] | None = None
    start, kept = 0, _Pieces()
    for z0, z1 in slab_ranges(mask.shape):
        report.progress(z0 / mask.shape[0], "Finding components")
        values = mask.read((slice(z0, z1), slice(None), slice(None)))
        local = label(values, background=0, connectivity=connectivity)
        pieces.append(_sums(local, values, z0))
        kept.add(local[values != 0])
        numbered = np.where(local[[0, -1]] > 0, local[[0, -1]] + (start - 1), -1)
        if above is not None:
            links.append(_touching(above, numbered[0], connectivity))
        above, start = numbered[1], start + len(pieces[-1].voxels)
        if start > MOST_PIECES:
            raise TomosegError(
                f"{mask.path} falls into more than {MOST_PIECES // 10**6} million pieces, so it is mostly noise: "
                "raise the threshold, or smooth the map before merging."
            )
    found = _joined(mask, connectivity, pieces, links, smallest)
    found._kept = kept
    return found


def _sums(local: NDArray[np.int64], values: NDArray[Any], z0: int) -> Parts:
    """What there is to know of each piece of one slab; row i is piece i + 1. local, values: [z, y, x]."""
    count = int(local.max(initial=0))
    boxes = ndimage.find_objects(local)
    corners = np.array([[(part.start, part.stop) for part in box] for box in boxes], np.int32).reshape(count, 3, 2)
    corners[:, 0] += z0
    sums = np.zeros((10, count))
    value = np.zeros(count, np.int32)
    for dz, plane in enumerate(local):
        flat = np.flatnonzero(plane)
        row = plane.ravel()[flat] - 1
        value[row] = values[dz].ravel()[flat]
        y, x = np.divmod(flat, plane.shape[1])
        n, sum_y, sum_x = np.bincount(row, minlength=count), _sum(row, y, count), _sum(row, x, count)
        squares = _sum(row, y * y, count), _sum(row, y * x, count), _sum(row, x * x, count)
        z = z0 + dz
        sums += np.stack([n, z * n, sum_y, sum_x, z * z * n, z * sum_y, z * sum_x, *squares])
    return Parts(value, sums[0].astype(np.int64), sums[1:4].T, sums[4:].T, corners[:, :, 0], corners[:, :, 1])


def _sum(row: NDArray[np.int64], values: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    return np.bincount(row, values, count).astype(np.float64)


def _touching(above: NDArray[np.int64], below: NDArray[np.int64], connectivity: int) -> NDArray[np.int64]:
    """Pairs of pieces (m, 2) that meet across a seam; planes [y, x] of piece numbers, -1 where there is none."""
    height, width = above.shape
    found = []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if 1 + abs(dy) + abs(dx) > connectivity:
                continue
            first = above[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
            second = below[max(0, dy) : height - max(0, -dy), max(0, dx) : width - max(0, -dx)]
            both = (first >= 0) & (second >= 0)
            # As one number each: sorting pairs takes ten times as long.
            found.append(np.unique(first[both] * PAIR + second[both]))
    return np.stack(np.divmod(np.unique(np.concatenate(found)), PAIR), 1)


def _joined(
    mask: Mask, connectivity: int, pieces: list[Parts], links: list[NDArray[np.int64]], smallest: int
) -> Components:
    """Join the pieces that are linked and of one label; drop what is too small; order the rest."""
    every = _stacked(pieces)
    count = len(every.voxels)
    pairs = np.concatenate([*links, np.zeros((0, 2), np.int64)])
    pairs = pairs[every.value[pairs[:, 0]] == every.value[pairs[:, 1]]]
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    total, root = connected_components(graph, directed=False) if count else (0, np.zeros(0, np.int64))
    whole = _summed(every, root, total)
    kept = np.flatnonzero(whole.voxels >= smallest)
    order = kept[np.lexsort((kept, -whole.voxels[kept], whole.value[kept]))]
    table = whole.chosen(order)
    id_of_root = np.zeros(total, np.int32)
    id_of_root[order] = np.arange(1, len(order) + 1)
    splits = np.cumsum([len(piece.voxels) for piece in pieces])[:-1]
    ids = [np.concatenate([[0], part]).astype(np.int32) for part in np.split(id_of_root[root], splits)]
    starts = np.searchsorted(table.value, table.value)
    return Components(mask, connectivity, table, np.arange(1, len(order) + 1) - starts, ids)


def _stacked(pieces: list[Parts]) -> Parts:
    names = ("value", "voxels", "first", "second", "low", "high")
    return Parts(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in names))


def _summed(every: Parts, root: NDArray[np.int64], total: int) -> Parts:
    """One row per root from the rows of its pieces."""
    value = np.zeros(total, np.int32)
    value[root] = every.value
    voxels = np.zeros(total, np.int64)
    np.add.at(voxels, root, every.voxels)
    first, second = np.zeros((total, 3)), np.zeros((total, 6))
    np.add.at(first, root, every.first)
    np.add.at(second, root, every.second)
    low = np.full((total, 3), np.iinfo(np.int32).max, np.int32)
    high = np.zeros((total, 3), np.int32)
    np.minimum.at(low, root, every.low)
    np.maximum.at(high, root, every.high)
    return Parts(value, voxels, first, second, low, high)
