"""Components that are found slab by slab are those of the whole volume."""

import numpy as np
import pytest
from scipy import ndimage

from ml import components
from ml.components import CORNERS, FACES, find_components
from ml.masks import mask_of, slab_ranges
from ml.report import Silent
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import Tomogram


def make_mask(path, values, geometry=None):
    return mask_of(Tomogram(path / "cell__mask.mrc", values, geometry or Geometry((10.0,) * 3), []), Silent())


def blobs(seed=0, shape=(17, 29, 41)):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
    return np.digitize(field, [0.03, 0.09]).astype(np.int8)


@pytest.fixture(params=[1, 4, 100], ids=lambda depth: f"slabs of {depth}")
def slab_depth(request, monkeypatch):
    monkeypatch.setattr(
        components, "slab_ranges", lambda shape: slab_ranges(shape, request.param * shape[1] * shape[2])
    )


@pytest.mark.parametrize("connectivity", [FACES, CORNERS])
def test_components_do_not_depend_on_the_slabs(tmp_path, slab_depth, connectivity):
    values = blobs()
    found = find_components(make_mask(tmp_path, values), Silent(), connectivity=connectivity)
    structure = ndimage.generate_binary_structure(3, connectivity)
    expected = {value: ndimage.label(values == value, structure)[1] for value in (1, 2)}
    assert {value: int((found.table.value == value).sum()) for value in (1, 2)} == expected


def test_each_component_has_its_own_voxels_box_centroid_and_covariance(tmp_path, slab_depth):
    values = blobs(1)
    found = find_components(make_mask(tmp_path, values), Silent())
    ids = np.concatenate([ids for _, ids in found.slabs()])
    for row in range(0, len(found), 7):
        voxels = np.argwhere(ids == row + 1)
        assert len(voxels) == found.table.voxels[row]
        assert set(values[tuple(voxels.T)]) == {found.table.value[row]}
        assert (voxels.min(0) == found.table.low[row]).all() and (voxels.max(0) + 1 == found.table.high[row]).all()
        assert found.table.centroid[row] == pytest.approx(voxels.mean(0))
        expected = np.cov(voxels.T, bias=True) + np.eye(3) / 12 if len(voxels) > 1 else np.eye(3) / 12
        assert found.table.covariance[row] == pytest.approx(expected, abs=1e-9)


def test_a_u_turn_across_a_seam_is_one_component(tmp_path, slab_depth):
    values = np.zeros((6, 5, 7), np.int8)
    values[0:6, 1, 1] = values[0:6, 1, 5] = 1
    values[5, 1, 1:6] = 1  # the two legs meet in the last slice only
    values[0, 4, 6] = 1
    found = find_components(make_mask(tmp_path, values), Silent())
    assert found.table.voxels.tolist() == [15, 1] and found.number.tolist() == [1, 2]


def test_one_component_alone_is_read_from_its_own_slabs_only(tmp_path, monkeypatch):
    monkeypatch.setattr(components, "slab_ranges", lambda shape: slab_ranges(shape, 2 * shape[1] * shape[2]))
    values = np.zeros((12, 5, 7), np.int8)
    values[1, 1, 1:4] = 1
    values[5:7, 2:4, 2:6] = 1  # slices 5 and 6 lie in two slabs of two
    found = find_components(make_mask(tmp_path, values), Silent())
    alone, read = found.only(0), []
    monkeypatch.setattr(type(found.mask), "read", lambda mask, region: read.append(region[0]) or mask.data[region])
    ids = np.concatenate([ids for _, ids in alone.slabs()])
    assert (ids == (np.arange(12)[:, None, None] >= 5) * values).all()
    assert read == [slice(4, 6), slice(6, 8)]


def test_labels_that_touch_stay_apart(tmp_path, slab_depth):
    values = np.ones((5, 7, 11), np.int8)
    values[3:] = 2
    found = find_components(make_mask(tmp_path, values), Silent())
    assert found.table.value.tolist() == [1, 2] and found.number.tolist() == [1, 1]


def test_small_components_are_left_out(tmp_path, slab_depth):
    values = np.zeros((5, 7, 11), np.int8)
    values[:2, 0, 0], values[0, 3, 3:6] = 1, 1
    found = find_components(make_mask(tmp_path, values), Silent(), smallest=3)
    ids = np.concatenate([ids for _, ids in found.slabs()])
    assert len(found) == 1 and (ids > 0).sum() == 3 and ids[0, 3, 4] == 1


def test_noise_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(components, "MOST_PIECES", 20)
    values = (np.random.default_rng(0).random((9, 20, 20)) > 0.9).astype(np.int8)
    with pytest.raises(TomosegError, match="mostly noise"):
        find_components(make_mask(tmp_path, values), Silent(), connectivity=FACES)
