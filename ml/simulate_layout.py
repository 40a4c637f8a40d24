"""Where the objects of a simulated cell lie: at random, but never inside each other."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ml.simulate_phantom import Cell
from ml.simulate_shapes import (
    RIBOSOME,
    RIBOSOME_RADIUS,
    Bead,
    Blobs,
    Carbon,
    Filament,
    Microtubule,
    Points,
    Shape,
    Sheet,
    Vector,
    Vesicle,
)

USUAL_FIELD = 48 * 256 * 256  # voxels, for which the numbers in `_turns` are meant
PROTEINS_PER_VOXEL = 1 / 1300
TRIES = 100  # for each object, before the cell is called full


class _Room:
    """Where there is still room: objects already placed, as balls (z, y, x, radius)."""

    def __init__(self) -> None:
        self._balls = np.empty((0, 4))

    def fits(self, balls: NDArray[np.float64]) -> bool:
        """True if none of the balls meets one that was taken."""
        margin = balls[:, 3].max(initial=0) + self._balls[:, 3]
        near = np.ones(len(self._balls), bool)
        for axis in range(3):  # most objects are far away: do not pair them all
            near &= self._balls[:, axis] + margin > balls[:, axis].min()
            near &= self._balls[:, axis] - margin < balls[:, axis].max()
        others = self._balls[near]
        apart = balls[:, None, :3] - others[None, :, :3]
        reach = balls[:, None, 3] + others[None, :, 3]
        return not bool(np.any(np.sum(apart**2, axis=2) < reach**2))

    def take(self, balls: NDArray[np.float64]) -> None:
        """Let nothing else in here."""
        self._balls = np.vstack([self._balls, balls])


class _Builder:
    """Puts objects into the field one kind after the other, the same for the same seed."""

    def __init__(self, shape: tuple[int, int, int], seed: int) -> None:
        self.shape, self.seed = shape, seed
        self.rng = np.random.default_rng(seed)
        self.room = _Room()
        self.objects: list[Shape] = []
        self.ribosome = _ribosome_rows()
        self.middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2, (shape[2] - 1) / 2)
        self.sheet, self.carbon = self._edge_of_the_cell()

    def number(self, usual: int) -> int:
        """As many per voxel as in the usual field, and at least one."""
        return max(1, round(usual * math.prod(self.shape) / USUAL_FIELD))

    def add(self, shape: Shape, balls: NDArray[np.float64]) -> bool:
        """Place `shape` if there is room and it lies inside the cell."""
        if not self.room.fits(balls):
            return False
        self.room.take(balls)
        self.objects.append(shape)
        return True

    def in_cell(self, balls: NDArray[np.float64]) -> bool:
        """True if all balls lie on the cell's side of its membrane."""
        outside = self.sheet.outside(_points_of(balls))
        return bool(np.all(outside + balls[:, 3] < -3))

    def somewhere(self, margin: float = 0.0) -> Vector:
        """A random place, at least `margin` from the field's borders where that leaves any."""
        edge = [min(margin, (size - 1) / 2) for size in self.shape]
        z, y, x = (float(self.rng.uniform(e, size - 1 - e)) for e, size in zip(edge, self.shape, strict=True))
        return z, y, x

    def _edge_of_the_cell(self) -> tuple[Sheet, Carbon]:
        """The membrane that cuts a corner off, and the carbon film beyond it, in that corner."""
        rng, (depth, height, width) = self.rng, self.shape
        corner = rng.choice((-1, 1), 2)
        angle = rng.uniform(25, 65) * math.pi / 180
        normal = (float(corner[0] * math.sin(angle)), float(corner[1] * math.cos(angle)))
        reach = abs(normal[0]) * height / 2 + abs(normal[1]) * width / 2
        size = min(height, width)
        waves = tuple(
            (size * part * rng.uniform(0.6, 1), size * length, rng.uniform(0, 6.28))
            for part, length in ((0.04, 0.75), (0.015, 0.27))
        )
        sheet = Sheet(self.middle, normal, reach * 0.28, waves, float(rng.uniform(-0.15, 0.15)), self.shape)
        radius = 1.6 * size
        back = radius - 0.66 * reach
        hole = (self.middle[1] - normal[0] * back, self.middle[2] - normal[1] * back)
        thick = min(26.0, 0.6 * depth)
        low = round((depth - thick) / 2 + rng.uniform(-0.1, 0.1) * depth)
        carbon = Carbon(hole, radius, float(max(low, 0)), low + thick, self.shape, self.seed)
        self.objects += [sheet, carbon]
        self.room.take(self._balls_on(sheet))
        return sheet, carbon

    def _balls_on(self, sheet: Sheet) -> NDArray[np.float64]:
        grids = np.meshgrid(*(np.arange(0, size, 5) for size in self.shape), indexing="ij")
        places = np.stack([grid.ravel().astype(np.float64) for grid in grids], axis=1)
        near = np.abs(sheet.outside((places[:, 0], places[:, 1], places[:, 2]))) < 4  # type: ignore[arg-type]
        return np.column_stack([places[near], np.full(int(near.sum()), 5.0)])


def build_cell(shape: tuple[int, int, int], seed: int) -> Cell:
    """A cell in a field of `shape` [z, y, x], crowded as the usual field is; the same for the same seed."""
    builder = _Builder(shape, seed)
    for place, usual in _turns():
        for _ in range(builder.number(usual)):
            any(place(builder) for _ in range(TRIES))
    builder.objects += _proteins(builder)
    return Cell(shape, tuple(builder.objects))


def _turns() -> tuple[tuple[Callable[[_Builder], bool], int], ...]:
    """Who comes when, and how many of them: large ones first, but each kind before the cell is full."""
    return (
        (_lying_microtubule, 3),
        (_ribosome, 8),
        (_large_vesicle, 2),
        (_lying_microtubule, 3),
        (_standing_microtubule, 2),
        (_vesicle, 5),
        (_filament, 6),
        (_bead, 9),
        (_ribosome, 36),
    )


def _lying_microtubule(builder: _Builder) -> bool:
    """A tube along the slices, in any direction."""
    return _microtubule(builder, float(builder.rng.uniform(-14, 14)))


def _standing_microtubule(builder: _Builder) -> bool:
    """A tube that slices cut across, into rings."""
    return _microtubule(builder, float(builder.rng.uniform(55, 80)))


def _microtubule(builder: _Builder, rise: float) -> bool:
    rng = builder.rng
    axis = _direction(float(rng.uniform(0, 360)), rise)
    side = _unit((-axis[0] * axis[1], 1 - axis[1] ** 2, -axis[2] * axis[1]))
    length = float(rng.uniform(0.45, 0.95) * min(builder.shape[1:]))
    bend, turn = float(rng.uniform(-4e-4, 4e-4)), float(rng.uniform(0, 2 * math.pi))
    tube = Microtubule(builder.somewhere(8), axis, side, bend, length, turn)
    along = np.arange(-length / 2, length / 2 + 1, 8.0)
    balls = np.column_stack([*tube.middle(along), np.full(along.size, 15.0)])
    return builder.in_cell(balls) and builder.add(tube, balls)


def _large_vesicle(builder: _Builder) -> bool:
    return _closed_membrane(builder, 24, 36)


def _vesicle(builder: _Builder) -> bool:
    return _closed_membrane(builder, 14, 24)


def _closed_membrane(builder: _Builder, smallest: float, largest: float) -> bool:
    rng = builder.rng
    radius = float(min(rng.uniform(smallest, largest), min(builder.shape[1:]) / 5))
    bend = rng.normal(0, 0.1, (3, 3))
    bend = (bend + bend.T) / 2 - np.eye(3) * np.trace(bend) / 3
    wave = (float(rng.uniform(0, 0.07)), float(rng.uniform(0, 2 * math.pi)))
    vesicle = Vesicle(builder.somewhere(4), radius, bend, wave)
    balls = np.array([[*vesicle.centre, 1.15 * radius + 3]])
    return builder.in_cell(balls) and builder.add(vesicle, balls)


def _filament(builder: _Builder) -> bool:
    rng = builder.rng
    axis = _direction(float(rng.uniform(0, 360)), float(rng.uniform(-10, 10)))
    length = float(rng.uniform(0.2, 0.6) * min(builder.shape[1:]))
    filament = Filament(builder.somewhere(4), axis, length)
    along = np.arange(-length / 2, length / 2 + 1, 5.0)
    places = np.asarray(filament.start) + along[:, None] * np.asarray(axis)
    balls = np.column_stack([places, np.full(along.size, 4.0)])
    return builder.in_cell(balls) and builder.add(filament, balls)


def _bead(builder: _Builder) -> bool:
    """A gold bead, more often outside the cell than in it."""
    bead = Bead(builder.somewhere(5))
    balls = np.array([[*bead.centre, 8.0]])
    if builder.in_cell(balls) and builder.rng.random() < 0.7:
        return False
    return builder.add(bead, balls)


def _ribosome(builder: _Builder) -> bool:
    centre = builder.somewhere(3)
    balls = np.array([[*centre, RIBOSOME_RADIUS]])
    if not builder.in_cell(balls):
        return False
    rows = builder.ribosome.copy()
    rows[:, :3] = rows[:, :3] @ _rotation(builder.rng).T
    return builder.add(Blobs(centre, rows, RIBOSOME), balls)


def _ribosome_rows() -> NDArray[np.float64]:
    """Two subunits of blobs, the same in every cell, as ribosomes are; (z, y, x, sigma, density) each."""
    rng = np.random.default_rng(80)
    rows = []
    for middle, radii, number in (((0, -3.2, 0), (9, 6, 9), 22), ((0, 6.0, 0), (8, 4, 6), 12)):
        inside = [p for p in rng.uniform(-1, 1, (400, 3)) if np.sum(p**2) <= 1][:number]
        rows += [[*(np.array(middle) + np.array(radii) * p), rng.uniform(1.7, 2.6), 0.75] for p in inside]
    return np.array(rows)


def _proteins(builder: _Builder) -> list[Shape]:
    """The crowd of the cytosol: small proteins of one to four blobs, anywhere in the cell."""
    rng, shape = builder.rng, builder.shape
    number = int(PROTEINS_PER_VOXEL * math.prod(shape))
    places = rng.uniform(0, 1, (number, 3)) * shape
    inside = builder.sheet.outside(_points_of(places)) < -4
    proteins: list[Shape] = []
    for z, y, x in places[inside]:
        blobs = int(rng.integers(1, 5))
        rows = np.column_stack(
            [rng.normal(0, 2.2, (blobs, 3)), rng.uniform(1.2, 2.2, blobs), rng.uniform(0.5, 1.1, blobs)]
        )
        proteins.append(Blobs((float(z), float(y), float(x)), rows))
    return proteins


def _points_of(rows: NDArray[np.float64]) -> Points:
    z, y, x = rows[:, :3].astype(np.float32).T
    return z, y, x


def _direction(turn: float, rise: float) -> Vector:
    """Unit vector (z, y, x): `turn` degrees from x towards y, `rise` degrees out of the slice."""
    flat = math.cos(math.radians(rise))
    return (
        math.sin(math.radians(rise)),
        flat * math.sin(math.radians(turn)),
        flat * math.cos(math.radians(turn)),
    )


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(part * part for part in vector))
    if length < 1e-6:
        return 0.0, 0.0, 1.0
    return vector[0] / length, vector[1] / length, vector[2] / length


def _rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random rotation, 3 × 3, every orientation as likely as any other."""
    w, x, y, z = rng.normal(size=4)
    quaternion = np.array([w, x, y, z])
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
