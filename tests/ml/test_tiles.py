"""Tiles cover an axis evenly, with enough overlap that no pixel lacks its context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.tiles import cut, smallest_tile, spans


def test_a_short_axis_is_one_tile():
    (only,) = spans(48, 64, 8, 16)
    assert (only.start, only.stop) == (0, 48)
    assert (only.weight == 1).all()


def test_two_tiles_fade_into_each_other_in_the_middle():
    left, right = spans(96, 64, 8, 8)
    assert (left.start, left.stop) == (0, 64)
    assert (right.start, right.stop) == (32, 96)
    assert (left.weight[:40] == 1).all()  # right's first halo and more
    assert (left.weight[56:] == 0).all()  # left's own halo at its inner end
    assert left.weight[48] == pytest.approx(0.5, abs=0.1)


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 40), st.sampled_from([1, 2, 8, 16]))
def test_every_pixel_counts_once_and_has_its_context(length, tile, halo, stride):
    length, tile = length * stride, tile * stride
    total = np.zeros(length)
    for span in spans(length, tile, halo, stride):
        assert span.start % stride == 0
        assert span.stop % stride == 0
        assert span.stop - span.start <= max(tile, smallest_tile(halo, stride), stride)
        total[span.start : span.stop] += span.weight
        if span.start > 0:
            assert (span.weight[:halo] == 0).all()
        if span.stop < length:
            assert (span.weight[len(span.weight) - halo :] == 0).all()
    assert total == pytest.approx(np.ones(length), abs=1e-6)


def test_an_axis_that_is_no_multiple_of_the_stride_is_refused():
    with pytest.raises(ValueError, match="multiples of 16"):
        spans(40, 32, 4, 16)


def test_what_a_tile_lacks_at_the_far_ends_is_mirrored():
    plane = np.arange(15, dtype=np.float32).reshape(3, 5)
    (row,), (column,) = spans(4, 8, 0, 4), spans(8, 8, 0, 4)
    padded = cut(plane, row, column)
    assert padded.shape == (4, 8)
    assert (padded[:3, :5] == plane).all()
    assert padded[0].tolist() == [0, 1, 2, 3, 4, 4, 3, 2]
    assert (padded[3] == padded[2]).all()
