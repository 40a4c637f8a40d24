"""The next box lies where the network is unsure, away from the boxes that there are."""

import numpy as np
import pytest

from ml.live_next import entropy_of, looks_of, suggest
from tomo.boxes import POSITIVE, Box

SHAPE = (40, 200, 300)
NOBODY = np.zeros((0, 2), np.float32)


def box(x, y, z, size=32):
    return Box("cell", "ring", POSITIVE, (x, y, z), size)


class Volume:
    """Sure everywhere (2 %), but for some blocks (low, high) in [z, y, x]; greys are noise."""

    def __init__(self, *blocks, unsure=0.5):
        self.probability = np.full(SHAPE, 0.02, np.float32)
        for low, high in blocks:
            self.probability[tuple(slice(*ends) for ends in zip(low, high, strict=True))] = unsure
        self.greys = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
        self.pixels = 0

    def predict(self, z, part):
        x, y, width, height = part
        self.pixels += width * height
        inside = (z, slice(y, y + height), slice(x, x + width))
        return self.greys[inside], self.probability[inside]


def suggested(volume, boxes=(), looks=NOBODY, size=32, seed=0):
    return suggest(volume.predict, SHAPE, list(boxes), looks, size, np.random.default_rng(seed))


def overlaps(found, other):
    apart = np.abs(np.subtract(found.centre, other.centre))
    return max(apart[:2]) < (found.size + other.size) / 2 and apart[2] <= 8


def test_entropy_is_one_bit_where_nothing_is_known():
    values = entropy_of(np.array([0.5, 0.0, 1.0, 0.11, 0.89], np.float32))
    assert values == pytest.approx([1, 0, 0, 0.4999, 0.4999], abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_goes_where_the_network_is_unsure(seed):
    unsure = ((0, 120, 210), (40, 170, 270))  # one corner of all slices
    found = suggested(Volume(unsure), seed=seed)
    x, y, _ = found.centre
    assert 226 <= x <= 254
    assert 136 <= y <= 154
    assert found.entropy > 0.9
    assert found.distance is None


def test_it_keeps_off_the_boxes_that_there_are():
    volume = Volume(((0, 20, 20), (40, 60, 60)), ((0, 120, 210), (40, 170, 270)))
    boxes = [box(240, 145, z) for z in range(0, 40, 8)]
    found = suggested(volume, boxes)
    assert not any(overlaps(found, other) for other in boxes)
    assert max(found.centre[:2]) < 70  # the other unsure place
    assert found.distance > 100
    assert "voxels from the nearest box" in found.reason


def test_one_after_the_other_spread_out():
    volume, boxes = Volume(((0, 0, 0), (40, 200, 300))), []  # unsure everywhere
    for _ in range(8):
        found = suggested(volume, boxes)
        assert not any(overlaps(found, other) for other in boxes)
        boxes.append(box(*found.centre))
    centres = np.array([each.centre for each in boxes])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 1e9 * np.eye(8)
    assert apart.min() > 40
    assert np.ptp(centres[:, 2]) > 15


def test_of_two_places_it_takes_the_one_that_looks_new():
    volume = Volume(((0, 30, 30), (40, 90, 90)), ((0, 110, 210), (40, 170, 270)))
    volume.greys[:, 110:170, 210:270] += 4.0
    dark, bright = (looks_of(volume.greys[:3, y : y + 32, x : x + 32]) for y, x in ((44, 44), (124, 224)))
    assert suggested(volume, looks=bright).centre[0] < 100
    assert suggested(volume, looks=dark).centre[0] > 200


def test_the_box_lies_inside_and_the_cost_is_bounded():
    volume = Volume(((0, 0, 0), (40, 8, 8)))  # unsure only where no box fits around it
    found = suggested(volume, size=64)
    x, y, z = found.centre
    assert 32 <= x <= 268
    assert 32 <= y <= 168
    assert 0 <= z < 40
    assert volume.pixels <= 1.2e6


def test_where_every_place_is_taken_there_is_none():
    covered = [box(150, 100, z, size=400) for z in range(0, 40, 8)]
    assert suggested(Volume(), covered) is None
