"""Slices come with their neighbours, from groups that do not depend on where a run begins."""

import numpy as np
import pytest

from ml.neighbours import Neighbours


class Counting:
    """A volume whose slice z is full of z; it notes which groups were computed."""

    shape = (7, 2, 3)

    def __init__(self):
        self.asked = []

    def slab(self, z0, z1):
        self.asked.append((z0, z1))
        return np.broadcast_to(np.arange(z0, z1, dtype=np.float32)[:, None, None], (z1 - z0, 2, 3))


def numbers(slices):
    return [int(plane[0, 0]) for plane in slices]


@pytest.mark.parametrize("depth", [1, 2, 3, 7, 12])
def test_the_neighbours_beyond_the_ends_are_the_end_slices(depth):
    neighbours = Neighbours(Counting(), depth, 5)
    found = [numbers(neighbours.slices(z, z + 1)) for z in range(7)]
    assert found[0] == [0, 0, 0, 1, 2]
    assert found[3] == [1, 2, 3, 4, 5]
    assert found[6] == [4, 5, 6, 6, 6]


def test_each_group_is_computed_once_and_then_forgotten():
    volume = Counting()
    neighbours = Neighbours(volume, 2, 3)
    for z in range(0, 7, 2):
        neighbours.slices(z, min(z + 2, 7))
        assert len(neighbours._groups) <= 3
    assert volume.asked == [(0, 2), (2, 4), (4, 6), (6, 7)]


def test_a_run_that_begins_later_computes_the_same_groups():
    first, later = Counting(), Counting()
    whole, rest = Neighbours(first, 3, 5), Neighbours(later, 3, 5)
    for z in range(0, 7, 3):
        whole.slices(z, min(z + 3, 7))
    rest.slices(3, 6)
    assert set(later.asked) <= set(first.asked)


def test_a_2d_network_gets_the_slices_alone():
    assert numbers(Neighbours(Counting(), 3, 1).slices(2, 5)) == [2, 3, 4]
