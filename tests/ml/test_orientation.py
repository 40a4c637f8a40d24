"""Turning an IMOD tomogram about x keeps its hand and its place."""

from pathlib import Path

import numpy as np
import pytest

from ml.orientation import rotate_about_x, thin_along_y
from tomo.geometry import Geometry
from tomo.mrc import Tomogram


def corner_object():
    """A volume [z=7, y=5, x=11], one bright voxel at x=1, y=0, z=2."""
    volume = np.zeros((7, 5, 11), np.int16)
    volume[2, 0, 1] = 9
    return volume


def turned(volume, geometry):
    return rotate_about_x(Tomogram(Path("cell.rec"), volume, geometry, []))


def test_only_a_volume_clearly_thinnest_along_y_counts_as_not_turned():
    assert thin_along_y((400, 100, 500))
    assert not thin_along_y((100, 400, 500))
    assert not thin_along_y((100, 95, 100))


def test_old_y_becomes_the_depth_from_its_far_end_as_trimvol_rx_does():
    result = turned(corner_object(), Geometry())
    assert result.shape == (5, 7, 11)
    assert result.data[4, 2, 1] == 9  # z = ny - 1 - y = 4, y = old z = 2, x stays


def test_the_hand_is_kept():
    """Three marks along the axes from a corner: the determinant of their directions keeps its sign."""
    volume = np.zeros((7, 5, 11), np.int16)
    for value, (z, y, x) in enumerate([(1, 1, 1), (1, 1, 8), (1, 3, 1), (5, 1, 1)], 1):
        volume[z, y, x] = value
    marks = [np.argwhere(turned(volume, Geometry()).data == value)[0][::-1] for value in (1, 2, 3, 4)]
    assert np.linalg.det([mark - marks[0] for mark in marks[1:]]) > 0


def test_voxel_size_and_place_turn_along():
    geometry = turned(corner_object(), Geometry((2.0, 3.0, 4.0), (10.0, 20.0, 30.0))).geometry
    assert geometry.voxel_size == (2.0, 4.0, 3.0)
    assert geometry.origin == (10.0, 30.0, -(20.0 + 5 * 3.0))


def test_each_point_turns_about_the_worlds_x_axis():
    """The bright voxel's centre, in Å: (x, y, z) before is (x, z, -y) after."""
    before = Geometry((2.0, 2.0, 2.0), nstart=(3, 4, 5))
    after = turned(corner_object(), before).geometry
    old = [place + 2.0 * (index + 0.5) for place, index in zip(before.place, (1, 0, 2), strict=True)]
    new = [place + 2.0 * (index + 0.5) for place, index in zip(after.place, (1, 2, 4), strict=True)]
    assert new == pytest.approx([old[0], old[2], -old[1]])


def test_a_place_that_was_never_set_stays_unset():
    assert turned(corner_object(), Geometry((2.0, 2.0, 2.0))).geometry.place == (0, 0, 0)
