"""Solid bodies of known size, turned against the voxels, for tests of measuring."""

import numpy as np
from scipy.spatial.transform import Rotation

SIDE = 72


def coordinates(seed=None, side=SIDE):
    """Coordinates of all voxels, (n, 3), around a point near the middle; turned at random where a seed is given."""
    centre = (side - 1) / 2 - np.array([0.13, 0.27, 0.41])
    around = np.indices((side,) * 3).reshape(3, -1).T - centre
    return around if seed is None else around @ Rotation.random(random_state=seed).as_matrix()


def as_volume(inside):
    side = round(len(inside) ** (1 / 3))
    return inside.reshape((side,) * 3).astype(np.int8)


def ball(radius):
    return as_volume((coordinates() ** 2).sum(1) < radius**2)


def cylinder(radius, length, seed=None):
    z, y, x = coordinates(seed).T
    return as_volume((np.hypot(y, x) < radius) & (abs(z) < length / 2))


def tube(radius, wall, length, seed=None):
    z, y, x = coordinates(seed).T
    across = np.hypot(y, x)
    return as_volume((abs(across - radius) < wall / 2) & (abs(z) < length / 2))


def plate(thickness, width, seed=None):
    z, y, x = coordinates(seed).T
    return as_volume((abs(z) < thickness / 2) & (abs(y) < width / 2) & (abs(x) < width / 2))


def bow(radius, thickness, angle, seed=None):
    """A bent rod: `angle` radians of a ring."""
    z, y, x = coordinates(seed).T
    return as_volume((np.hypot(np.hypot(x, y) - radius, z) < thickness) & (abs(np.arctan2(y, x)) < angle / 2))
