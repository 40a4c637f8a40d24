"""The length of a filament: along its middle, from end to end.

Distances within the object, counted from one of its ends, cut it into rings; the middles of the rings are its
centreline, for solid rods and hollow tubes alike. Rings near the ends are slanted, so the centreline stops short
there, and what volume lies beyond it is turned into length by the filament's cross-section. A flat-ended cylinder
comes out at its true length whatever its radius, which the path between its outermost voxels does not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

RING = 2.5  # cells: the width of a ring
SHORT = 8  # rings: a rod with fewer between its ends is taken as straight
ROUND = 3.0  # times as wide as thick at most, for a short rod: more is a sheet
SLENDER, SLENDER_ROD = 3.0, 1.5  # times as long as wide: below that it is no filament, or no straight one
_OFFSETS = [(z, y, x) for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1) if (z, y, x) > (0, 0, 0)]


@dataclass(frozen=True, eq=False)
class Cells:
    """One component as cells of one or more voxels. index: int64 (n, 3), cell numbers z, y, x. volume: (n,), in
    voxels. centre: (n, 3), the centroid of the cell's voxels, z, y, x, in space. size: the cell's sides in space."""

    index: NDArray[np.int64]
    volume: NDArray[np.float64]
    centre: NDArray[np.float64]
    size: NDArray[np.float64]


def filament_length(cells: Cells) -> float | None:
    """The length in the unit of `cells.centre`; None where the object is not slender. Cost: n log n in cells."""
    if len(cells.volume) < 2:
        return None
    graph = _neighbours(cells)
    start = int(np.argmax(_distances(graph, 0)[0]))
    along, previous = _distances(graph, start)
    reached = np.isfinite(along)
    end = int(np.argmax(np.where(reached, along, -1)))
    rings = _rings(graph, along, RING * float(cells.size.max()))
    line = _Line.through(cells, along, rings, _path(previous, end))
    return line.length() if line is not None else _straight_length(cells)


def _neighbours(cells: Cells) -> csr_array:
    """Cells that touch, up to corners, and how far apart they are."""
    index = cells.index - cells.index.min(0) + 1
    span = index.max(0) + 2
    key = np.ravel_multi_index(tuple(index.T), tuple(span))
    order = np.argsort(key)
    starts, ends, weights = [], [], []
    for offset in _OFFSETS:
        wanted = np.ravel_multi_index(tuple((index + offset).T), tuple(span))
        place = np.minimum(np.searchsorted(key, wanted, sorter=order), len(key) - 1)
        found = order[place]
        here = np.flatnonzero(key[found] == wanted)
        starts.append(here)
        ends.append(found[here])
        weights.append(np.full(len(here), np.linalg.norm(np.array(offset) * cells.size)))
    a, b, w = np.concatenate(starts), np.concatenate(ends), np.concatenate(weights)
    both = (np.concatenate([a, b]), np.concatenate([b, a]))
    return csr_array((np.concatenate([w, w]), both), shape=(len(key), len(key)))


def _distances(graph: csr_array, start: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    distances, previous = dijkstra(graph, indices=start, return_predecessors=True)
    return np.where(np.isfinite(distances), distances, -1.0), previous


def _path(previous: NDArray[np.int32], end: int) -> NDArray[np.int64]:
    path = [end]
    while previous[path[-1]] >= 0:
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1])


def _rings(graph: csr_array, along: NDArray[np.float64], width: float) -> NDArray[np.int64]:
    """A number for each cell: cells of one range of distances that hang together share it; branches differ."""
    band = np.floor(along / width).astype(np.int64)
    edges = graph.tocoo()
    same = band[edges.row] == band[edges.col]
    within = csr_array((np.ones(same.sum()), (edges.row[same], edges.col[same])), shape=graph.shape)
    ring: NDArray[np.int64] = connected_components(within, directed=False)[1]
    return ring


@dataclass(frozen=True, eq=False)
class _Line:
    """points: (k, 3) along the middle, in space. cells: those of the rings on the way and of both ends."""

    points: NDArray[np.float64]
    centre: NDArray[np.float64]
    volume: NDArray[np.float64]
    along: NDArray[np.float64]

    @classmethod
    def through(
        cls, cells: Cells, along: NDArray[np.float64], rings: NDArray[np.int64], path: NDArray[np.int64]
    ) -> "_Line | None":
        """The centreline without its ends; None where the object is too short or too wide."""
        _, first = np.unique(rings[path], return_index=True)
        on_way = rings[path][np.sort(first)]
        weight = np.bincount(rings, cells.volume)
        sums = np.stack([np.bincount(rings, cells.volume * cells.centre[:, axis]) for axis in range(3)], 1)
        middles = sums / weight[:, None]
        spread = np.bincount(rings, cells.volume * ((cells.centre - middles[rings]) ** 2).sum(1)) / weight
        # 2√2 times the rms radius is the diameter of a solid disc.
        diameter = 2 * np.sqrt(2 * np.median(spread[on_way]) + (cells.size**2).mean() / 6)
        ring_along = np.bincount(rings, along) / np.bincount(rings)
        length = float(along.max())
        inner = (ring_along[on_way] >= diameter) & (ring_along[on_way] <= length - diameter)
        widest = 2 * np.sqrt(2 * np.percentile(spread[on_way], 90))
        if inner.sum() < SHORT or length < SLENDER * widest:
            return None
        kept = np.isin(rings, on_way) | (along < diameter) | (along > length - diameter)
        points = gaussian_filter1d(middles[on_way[inner]], 1.0, axis=0, mode="nearest")
        return cls(points, cells.centre[kept], cells.volume[kept], along[kept])

    def length(self) -> float:
        """The centreline's length, and what lies beyond its ends as volume over cross-section."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=1)
        middle = float(steps.sum())
        half = self.along.max() / 2
        beyond = np.zeros(len(self.volume), bool)
        for end, near in ((0, self.along < half), (-1, self.along > half)):
            inward = self.points[min(2, len(self.points) - 1) if end == 0 else max(-3, -len(self.points))]
            outward = self.points[end] - inward
            beyond |= near & ((self.centre - self.points[end]) @ outward > 0)
        inside = self.volume[~beyond].sum()
        return middle * float(self.volume.sum() / inside) if inside > 0 else middle


def _straight_length(cells: Cells) -> float | None:
    """For short rods: from the spread along their axis, exact for straight ones with flat ends; None for sheets."""
    middle = np.average(cells.centre, axis=0, weights=cells.volume)
    spread = np.cov((cells.centre - middle).T, aweights=cells.volume, bias=True) + np.diag(cells.size**2) / 12
    shortest, second, longest = np.linalg.eigvalsh(spread)
    slender = longest > SLENDER_ROD**2 * second * 4 / 3 and second < ROUND**2 * shortest
    return float(np.sqrt(12 * longest)) if slender else None
