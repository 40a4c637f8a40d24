"""TIFF stacks and their voxel sizes."""

import numpy as np
import pytest
import tifffile

from ml.volumes import open_any
from tomo.errors import TomosegError


@pytest.fixture
def volume():
    array = np.zeros((5, 7, 11), np.uint16)
    array[0, 1, 9] = 700
    return array


def imagej(path, volume, unit, size, spacing):
    metadata = {"spacing": spacing, "unit": unit, "axes": "ZYX"}
    tifffile.imwrite(path, volume, imagej=True, resolution=(1 / size, 1 / size), metadata=metadata)
    return path


def test_a_stack_is_mapped_and_never_flipped(tmp_path, volume):
    tomogram = open_any(imagej(tmp_path / "a.tif", volume, "nm", 1.3, 2.0))
    assert isinstance(tomogram.data, np.memmap)
    np.testing.assert_array_equal(tomogram.data, volume)


@pytest.mark.parametrize(("unit", "angstroms"), [("nm", 10), ("micron", 1e4), ("um", 1e4), ("angstrom", 1)])
def test_imagejs_metadata_give_the_voxel_size(tmp_path, volume, unit, angstroms):
    tomogram = open_any(imagej(tmp_path / "a.tif", volume, unit, 1.25, 2.5))
    assert tomogram.geometry.voxel_size == pytest.approx(
        (1.25 * angstroms, 1.25 * angstroms, 2.5 * angstroms), rel=1e-4
    )


def test_omes_metadata_give_the_voxel_size(tmp_path, volume):
    sizes = {f"PhysicalSize{axis}": value for axis, value in zip("XYZ", (1.3, 1.4, 2.0), strict=True)}
    units = {f"PhysicalSize{axis}Unit": "nm" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "a.ome.tif", volume, metadata={"axes": "ZYX", **sizes, **units})
    assert open_any(tmp_path / "a.ome.tif").geometry.voxel_size == pytest.approx((13, 14, 20))


def test_a_printers_resolution_is_no_voxel_size(tmp_path, volume):
    tifffile.imwrite(tmp_path / "a.tif", volume, resolution=(300, 300), resolutionunit="INCH", metadata=None)
    assert not open_any(tmp_path / "a.tif").geometry.voxel_size_known


@pytest.mark.parametrize(
    "settings", [{"compression": "zlib"}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}]
)
def test_compressed_big_endian_big_and_tiled_files_hold_the_same_voxels(tmp_path, volume, settings):
    tifffile.imwrite(tmp_path / "a.tif", volume, **settings)
    np.testing.assert_array_equal(open_any(tmp_path / "a.tif").data, volume)


def test_bad_tiff_files_end_in_one_sentence_that_names_them(tmp_path, volume, capsys):
    noise = np.random.default_rng(0).integers(0, 60000, (5, 30, 40)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "good.tif", noise, compression="zlib", metadata=None)
    good = (tmp_path / "good.tif").read_bytes()
    (tmp_path / "half.tif").write_bytes(good[: len(good) // 2])
    (tmp_path / "head.tif").write_bytes(good[:9])
    tifffile.imwrite(tmp_path / "plain.tif", noise)
    (tmp_path / "short.tif").write_bytes((tmp_path / "plain.tif").read_bytes()[:5000])
    tifffile.imwrite(tmp_path / "colour.tif", np.zeros((7, 11, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "channels.tif", np.zeros((2, 3, 7, 11), np.uint8), imagej=True)
    tifffile.imwrite(tmp_path / "complex.tif", volume.astype(np.complex64))
    tifffile.imwrite(tmp_path / "flat.tif", volume[0])
    for name in ("half", "head", "short", "colour", "channels", "complex", "flat"):
        with pytest.raises(TomosegError, match=rf"{name}\.tif"):
            open_any(tmp_path / f"{name}.tif")
    assert capsys.readouterr().err == ""  # the library's own complaints never reach the user


def test_a_text_file_called_tif_is_no_tomogram(tmp_path):
    (tmp_path / "notes.tif").write_text("not an image\n" * 200)
    with pytest.raises(TomosegError, match=r"notes\.tif"):
        open_any(tmp_path / "notes.tif")
