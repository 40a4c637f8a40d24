"""Shrinking by block means."""

from pathlib import Path

import numpy as np
import pytest

from ml.shrink import shrink
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import Tomogram
from tomo.preprocessing import Preprocessing


def tomogram(array, geometry=None):
    return Tomogram(Path("cell.mrc"), array, geometry or Geometry(), ["kept", Preprocessing().to_label()])


def test_each_voxel_is_the_mean_of_its_block_and_the_rest_is_cut_off(monkeypatch):
    monkeypatch.setattr("ml.shrink._SLAB_VOXELS", 200)
    array = np.random.default_rng(0).integers(-128, 127, (7, 15, 23), np.int8)
    small = shrink(tomogram(array), 2)
    assert small.shape == (3, 7, 11)
    expected = array[:6, :14, :22].reshape(3, 2, 7, 2, 11, 2).astype(float).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(small.data, expected, rtol=1e-5, atol=1e-5)
    assert small.labels == ["kept"]  # and not the one that promises a standard deviation of 1


def test_an_object_in_one_corner_stays_in_that_corner():
    array = np.zeros((9, 12, 15), np.uint8)
    array[0:3, 3:6, 12:15] = 200
    small = shrink(tomogram(array), 3).data
    assert np.argwhere(small).tolist() == [[0, 1, 4]]
    assert small[0, 1, 4] == 200


def test_the_voxel_size_grows_and_the_place_stays():
    before = Geometry((1.5, 1.5, 1.5), nstart=(4, 5, 6))
    after = shrink(tomogram(np.zeros((9, 9, 9), np.float32), before), 3).geometry
    assert after.voxel_size == (4.5, 4.5, 4.5)
    assert after.place == pytest.approx(before.place)


@pytest.mark.parametrize("factor", [0, -1, 4])
def test_an_impossible_factor_names_the_file_and_the_possible_ones(factor):
    with pytest.raises(TomosegError, match=r"cell\.mrc cannot be shrunk by .*factors from 1 to 2"):
        shrink(tomogram(np.zeros((7, 15, 23), np.float32)), factor)
