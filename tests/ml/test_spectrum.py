"""The verb `spectrum`: a known wedge is found where it was made."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.cli import main
from ml.spectrum import caption, describe
from ml.wedge import find_wedge, slice_spectrum
from tomo.geometry import Geometry
from tomo.mrc import Tomogram, open_tomogram, write_mrc

SHAPE = (40, 110, 124)


def wedged(axis, tilt, sides=(1.0, 1.0, 1.0)):
    """Noise without power at directions steeper than `tilt`, seen along the tilt axis at `axis` degrees from x."""
    transform = np.fft.fftn(np.random.default_rng(0).normal(size=SHAPE))
    kz, ky, kx = np.meshgrid(
        *[np.fft.fftfreq(side, unit) for side, unit in zip(SHAPE, sides, strict=True)], indexing="ij"
    )
    across = np.abs(ky * np.cos(np.radians(axis)) - kx * np.sin(np.radians(axis)))
    transform[np.abs(kz) > across * np.tan(np.radians(tilt))] = 0
    return np.fft.ifftn(transform).real.astype(np.float32)


def found(array, geometry=None):
    return find_wedge(Tomogram(Path("cell.mrc"), array, geometry or Geometry(), []))


@pytest.mark.parametrize("axis", [0, 3, 30, 85, 90, -40])
@pytest.mark.parametrize("tilt", [45, 60])
def test_axis_and_highest_tilt_are_found(axis, tilt):
    wedge = found(wedged(axis, tilt))
    difference = (wedge.axis - axis + 90) % 180 - 90
    assert abs(difference) < 2
    assert wedge.highest_tilt == pytest.approx(tilt, abs=2)


def test_angles_are_those_of_space_where_voxels_are_no_cubes():
    wedge = found(wedged(20, 50, (1.4, 1.0, 1.0)), Geometry((5.0, 5.0, 7.0)))
    assert wedge.axis == pytest.approx(20, abs=2)
    assert wedge.highest_tilt == pytest.approx(50, abs=3)


def test_a_strong_wave_in_one_slice_does_not_mislead():
    array = wedged(85, 60)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    array[7] += 10 * np.cos(2 * np.pi * (20 * x / SHAPE[2] + 30 * y / SHAPE[1]))
    assert found(array).axis == pytest.approx(85, abs=3)


def test_a_volume_without_a_wedge_has_none():
    assert found(wedged(20, 50), Geometry((4.0, 4.0, 50.0))) is None  # serial sections
    assert found(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)) is None


def test_a_wave_shows_as_two_spots_along_its_direction():
    """8 waves along x and 3 along y: spots at ±(8, 3) from the middle."""
    y, x = np.mgrid[:64, :96]
    spectrum = slice_spectrum(np.cos(2 * np.pi * (8 * x / 96 + 3 * y / 64)))
    spots = np.argwhere(spectrum > 0.95 * spectrum.max()) - (32, 48)
    assert sorted(map(tuple, spots.tolist())) == [(-3, -8), (3, 8)]


def test_the_command_writes_a_picture_with_y_upwards_and_tells_the_axis(tmp_path, capsys):
    array = wedged(85, 60)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    array[7] += 3 * np.cos(2 * np.pi * (20 * x / SHAPE[2] + 30 * y / SHAPE[1]))
    write_mrc(tmp_path / "cell.mrc", array, Geometry((5.0, 5.0, 5.0)))
    words = ["spectrum", str(tmp_path / "cell.mrc"), "--slice", "7", "--output", str(tmp_path / "s.png"), "--json"]
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["tilt_axis_degrees"] == pytest.approx(85, abs=2)
    picture = np.asarray(Image.open(tmp_path / "s.png"))[..., 0].astype(int)
    side = 3 * SHAPE[2]  # a square of the longer side, thrice as large
    across, up = 20, 30 * SHAPE[2] / SHAPE[1]  # waves in the square
    row, column = round(side / 2 - 3 * up), round(side / 2 + 3 * across)  # up and to the right
    assert picture[row - 3 : row + 3, column - 3 : column + 6].max() == 255
    assert picture[row - 3 : row + 3, column - 123 : column - 114].max() < 255  # and not mirrored
    assert "off y" in describe(result)


def test_the_amplitude_can_be_kept_as_mrc(tmp_path):
    array = wedged(0, 60)
    write_mrc(tmp_path / "cell.mrc", array, Geometry())
    assert main(["spectrum", str(tmp_path / "cell.mrc"), "--output", str(tmp_path / "s.mrc")]) == 0
    kept = open_tomogram(tmp_path / "s.mrc", single_slice=True)
    np.testing.assert_allclose(kept.data[0], slice_spectrum(array[SHAPE[0] // 2]), rtol=1e-5)


def test_orange_marks_lie_on_the_tilt_axis_and_its_angle_stands_below(tmp_path):
    write_mrc(tmp_path / "cell.mrc", wedged(30, 60), Geometry((5.0, 5.0, 5.0)))
    assert main(["spectrum", str(tmp_path / "cell.mrc"), "--output", str(tmp_path / "s.png")]) == 0
    picture = np.asarray(Image.open(tmp_path / "s.png")).astype(int)
    side = picture.shape[1]
    y, x = np.nonzero((picture[:side, :, 0] - picture[:side, :, 2]) > 100)
    angles = np.degrees(np.arctan2(side / 2 - y, x - side / 2)) % 180
    assert len(angles) > 50 and np.abs(angles - 30).max() < 5
    assert np.hypot(y - side / 2, x - side / 2).min() > 0.4 * side, "the middle stays free"
    assert (picture[side:].max(axis=2) > 150).sum() > 200, "the caption"
    words = caption(find_wedge(open_tomogram(tmp_path / "cell.mrc")))
    assert re.fullmatch("Tilt axis (29|30|31)° from x, tilts up to (59|60|61)°", words), words


def test_a_slice_perpendicular_to_the_tilt_axis_shows_the_wedge_from_its_side(tmp_path, capsys):
    write_mrc(tmp_path / "cell.mrc", wedged(90, 60), Geometry((5.0, 5.0, 5.0)))
    words = ["spectrum", str(tmp_path / "cell.mrc"), "--axis", "y", "--slice", "55"]
    assert main([*words, "--output", str(tmp_path / "s.png")]) == 0
    assert "slice y 55" in capsys.readouterr().out
    side = 3 * SHAPE[2]
    picture = np.asarray(Image.open(tmp_path / "s.png"))[:side, :, 0].astype(int)
    y, x = np.mgrid[:side, :side] - side / 2
    tilt, ring = np.degrees(np.arctan2(np.abs(y), np.abs(x))), np.abs(np.hypot(x, y) - side / 4) < side / 8
    assert picture[ring & (tilt > 70)].mean() < picture[ring & (tilt < 50)].mean() - 40


@pytest.mark.parametrize("words", [["--slice", "40"], ["--slice", "-1"], ["--output", "s.jpg"]])
def test_a_wrong_slice_or_picture_is_one_sentence(tmp_path, capsys, words):
    write_mrc(tmp_path / "cell.mrc", wedged(0, 60), Geometry())
    assert main(["spectrum", str(tmp_path / "cell.mrc"), *words]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_voxels_that_are_no_numbers_are_refused(tmp_path, capsys):
    array = np.zeros(SHAPE, np.float32)
    array[20, 5, 6] = np.nan
    write_mrc(tmp_path / "cell.mrc", array, Geometry())
    assert main(["spectrum", str(tmp_path / "cell.mrc")]) == 1
    assert "cell.mrc holds voxels that are no numbers" in capsys.readouterr().err
