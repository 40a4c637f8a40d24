"""The verb `resample`: everything keeps its place."""

import json
from pathlib import Path

import numpy as np
import pytest

from ml.cli import main
from ml.report import Silent
from ml.resample import resampled_beside
from ml.resampling import resampled_axis
from ml.shrink import shrink
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.label_table import LabelEntry, label_table_path, load_label_table, save_label_table
from tomo.mrc import Tomogram, open_tomogram, write_mrc

GEOMETRY = Geometry((4.0, 4.0, 4.0), (100.0, 50.0, -20.0))


def blob(shape, centre, sigma):
    """A Gaussian around `centre` (z, y, x), where voxel i covers [i, i + 1): its middle is i + 0.5."""
    squared = sum(
        ((np.arange(side) + 0.5 - middle) ** 2).reshape([-1 if each == axis else 1 for each in range(3)])
        for axis, (side, middle) in enumerate(zip(shape, centre, strict=True))
    )
    return np.exp(-squared / (2 * sigma**2)).astype(np.float32)


def middle_of(array):
    """The centre of mass, in the same convention."""
    return [
        float((array.sum(axis=tuple({0, 1, 2} - {axis})) * (np.arange(side) + 0.5)).sum() / array.sum())
        for axis, side in enumerate(array.shape)
    ]


def files(tmp_path, shape, centre, factor, geometry=GEOMETRY):
    """(map of the shrunk tomogram, the full tomogram, its voxels)."""
    full = blob(shape, centre, 7.0)
    write_mrc(tmp_path / "cell.mrc", full, geometry)
    small = shrink(open_tomogram(tmp_path / "cell.mrc"), factor)
    write_mrc(tmp_path / "cell_bin__actin.mrc", small.data, small.geometry)
    return tmp_path / "cell_bin__actin.mrc", tmp_path / "cell.mrc", full


@pytest.mark.parametrize(("shape", "factor"), [((60, 72, 88), 4), ((61, 75, 90), 4), ((62, 73, 91), 3)])
@pytest.mark.parametrize("geometry", [GEOMETRY, Geometry()])
def test_an_object_keeps_its_place_when_a_shrunk_map_is_unbinned(tmp_path, shape, factor, geometry):
    centre = (24.0, 27.5, 60.25)
    small, full, expected = files(tmp_path, shape, centre, factor, geometry)
    assert main(["resample", str(small), "--output", str(tmp_path / "out.mrc"), "--like", str(full)]) == 0
    result = open_tomogram(tmp_path / "out.mrc")
    assert result.shape == shape
    assert middle_of(result.data) == pytest.approx(middle_of(expected), abs=0.05)
    assert np.abs(result.data - expected).max() < 0.15  # the block mean itself blurs
    assert result.geometry == geometry


def test_a_factor_of_four_undoes_a_shrink_by_four(tmp_path):
    small, _, expected = files(tmp_path, (60, 72, 88), (24.0, 30.0, 60.0), 4)
    assert main(["resample", str(small), "--output", str(tmp_path / "out.mrc"), "--factor", "4"]) == 0
    result = open_tomogram(tmp_path / "out.mrc")
    assert middle_of(result.data) == pytest.approx(middle_of(expected), abs=0.05)
    assert result.geometry.voxel_size == pytest.approx(GEOMETRY.voxel_size)
    assert result.geometry.place == pytest.approx(GEOMETRY.place)


def test_a_map_can_be_brought_down_to_a_shrunk_tomogram(tmp_path):
    small, full, _ = files(tmp_path, (61, 75, 90), (24.0, 27.5, 60.25), 4)
    assert main(["resample", str(full), "--output", str(tmp_path / "out.mrc"), "--like", str(small)]) == 0
    result, wanted = open_tomogram(tmp_path / "out.mrc"), open_tomogram(small)
    assert result.shape == wanted.shape
    assert middle_of(result.data) == pytest.approx(middle_of(wanted.data), abs=0.05)


def test_a_band_limited_line_comes_back_exactly():
    fine = np.cos(np.pi * 5 * (np.arange(120) + 0.5) / 120).astype(np.float32)
    coarse = np.cos(np.pi * 5 * (np.arange(30) + 0.5) / 30).astype(np.float32)
    np.testing.assert_allclose(resampled_axis(coarse, 120, 0), fine, atol=1e-5)
    np.testing.assert_allclose(resampled_axis(fine, 30, 0), coarse, atol=1e-5)


def test_ringing_gives_no_negative_voxels_and_nothing_shines_through(tmp_path):
    step = np.zeros((12, 14, 16), np.float32)
    step[:, :, 12:] = 1
    write_mrc(tmp_path / "a.mrc", step, GEOMETRY)
    assert main(["resample", str(tmp_path / "a.mrc"), "--output", str(tmp_path / "o.mrc"), "--factor", "3"]) == 0
    data = open_tomogram(tmp_path / "o.mrc").data
    assert data.min() == 0
    assert data[:, :, :6].max() < 0.03


def test_a_mask_takes_the_nearest_voxel_and_keeps_its_label_table(tmp_path, capsys):
    mask = np.zeros((5, 7, 11), np.int8)
    mask[0, 1:3, 8:10] = 3
    write_mrc(tmp_path / "m.mrc", mask, GEOMETRY)
    save_label_table(label_table_path(tmp_path / "m.mrc"), [LabelEntry(3, "actin", "#E69F00")])
    words = ["resample", str(tmp_path / "m.mrc"), "--output", str(tmp_path / "o.mrc"), "--factor", "2", "--json"]
    assert main(words) == 0
    result = open_tomogram(tmp_path / "o.mrc")
    assert result.data.dtype == np.int8
    np.testing.assert_array_equal(result.data, np.kron(mask, np.ones((2, 2, 2), np.int8)))
    assert [entry.name for entry in load_label_table(label_table_path(tmp_path / "o.mrc"))] == ["actin"]
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["method"] == "nearest"


def test_maps_of_unlike_bins_come_to_one_size_for_merging(tmp_path):
    small, full, expected = files(tmp_path, (61, 75, 90), (24.0, 27.5, 60.25), 4)
    maps = [open_tomogram(small), open_tomogram(full)]
    with resampled_beside(tmp_path / "out" / "mask.mrc", maps, maps[1], Silent()) as fitted:
        assert fitted[1] is maps[1]
        assert fitted[0].shape == maps[1].shape
        assert fitted[0].geometry == maps[1].geometry
        assert middle_of(fitted[0].data) == pytest.approx(middle_of(expected), abs=0.05)


def test_maps_of_unlike_volumes_are_refused_and_nothing_is_left(tmp_path, capsys):
    write_mrc(tmp_path / "a.mrc", np.ones((10, 12, 14), np.float32), GEOMETRY)
    write_mrc(tmp_path / "b.mrc", np.ones((20, 24, 40), np.float32), Geometry((2.0, 2.0, 2.0)))
    words = [
        "resample",
        str(tmp_path / "a.mrc"),
        "--output",
        str(tmp_path / "o.mrc"),
        "--like",
        str(tmp_path / "b.mrc"),
    ]
    assert main(words) == 1
    assert "unlike volumes" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mrc", "b.mrc"]


def test_voxels_that_are_no_numbers_are_refused(tmp_path, capsys):
    array = np.ones((10, 12, 14), np.float32)
    array[3, 4, 5] = np.nan
    write_mrc(tmp_path / "a.mrc", array, GEOMETRY)
    assert main(["resample", str(tmp_path / "a.mrc"), "--output", str(tmp_path / "o.mrc"), "--factor", "2"]) == 1
    assert "a.mrc holds voxels that are no numbers" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.mrc"]


@pytest.mark.parametrize("factor", ["0", "-2", "nan", "1000"])
def test_an_impossible_factor_is_one_sentence(tmp_path, capsys, factor):
    write_mrc(tmp_path / "a.mrc", np.ones((10, 12, 14), np.float32), GEOMETRY)
    assert main(["resample", str(tmp_path / "a.mrc"), "--output", str(tmp_path / "o.mrc"), "--factor", factor]) == 1
    assert "cannot be resampled by" in capsys.readouterr().err


def test_neither_or_both_ways_are_wrong_usage_and_the_input_is_never_overwritten(tmp_path):
    write_mrc(tmp_path / "a.mrc", np.ones((10, 12, 14), np.float32), GEOMETRY)
    path = str(tmp_path / "a.mrc")
    with pytest.raises(SystemExit) as ended:
        main(["resample", path, "--output", str(tmp_path / "o.mrc")])
    assert ended.value.code == 2
    assert main(["resample", path, "--output", path, "--factor", "2"]) == 1


def test_a_voxel_size_that_contradicts_the_shapes_is_told_with_its_axis():
    data = np.arange(4 * 6 * 8, dtype=np.int16).reshape(4, 6, 8)
    tomogram = Tomogram(Path("a.mrc"), data, Geometry((4.0, 4.0, 4.0)), [])
    other = Tomogram(Path("b.mrc"), np.zeros((4, 6, 9)), Geometry((4.0, 4.0, 2.0)), [])
    with (
        pytest.raises(TomosegError, match=r"a\.mrc spans 8 voxels of b\.mrc along z"),
        resampled_beside(Path("o.mrc"), [tomogram], other, Silent()),
    ):
        raise AssertionError("resampled")
