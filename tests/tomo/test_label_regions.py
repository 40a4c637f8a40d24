"""Where a prediction is taken: in a box, inside an outline, and only where the network has looked."""

import numpy as np
import pytest

from tomo.boxes import Box
from tomo.label_edit import inside_box, inside_polygon, label_of_map


def test_an_outline_holds_the_voxels_whose_middles_it_encloses():
    found = inside_polygon(np.array([(1, 1), (5, 1), (5, 4), (1, 4)]), (6, 8))
    expected = np.zeros((6, 8), bool)
    expected[1:4, 1:5] = True
    assert (found == expected).all()


def test_an_outline_may_reach_over_the_slice_and_run_either_way_round():
    corner = np.array([(-3.0, -3.0), (5.5, -3.0), (-3.0, 5.5)])  # x + y < 2.5
    expected = np.zeros((5, 7), bool)
    expected[0, :2] = expected[1, 0] = True
    for points in (corner, corner[::-1]):
        assert (inside_polygon(points, (5, 7)) == expected).all()


def test_a_hollow_outline_leaves_its_bay_out():
    bay = np.array([(0, 0), (8, 0), (8, 6), (6, 6), (6, 2), (2, 2), (2, 6), (0, 6)])
    found = inside_polygon(bay, (6, 8))
    assert found[0:2].all() and found[:, 0:2].all() and found[:, 6:8].all()
    assert not found[2:, 2:6].any()


@pytest.mark.parametrize("points", [[], [(1, 1)], [(1, 1), (5, 5)]])
def test_less_than_a_triangle_encloses_nothing(points):
    assert not inside_polygon(np.array(points).reshape(-1, 2), (6, 8)).any()


@pytest.mark.parametrize(
    ("centre", "rows", "columns"),
    [
        ((4, 3, 0), slice(1, 5), slice(2, 6)),
        ((0, 0, 0), slice(0, 2), slice(0, 2)),
        ((7, 5, 0), slice(3, 6), slice(5, 8)),
    ],
)
def test_a_box_covers_its_voxels_also_at_the_border(centre, rows, columns):
    expected = np.zeros((6, 8), bool)
    expected[rows, columns] = True
    assert (inside_box((6, 8), Box("cell", "bar", "positive", centre, 4)) == expected).all()


def test_a_map_is_taken_only_where_it_is_wanted_and_known():
    label = np.array([[1, 1, 2, 0, 1]], np.int8)
    found = np.array([[0.1, np.nan, 0.9, 0.9, 0.9]], np.float32)
    where = np.array([[True, True, True, True, False]])
    assert label_of_map(found, 0.5, label, where).tolist() == [[0, 1, 2, 1, 1]]
    assert label_of_map(found, 0.5, label).tolist() == [[0, 1, 2, 1, 1]]
    assert label_of_map(found, 0.9, label).tolist() == [[0, 1, 2, 0, 0]]
