"""Fill, flood, copy, interpolate: small labels whose answer can be drawn."""

import numpy as np
import pytest

from tomo import label_edit


def drawn(*rows: str) -> np.ndarray:
    """A label [y, x] from rows of text, '.' background, '#' feature, 'o' ignore; the first row is y = 0."""
    return np.array([[".#o".index(letter) for letter in row] for row in rows], np.int8)


def test_a_closed_contour_is_filled_and_an_open_one_is_not():
    label = drawn("######.....", "#....#.####", "#.o..#.#..#", "#....#.#..#", "######.#...")
    filled = label_edit.fill_contours(label)
    assert (filled == drawn("######.....", "######.####", "##o###.#..#", "######.#..#", "######.#...")).all()
    assert (label_edit.fill_contours(np.zeros((5, 7), np.int8)) == 0).all()


def test_a_contour_closed_over_corners_alone_counts_as_closed():
    assert label_edit.fill_contours(drawn(".#.", "#.#", ".#."))[1, 1] == 1


def test_connected_follows_a_winding_path_and_does_not_jump_over_row_ends():
    spiral = (
        drawn("#########", "........#", "#######.#", "#.....#.#", "#.###.#.#", "#.#...#.#", "#.#####.#", "#.......#")
        == 1
    )
    seed = np.zeros(spiral.shape, bool)
    seed[0, 0] = True
    rows = label_edit.connected(spiral, seed)
    assert rows[7, 8]
    assert not rows[2, 0] and not rows[4, 3]  # the inner part is another one
    two = drawn("..#", "#..") == 1  # neighbours in memory, not on the slice
    start = np.zeros((2, 3), bool)
    start[0, 2] = True
    assert np.count_nonzero(label_edit.connected(two, start)) == 1


def test_flood_takes_like_grey_connected_to_the_cursor_within_the_radius():
    grey = np.zeros((21, 31), np.float32)
    grey[3:8, 2:28] = 5.0
    grey[12:17, 2:28] = 5.0  # alike, but not connected
    taken = label_edit.flood(grey, 10, 5, radius=6, tolerance=2.0)
    assert taken[5, 10] and taken[5, 15]
    assert not taken[5, 17]  # 7 voxels away
    assert not taken[11:].any()
    assert set(np.flatnonzero(taken.any(axis=1))) <= set(range(3, 8))
    assert not label_edit.flood(grey, 40, 5, 6, 2.0).any()


def test_flood_at_the_edge_of_the_slice_stays_inside():
    taken = label_edit.flood(np.ones((5, 7), np.int8), 6, 0, radius=2.5, tolerance=0.5)
    assert taken[0, 6] and taken[2, 6] and taken[0, 4]
    assert not taken[3:].any()


def test_interpolation_moves_a_square_halfway():
    below, above = np.zeros((20, 40), np.int8), np.zeros((20, 40), np.int8)
    below[4:10, 4:10] = 1
    above[8:14, 6:12] = 1
    middle = label_edit.interpolate(below, above, 0.5)
    y, x = (np.mean(where) for where in np.nonzero(middle))
    assert (y, x) == pytest.approx((8.5, 7.5), abs=0.51)
    assert 20 <= np.count_nonzero(middle) <= 42
    assert (label_edit.interpolate(below, above, 0.0) == below).all()
    assert (label_edit.interpolate(below, above, 1.0) == above).all()


def test_interpolation_of_unequal_discs_gives_the_mean_radius():
    y, x = np.ogrid[:41, :53]
    discs = [((y - 20) ** 2 + (x - 25) ** 2 <= radius**2).astype(np.int8) for radius in (4, 12)]
    area = np.count_nonzero(label_edit.interpolate(*discs, 0.5))
    assert np.sqrt(area / np.pi) == pytest.approx(8, abs=0.7)


def test_distances_are_exact():
    mask = np.zeros((9, 13), bool)
    mask[2, 3] = mask[7, 11] = True
    y, x = np.mgrid[:9, :13]
    expected = np.minimum(np.hypot(y - 2, x - 3), np.hypot(y - 7, x - 11))
    np.testing.assert_allclose(label_edit._distance_to(mask), expected, rtol=1e-5)


def test_an_ignore_zone_is_interpolated_apart_and_survives_a_prediction():
    below, above = drawn("##.oo", "##.oo"), drawn("##...", "##...")
    assert (label_edit.interpolate(below, above, 0.5) == drawn("##...", "##...")).all()
    found = np.array([[0.2, 0.9, 0.9, 0.9, 0.1], [0.8, 0.81, 0.1, 0.0, 0.9]])
    assert (label_edit.label_of_map(found, 0.8, below) == drawn(".##oo", ".#.oo")).all()


def test_the_nearest_painted_slice_is_found_in_the_asked_direction():
    painted = [3, 8, 9, 20]
    assert label_edit.nearest_painted(painted, 9) == 8
    assert label_edit.nearest_painted(painted, 9, 1) == 20
    assert label_edit.nearest_painted(painted, 2, -1) is None
    assert label_edit.neighbours(painted, 12) == (9, 20)
    assert label_edit.neighbours(painted, 25) is None


def test_painting_over_leaves_the_rest():
    assert (label_edit.painted_over(drawn("#.o"), np.array([[False, True, True]]), 1) == drawn("###")).all()


def test_a_flood_that_goes_on_takes_the_grey_where_it_began():
    grey = np.zeros((9, 30), np.float32)
    grey[3:6, 2:28] = 5.0
    like = label_edit.grey_at(grey, 10, 4)
    assert like == 5.0
    assert label_edit.grey_at(grey, 0, 0) == 0.0, "also in the corner of the slice"
    beside = label_edit.flood(grey, 20, 0, radius=6, tolerance=1.0, like=like)
    assert not beside.any(), "the mouse strayed into the background: nothing is taken there"
    along = label_edit.flood(grey, 20, 4, radius=6, tolerance=1.0, like=like)
    assert along[4, 20] and not along[0].any()
