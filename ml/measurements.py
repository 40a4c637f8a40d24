"""Everything that `tomoseg measure` knows about components, gathered block by block: see `measure_components`."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from ml.components import Components
from ml.crofton import HALO, Crofton, block_areas
from ml.filaments import Cells, filament_length
from ml.masks import Mask
from ml.report import Report
from ml.thickness import median_and_spread, thickness_along
from ml.threads import available_cores

T = TypeVar("T")

TILE = 128  # voxels along y and x
MOST_THREADS = 4  # each holds a tile: some 100 MB
RAYS, FEWEST_RAYS, MOST_RAYS = 500_000, 200, 2000  # in all, and of one component
MOST_CELLS = 60_000
FEWEST_VOXELS = 20  # a length of less means nothing
ELONGATED, SPARSE = 1.6, 0.3


@dataclass(eq=False)
class Measured:
    """One row per component, in the order of the component table. Lengths in the unit of the size given.

    area: float64 (n,). thickness: (n, 2), median and spread, NaN where unknown. length: (n,), NaN where the component
    is no filament. ray_row, ray_length: each ray's component and thickness, in the order of rows.
    """

    area: NDArray[np.float64]
    thickness: NDArray[np.float64]
    length: NDArray[np.float64]
    ray_row: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    ray_length: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class _Tile:
    """One label in one block. inside: [z, y, x] with HALO voxels around `rows`, which is 1 + component row or 0.
    corner: the voxel at which `rows` begins, z, y, x."""

    value: int
    inside: NDArray[np.bool_]
    rows: NDArray[np.int32]
    corner: NDArray[np.int64]


def measure_components(
    components: Components,
    size: tuple[float, float, float],
    report: Report,
    *,
    thickness: bool = True,
    length: bool = True,
) -> Measured:
    """Areas, thicknesses and lengths of all components. size: the voxel's sides, x, y, z, in any unit.

    Area leaves out where the volume cuts an object: nobody knows what lies behind. Memory: a block, and some MB for
    each component that crosses the slab at hand.
    """
    count = len(components)
    crofton = Crofton.of(size)
    measured = Measured(np.zeros(count), np.full((count, 2), np.nan), np.full(count, np.nan))
    filaments = _Filaments(components, crofton.size) if length else None
    rays = _Rays(components, crofton.size)
    with ThreadPoolExecutor(threads := min(available_cores(), MOST_THREADS)) as pool:
        for z0, ids in components.slabs():
            report.progress(z0 / components.mask.shape[0], "Measuring")
            tiles = _tiles(components.mask, z0, ids)
            for tile, known, area, gradient in _in_order(pool, partial(_areas, crofton), tiles, threads + 1):
                measured.area[known] += area
                if thickness:
                    rays.aim(tile, gradient)
            rays.shoot()
            if filaments is not None:
                filaments.add(z0, ids, measured.length)
    rays.finish(measured)
    return measured


def _areas(crofton: Crofton, tile: _Tile) -> tuple[_Tile, NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
    """The tile, the rows of the components in it, their areas in it, and the gradient of its blurred copy."""
    present = np.bincount(tile.rows.ravel())
    present[0] = 0
    known = np.flatnonzero(present)
    local = np.zeros(len(present), np.int32)
    local[known] = np.arange(1, len(known) + 1)
    area, gradient = block_areas(tile.inside, local[tile.rows], crofton, len(known))
    return tile, known - 1, area, gradient


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[_Tile], T], tiles: Iterator[_Tile], ahead: int
) -> Iterator[T]:
    """The results in the tiles' order, whatever the number of threads; at most `ahead` tiles are in memory."""
    waiting: deque[Future[T]] = deque()
    for tile in tiles:
        waiting.append(pool.submit(function, tile))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _tiles(mask: Mask, z0: int, ids: NDArray[np.int32]) -> Iterator[_Tile]:
    """Each label in each block of a slab where it has a component."""
    for y0 in range(0, ids.shape[1], TILE):
        for x0 in range(0, ids.shape[2], TILE):
            rows = ids[:, y0 : y0 + TILE, x0 : x0 + TILE]
            if not rows.any():
                continue
            corner = np.array([z0, y0, x0])
            values = _with_halo(mask, corner, rows.shape)
            core = values[tuple(slice(HALO, HALO + length) for length in rows.shape)]
            for value in np.flatnonzero(np.bincount(core[rows > 0])):  # sorting all voxels would take far longer
                yield _cropped(_Tile(int(value), values == value, np.where(core == value, rows, 0), corner))


def _cropped(tile: _Tile) -> _Tile:
    """The smallest block around the tile's components: most tiles are mostly empty."""
    box = find_objects(tile.rows > 0, 1)[0]
    around = tuple(slice(part.start, part.stop + 2 * HALO) for part in box)
    corner = tile.corner + np.array([part.start for part in box])
    return _Tile(tile.value, np.ascontiguousarray(tile.inside[around]), tile.rows[box], corner)


def _with_halo(mask: Mask, corner: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The mask around a block; beyond the volume its border voxels are repeated, so that no surface lies there."""
    low, high = corner - HALO, corner + np.array(shape) + HALO
    start, stop = np.maximum(low, 0), np.minimum(high, mask.shape)
    z, y, x = (slice(a, b) for a, b in zip(start.tolist(), stop.tolist(), strict=True))
    padding = list(zip((start - low).tolist(), (high - stop).tolist(), strict=True))
    return np.pad(mask.read((z, y, x)), padding, mode="edge")


class _Rays:
    """Thickness from rays that start at a random share of each component's outermost voxels."""

    def __init__(self, components: Components, size: NDArray[np.float64]) -> None:
        self._components, self._size = components, size
        wished = np.clip(RAYS // max(1, len(components)), FEWEST_RAYS, MOST_RAYS)
        self._share = np.minimum(1.0, wished / np.maximum(components.table.voxels, 1))
        self._random = np.random.default_rng(0)
        self._aimed: dict[int, list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]] = {}
        self._found: list[tuple[NDArray[np.int32], NDArray[np.float64]]] = []

    def aim(self, tile: _Tile, gradient: NDArray[np.float32]) -> None:
        """Choose where rays of one tile start; gradient: [3, z, y, x] per voxel, over the tile with its halo."""
        core = tuple(slice(HALO, HALO + length) for length in tile.rows.shape)
        surface = np.argwhere((tile.rows > 0) & outermost(tile.inside)[core])
        row = tile.rows[tuple(surface.T)] - 1
        chosen = self._random.random(len(row)) < self._share[row]
        surface, row = surface[chosen], row[chosen]
        slope = gradient[(slice(None), *core)][(slice(None), *surface.T)].T / self._size
        steepness = np.linalg.norm(slope, axis=1)
        clear = steepness > 1e-6
        directions = slope[clear] / steepness[clear, None]
        self._aimed.setdefault(tile.value, []).append((row[clear], surface[clear] + tile.corner, directions))

    def shoot(self) -> None:
        """Trace all rays aimed so far: many at a time, as each step costs the same for one as for thousands."""
        for value, parts in self._aimed.items():
            row, points, directions = (np.concatenate(column) for column in zip(*parts, strict=True))
            mask = self._components.mask
            found = thickness_along(mask, value, points.astype(np.float64), directions, self._size)
            self._found.append((row, found))
        self._aimed.clear()

    def finish(self, measured: Measured) -> None:
        """Fill in each component's median and spread, and keep all rays for those of the labels."""
        if not any(len(rows) for rows, _ in self._found):
            return  # no surface is clear enough for a ray
        row = np.concatenate([rows for rows, _ in self._found])
        values = np.concatenate([values for _, values in self._found])
        order = np.argsort(row, kind="stable")
        measured.ray_row, measured.ray_length = row[order], values[order]
        numbers, starts = np.unique(measured.ray_row, return_index=True)
        for number, part in zip(numbers, np.split(measured.ray_length, starts[1:]), strict=True):
            if (both := median_and_spread(part)) is not None:
                measured.thickness[number] = both


def ray_weights(components: Components, measured: Measured) -> NDArray[np.float64]:
    """For each ray, how many surface voxels it stands for: needed where rays of several components are pooled."""
    counts = np.bincount(measured.ray_row, minlength=len(components))
    weights: NDArray[np.float64] = (components.table.voxels / np.maximum(counts, 1))[measured.ray_row]
    return weights


def outermost(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels with a neighbour outside, face to face; where the array ends there is no outside. [z, y, x]."""
    buried = inside.copy()
    for axis in range(3):
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        buried[tuple(behind)] &= inside[tuple(ahead)]
        buried[tuple(ahead)] &= inside[tuple(behind)]
    result: NDArray[np.bool_] = inside & ~buried
    return result


class _Filaments:
    """Collects the voxels of slender components as cells, and measures each as soon as it has passed."""

    def __init__(self, components: Components, size: NDArray[np.float64]) -> None:
        self._table, self._size = components.table, size
        self._wanted = _may_be_filaments(components, size)
        # A filament's cells grow with its length, a sheet's with its area: two axes at most.
        self._cell = np.maximum(1, np.ceil(np.sqrt(self._table.voxels / MOST_CELLS))).astype(np.int64)
        self._shape = components.mask.shape
        self._parts: dict[int, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}

    def add(self, z0: int, ids: NDArray[np.int32], lengths: NDArray[np.float64]) -> None:
        """Take in one slab; fill in `lengths` of the components that end in it."""
        wanted = np.concatenate([[False], self._wanted])
        if wanted.any():
            for dz, plane in enumerate(ids):  # plane by plane: the voxels' places take 40 bytes each
                flat = np.flatnonzero(wanted[plane])
                if len(flat):
                    self._bin(plane.ravel()[flat] - 1, z0 + dz, *np.divmod(flat, plane.shape[1]))
        for number in [n for n in self._parts if self._table.high[n, 0] <= z0 + len(ids)]:
            found = filament_length(self._cells(number, self._parts.pop(number)))
            lengths[number] = np.nan if found is None else found

    def _bin(self, rows: NDArray[np.int32], z: int, y: NDArray[np.int64], x: NDArray[np.int64]) -> None:
        """Take in the voxels of one plane, in the order of y and x. Kept for each component: flat cell numbers, and
        for each the number of voxels and their sums of z, y, x."""
        cell = self._cell[rows]
        cells = np.ravel_multi_index((z // cell, y // cell, x // cell), self._shape)
        keys = _joint_keys(rows, cells, self._shape)
        # Voxels of one cell that follow each other along x are added up first: sorting is what takes long.
        runs = np.flatnonzero(np.concatenate([[True], (keys[1:] != keys[:-1]) | (y[1:] != y[:-1])]))
        count = np.diff(np.append(runs, len(keys)))
        sums = np.stack([count, count * z, count * y[runs], np.add.reduceat(x, runs)])
        unique, group = np.unique(keys[runs], return_inverse=True)
        summed = np.stack([np.bincount(group, along) for along in sums], 1).astype(np.float64)
        owner, its_cell = np.divmod(unique, np.prod(self._shape, dtype=np.int64))
        numbers, starts = np.unique(owner, return_index=True)
        columns = zip(numbers, np.split(its_cell, starts[1:]), np.split(summed, starts[1:]), strict=True)
        for number, its_cells, its_sums in columns:
            self._parts.setdefault(int(number), []).append((its_cells, its_sums))

    def _cells(self, number: int, parts: list[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Cells:
        every = np.concatenate([sums for _, sums in parts])
        cells, group = np.unique(np.concatenate([cells for cells, _ in parts]), return_inverse=True)
        sums = np.stack([np.bincount(group, every[:, column]) for column in range(4)], 1).astype(np.float64)
        index = np.stack(np.unravel_index(cells, self._shape), 1)
        return Cells(index, sums[:, 0], sums[:, 1:] / sums[:, :1] * self._size, self._size * self._cell[number])


def _joint_keys(rows: NDArray[np.int32], cells: NDArray[np.int64], shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """One number for each pair of a row and a flat index into `shape`: row × voxels + index."""
    # Widened first: numpy keeps int32 times a number that fits into int32, and the product overflows.
    return rows.astype(np.int64) * int(np.prod(shape, dtype=np.int64)) + cells


def _may_be_filaments(components: Components, size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """False for compact components, whose length would be asked in vain. bool (n,)."""
    spread = components.table.covariance * size[:, None] * size
    axes = np.maximum(np.linalg.eigvalsh(spread), 1e-12)
    ellipsoid = 4 / 3 * np.pi * np.sqrt(5**3 * axes.prod(1))
    filled = components.table.voxels * size.prod() / ellipsoid
    slender = np.sqrt(axes[:, 2] / axes[:, 1]) > ELONGATED
    result: NDArray[np.bool_] = (components.table.voxels >= FEWEST_VOXELS) & (slender | (filled < SPARSE))
    return result
