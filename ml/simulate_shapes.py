"""The shapes of a simulated cell: each tells its density and its label at any point. Lengths in voxels of 10 Å.

Protein and lipid have densities near 1, ice has 0, so that grey values alone do not tell the features apart.
Points are three arrays (z, y, x) that broadcast to the box asked for; a shape answers for that box only, so
that a cell is painted slab by slab.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Vector = tuple[float, float, float]  # (z, y, x)
Points = tuple[Floats, Floats, Floats]
Corners = tuple[tuple[float, float, float], tuple[float, float, float]]

MEMBRANE, MICROTUBULE, RIBOSOME, CARBON, GOLD = "membrane", "microtubule", "ribosome", "carbon", "gold"
FEATURES = (MEMBRANE, MICROTUBULE, RIBOSOME, CARBON, GOLD)

LEAFLET = 1.9  # from the bilayer's middle to its heads: 38 Å from heads to heads
MEMBRANE_HALF = 3.0  # what a person paints: heads and all
SEEN = 0.85  # |z| of a surface's unit normal beyond which tilts up to 60° hardly show it, so that nobody paints it
WALL_RADIUS, WALL_SIGMA = 10.6, 1.5  # of 13 protofilaments: 25 nm outside
WALL_INNER, WALL_OUTER = 8.0, 13.0
PROTOFILAMENTS, MONOMER = 13, 4.0
RIBOSOME_RADIUS = 12.5
BEAD_DENSITY = 7.0
CARBON_DENSITY, CARBON_GRAIN = 0.75, 0.55


class Shape(Protocol):
    """One object of the cell."""

    @property
    def feature(self) -> str:
        """The feature that it belongs to; "" for what nobody annotates."""

    def boxes(self) -> Iterator[Corners]:
        """Corners (low, high) in (z, y, x) of disjoint boxes that hold it; more than one for long objects."""

    def at(self, points: Points) -> tuple[Floats, Bools]:
        """Density and label at points, both [z, y, x]."""


def bilayer(distance: Floats) -> Floats:
    """Density of a lipid bilayer at a distance from its middle: two rows of heads, tails lighter than water."""
    heads = np.exp(-0.5 * ((np.abs(distance) - LEAFLET) / 0.85) ** 2)
    return np.asarray(1.05 * heads - 0.15 * np.exp(-0.5 * (distance / 0.8) ** 2), np.float32)


@dataclass(frozen=True)
class Vesicle:
    """A closed bilayer around `centre`, a sphere of `radius` dented by `bend` (3 × 3, small) and a wave."""

    centre: Vector
    radius: float
    bend: NDArray[np.float64]
    wave: tuple[float, float]  # height as a part of the radius, phase
    feature: str = MEMBRANE

    def boxes(self) -> Iterator[Corners]:
        reach = 1.35 * self.radius + 6
        yield _around(self.centre, reach)

    def at(self, points: Points) -> tuple[Floats, Bools]:
        z, y, x = (axis - place for axis, place in zip(points, self.centre, strict=True))
        r = np.sqrt(z * z + y * y + x * x) + np.float32(1e-3)
        u = (z / r, y / r, x / r)
        dent = sum(float(self.bend[i, j]) * u[i] * u[j] for i in range(3) for j in range(3))
        height, phase = self.wave
        ripple = height * np.sin(3 * np.arctan2(y, x) + phase) * (1 - u[0] ** 2)
        distance = np.asarray(r - self.radius * (1 + dent + ripple), np.float32)
        return bilayer(distance), (np.abs(distance) <= MEMBRANE_HALF) & (np.abs(u[0]) <= SEEN)


@dataclass(frozen=True)
class Sheet:
    """The cell's own membrane: a wavy sheet across the field, upright but for a slant along z.

    normal: (y, x), a unit vector pointing out of the cell. offset: where the sheet crosses it, from `middle`.
    waves: (height, length, phase) each, along the sheet.
    """

    middle: Vector
    normal: tuple[float, float]
    offset: float
    waves: tuple[tuple[float, float, float], ...]
    slant: float
    shape: tuple[int, int, int]
    feature: str = MEMBRANE

    def outside(self, points: Points) -> Floats:
        """Distance from the sheet, positive outside the cell."""
        z, y, x = (axis - place for axis, place in zip(points, self.middle, strict=True))
        along = y * self.normal[1] - x * self.normal[0]
        height = self.offset + self.slant * z
        steep: Floats | float = 0.0
        for size, length, phase in self.waves:
            turn = along * (2 * np.pi / length) + phase + 0.02 * z
            height = height + size * np.sin(turn)
            steep = steep + size * 2 * np.pi / length * np.cos(turn)
        straight = y * self.normal[0] + x * self.normal[1] - height
        return np.asarray(straight / np.sqrt(1 + steep**2 + self.slant**2), np.float32)

    def boxes(self) -> Iterator[Corners]:
        yield (0.0, 0.0, 0.0), self.shape

    def at(self, points: Points) -> tuple[Floats, Bools]:
        distance = self.outside(points)
        return bilayer(distance), np.abs(distance) <= MEMBRANE_HALF


@dataclass(frozen=True)
class Microtubule:
    """A hollow tube of 13 protofilaments along `axis` (a unit vector) through `start`, bent a little sideways."""

    start: Vector
    axis: Vector
    side: Vector  # a unit vector across the axis, into which it bends
    bend: float  # 1 / voxels
    length: float
    turn: float
    feature: str = MICROTUBULE
    step: float = 24.0

    def middle(self, along: NDArray[np.float64] | Floats) -> tuple[NDArray[np.float64], ...]:
        """(z, y, x) of the axis at a distance from its middle."""
        parts = zip(self.start, self.axis, self.side, strict=True)
        z, y, x = (np.asarray(s + along * a + self.bend * along**2 * b) for s, a, b in parts)
        return z, y, x

    def boxes(self) -> Iterator[Corners]:
        edges = np.arange(-self.length / 2, self.length / 2, self.step)
        for first in edges:
            ends = self.middle(np.array([first, first + self.step]))
            low = tuple(float(axis.min()) - 17 for axis in ends)
            high = tuple(float(axis.max()) + 17 for axis in ends)
            yield (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def at(self, points: Points) -> tuple[Floats, Bools]:
        offsets = [axis - place for axis, place in zip(points, self.start, strict=True)]
        along = sum(offset * part for offset, part in zip(offsets, self.axis, strict=True))
        across = np.cross(self.axis, self.side)
        sideways = sum(o * s for o, s in zip(offsets, self.side, strict=True)) - self.bend * along**2
        upwards = sum(o * s for o, s in zip(offsets, across.tolist(), strict=True))
        r = np.sqrt(sideways**2 + upwards**2)
        phi = np.arctan2(upwards, sideways) + self.turn
        inside = np.abs(along) <= self.length / 2
        seen = np.abs(sideways * self.side[0] + upwards * across[0]) <= SEEN * r
        grain = 1 + 0.35 * np.cos(PROTOFILAMENTS * phi) + 0.15 * np.cos(2 * np.pi / MONOMER * along + phi * 3)
        wall = np.exp(-0.5 * ((r - WALL_RADIUS) / WALL_SIGMA) ** 2) * grain * inside
        return np.asarray(wall, np.float32), inside & seen & (r >= WALL_INNER) & (r <= WALL_OUTER)


@dataclass(frozen=True)
class Blobs:
    """Round blobs: a ribosome, a protein of the cytosol. rows: (z, y, x, sigma, density) each, from the centre."""

    centre: Vector
    rows: NDArray[np.float64]
    feature: str = ""
    level: float = 0.35  # what counts as inside

    def boxes(self) -> Iterator[Corners]:
        reach = float(np.max(np.abs(self.rows[:, :3]) + 3 * self.rows[:, 3:4]))
        yield _around(self.centre, reach)

    def at(self, points: Points) -> tuple[Floats, Bools]:
        z, y, x = (axis - place for axis, place in zip(points, self.centre, strict=True))
        total: Floats | float = 0.0
        for dz, dy, dx, sigma, density in self.rows.astype(np.float32):
            scale = np.float32(-0.5) / sigma**2
            total = total + density * (
                np.exp(scale * (z - dz) ** 2) * np.exp(scale * (y - dy) ** 2) * np.exp(scale * (x - dx) ** 2)
            )
        dense = np.asarray(total, np.float32)
        return np.minimum(dense, np.float32(1.3)), dense >= self.level


@dataclass(frozen=True)
class Filament:
    """A thin filament as of actin, 7 nm across: nobody annotates it, but it looks like a membrane cut across."""

    start: Vector
    axis: Vector
    length: float
    feature: str = ""
    step: float = 24.0

    def boxes(self) -> Iterator[Corners]:
        for first in np.arange(-self.length / 2, self.length / 2, self.step):
            ends = [[s + t * a for s, a in zip(self.start, self.axis, strict=True)] for t in (first, first + self.step)]
            low, high = np.min(ends, axis=0) - 9, np.max(ends, axis=0) + 9
            yield (low[0], low[1], low[2]), (high[0], high[1], high[2])

    def at(self, points: Points) -> tuple[Floats, Bools]:
        offsets = [axis - place for axis, place in zip(points, self.start, strict=True)]
        along = sum(offset * part for offset, part in zip(offsets, self.axis, strict=True))
        square = sum(offset**2 for offset in offsets) - along**2
        inside = np.abs(along) <= self.length / 2
        dense = 1.1 * np.exp(-0.5 * square / 1.9**2) * (1 + 0.3 * np.cos(along * 2 * np.pi / 5.5)) * inside
        return np.asarray(dense, np.float32), inside & (square < 9.0)


@dataclass(frozen=True)
class Carbon:
    """The rim of a hole in the carbon film: everything further than `radius` from `hole` (y, x), `low` ≤ z < `high`.

    The film is amorphous: its grain is drawn anew for each z slice, from `seed`.
    """

    hole: tuple[float, float]
    radius: float
    low: float
    high: float
    shape: tuple[int, int, int]
    seed: int
    feature: str = CARBON

    def boxes(self) -> Iterator[Corners]:
        yield (self.low, 0.0, 0.0), (self.high, float(self.shape[1]), float(self.shape[2]))

    def beyond(self, points: Points) -> Floats:
        """Distance beyond the ragged rim, positive on the film."""
        y, x = points[1] - self.hole[0], points[2] - self.hole[1]
        angle = np.arctan2(y, x)
        ragged = 1.5 * np.sin(angle * 31) + 1.2 * np.sin(angle * 73 + 1)
        return np.asarray(np.hypot(y, x) - self.radius + ragged, np.float32)

    def at(self, points: Points) -> tuple[Floats, Bools]:
        film = np.broadcast_to(self.beyond(points) > 0, np.broadcast_shapes(*(axis.shape for axis in points)))
        film = film & (points[0] >= self.low) & (points[0] < self.high)
        grain = np.empty(film.shape, np.float32)
        for index, z in enumerate(points[0].ravel().astype(int)):
            rng = np.random.default_rng((self.seed, int(z)))
            plane = rng.standard_normal(self.shape[1:], np.float32)
            y, x = points[1].ravel().astype(int), points[2].ravel().astype(int)
            grain[index] = plane[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        return np.asarray(film * (CARBON_DENSITY + CARBON_GRAIN * grain), np.float32), film


@dataclass(frozen=True)
class Bead:
    """A gold bead, 10 nm across and far denser than the cell."""

    centre: Vector
    radius: float = 5.0
    feature: str = GOLD

    def boxes(self) -> Iterator[Corners]:
        yield _around(self.centre, self.radius + 3)

    def at(self, points: Points) -> tuple[Floats, Bools]:
        z, y, x = (axis - place for axis, place in zip(points, self.centre, strict=True))
        r = np.sqrt(z * z + y * y + x * x)
        ball = np.clip(self.radius + 0.5 - r, 0, 1)  # voxels on the rim are partly gold
        return np.asarray(BEAD_DENSITY * ball, np.float32), np.asarray(r <= self.radius + 0.5)


def _around(centre: Vector, reach: float) -> Corners:
    z, y, x = centre
    return (z - reach, y - reach, x - reach), (z + reach, y + reach, x + reach)
