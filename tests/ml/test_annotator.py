"""Boxes drawn from a label volume, as a patient annotator would place them."""

import numpy as np
import pytest

from ml.annotator import draw_boxes, feature_per_place, spread
from tomo.boxes import NEGATIVE, POSITIVE
from tomo.errors import TomosegError

SHAPE = (9, 83, 101)


def labels_with_a_corner_object():
    labels = np.zeros(SHAPE, np.int8)
    labels[2:7, 60:80, 75:99] = 1
    return labels


def held(labels, box):
    x, y = box.corner
    return np.count_nonzero(labels[box.centre[2], y : y + box.size, x : x + box.size])


def test_positive_boxes_hold_three_per_cent_and_negative_ones_none():
    labels = labels_with_a_corner_object()
    boxes = draw_boxes(labels, 10, 100, size=20, tomogram="cell", feature="membrane")
    positive = [box for box in boxes if box.kind == POSITIVE]
    negative = [box for box in boxes if box.kind == NEGATIVE]
    assert (len(positive), len(negative)) == (10, 100)
    assert min(held(labels, box) for box in positive) >= 0.03 * 400
    assert max(held(labels, box) for box in negative) == 0
    assert all(box.lies_in(SHAPE) and (box.tomogram, box.feature) == ("cell", "membrane") for box in boxes)


def test_one_seed_gives_one_list_and_another_seed_another():
    labels = labels_with_a_corner_object()
    assert draw_boxes(labels, size=20, seed=3) == draw_boxes(labels, size=20, seed=3)
    assert draw_boxes(labels, size=20, seed=3) != draw_boxes(labels, size=20, seed=4)


def test_no_box_repeats_and_boxes_are_spread_over_all_slices():
    boxes = draw_boxes(labels_with_a_corner_object(), 10, 100, size=20)
    assert len({(box.kind, box.centre) for box in boxes}) == len({box.id for box in boxes}) == 110
    assert {box.centre[2] for box in boxes if box.kind == POSITIVE} == {2, 3, 4, 5, 6}
    per_slice = np.bincount([box.centre[2] for box in boxes if box.kind == NEGATIVE])
    assert per_slice.min() == 11
    assert per_slice.max() == 12


def test_fewer_boxes_come_back_where_there_are_not_enough_places():
    labels = np.zeros((2, 5, 7), np.int8)
    labels[1] = 5
    boxes = draw_boxes(labels, positives=50, negatives=50, size=4)
    assert sorted(box.kind for box in boxes) == [NEGATIVE] * 8 + [POSITIVE] * 8  # 2 × 4 corners on each slice


def test_features_of_two_names_get_boxes_of_different_ids():
    labels = labels_with_a_corner_object()
    one = {box.id for box in draw_boxes(labels, size=20, feature="membrane")}
    other = {box.id for box in draw_boxes(labels, size=20, feature="actin")}
    assert not one & other


@pytest.mark.parametrize("dtype", [np.bool_, np.uint16, np.float32])
def test_any_value_other_than_zero_is_the_feature(dtype):
    labels = (labels_with_a_corner_object() * 3).astype(dtype)
    assert draw_boxes(labels, size=20) == draw_boxes(labels_with_a_corner_object(), size=20)


def test_not_a_number_is_not_the_feature():
    labels = labels_with_a_corner_object().astype(np.float32)
    labels[0] = np.nan
    assert all(box.centre[2] != 0 for box in draw_boxes(labels, size=20) if box.kind == POSITIVE)


def test_a_memory_map_gives_the_same_boxes_as_an_array(tmp_path):
    labels = labels_with_a_corner_object()
    np.save(tmp_path / "labels.npy", labels)
    mapped = np.load(tmp_path / "labels.npy", mmap_mode="r")
    assert draw_boxes(mapped, size=20) == draw_boxes(labels, size=20)


def test_the_integral_image_counts_what_a_loop_counts():
    plane = np.random.default_rng(1).random((11, 8)) > 0.6
    counted = [[plane[y : y + 3, x : x + 3].sum() for x in range(6)] for y in range(9)]
    np.testing.assert_array_equal(feature_per_place(plane, 3), counted)


def test_slices_take_turns_until_they_are_full():
    share = spread(np.array([0, 1, 9, 9]), 7, np.random.default_rng(0))
    np.testing.assert_array_equal(share, [0, 1, 3, 3])
    assert spread(np.array([2, 0, 1]), 9, np.random.default_rng(0)).tolist() == [2, 0, 1]


def test_a_box_larger_than_the_tomogram_is_one_sentence():
    with pytest.raises(TomosegError, match=r"64 voxels is larger .* 40 × 90 .* at most 40"):
        draw_boxes(np.ones((5, 40, 90), np.int8))


def test_a_volume_without_label_is_one_sentence():
    with pytest.raises(TomosegError, match="holds no label"):
        draw_boxes(np.zeros(SHAPE, np.int8))


@pytest.mark.parametrize("words", [{"size": 1}, {"positives": -1}, {"negatives": -2}])
def test_impossible_numbers_are_one_sentence(words):
    with pytest.raises(TomosegError, match="mend these options"):
        draw_boxes(labels_with_a_corner_object(), **words)


def test_labels_of_two_axes_are_one_sentence():
    with pytest.raises(TomosegError, match="2 axes"):
        draw_boxes(np.ones((70, 70), np.int8))
