"""Writing MRC files: what is read back, and that nothing half-written is ever left."""

import errno
import os
import tracemalloc

import mrcfile
import numpy as np
import pytest

from tomo import files
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import MrcWriter, open_tomogram, write_mrc


def names_in(folder):
    return [path.name for path in folder.iterdir()]


GEOMETRY = Geometry((10.52, 10.52, 21.04), (-512.0, 0.5, 3.0), (4, -5, 6))


@pytest.mark.parametrize("code", ["i1", "i2", "u2", "f2", "f4"])
def test_what_is_written_is_read_back_with_its_place(tmp_path, cornered, code):
    path = tmp_path / "new folder" / "cell.mrc"
    write_mrc(path, cornered.astype(code), GEOMETRY, ["first", "second"])
    opened = open_tomogram(path)
    assert np.array_equal(opened.data, cornered)
    assert opened.data.dtype == np.dtype(code)
    assert (opened.geometry, opened.labels, opened.notes) == (GEOMETRY, ["first", "second"], ())


def test_mrcfile_finds_the_file_valid_and_the_same(tmp_path, cornered):
    path = tmp_path / "cell.mrc"
    write_mrc(path, cornered, GEOMETRY)
    assert mrcfile.validate(str(path))
    with mrcfile.open(path) as stored:
        assert np.array_equal(stored.data, cornered)
        assert stored.nstart.tolist() == (4, -5, 6)
        assert stored.voxel_size.tolist() == pytest.approx(GEOMETRY.voxel_size)
        assert stored.header.origin.tolist() == GEOMETRY.origin


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_statistics_are_those_of_the_whole_volume(tmp_path, offset):
    volume = np.random.default_rng(1).normal(offset, 2.0, (9, 7, 11)).astype(np.float32)
    with MrcWriter(tmp_path / "noise.mrc", volume.shape, np.float32, GEOMETRY) as writer:
        for z0 in (6, 0, 3):  # any order
            writer.write(z0, volume[z0 : z0 + 3])
        writer.write(2, volume[2:5])  # and again
    with mrcfile.open(tmp_path / "noise.mrc") as stored:
        found = [float(stored.header[name]) for name in ("dmin", "dmax", "dmean", "rms")]
    exact = volume.astype(np.float64)
    assert found == pytest.approx([exact.min(), exact.max(), exact.mean(), exact.std()], rel=1e-5)


def test_big_endian_and_transposed_slabs_are_written_right(tmp_path, cornered):
    path = tmp_path / "cell.mrc"
    write_mrc(path, cornered.astype(">i2").transpose(2, 1, 0), GEOMETRY)
    assert np.array_equal(open_tomogram(path).data, cornered.transpose(2, 1, 0))


def test_a_large_file_costs_the_memory_of_a_slice(tmp_path):
    slab = np.ones((2, 512, 512), np.float32)
    tracemalloc.start()
    with MrcWriter(tmp_path / "large.mrc", (40, 512, 512), np.float32, GEOMETRY) as writer:
        for z0 in range(0, 40, 2):
            writer.write(z0, slab)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # the file has 42 MB
    assert (tmp_path / "large.mrc").stat().st_size == 1024 + 40 * 512 * 512 * 4


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, TomosegError])
def test_an_error_leaves_nothing_and_keeps_what_was_there(tmp_path, cornered, stop):
    path = tmp_path / "cell.mrc"
    write_mrc(path, cornered, GEOMETRY)
    before = path.read_bytes()
    with pytest.raises(stop), MrcWriter(path, cornered.shape, np.int16, GEOMETRY) as writer:
        writer.write(0, cornered[:2] + 1)
        raise stop("stopped")
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["cell.mrc"]


def test_a_volume_with_slices_missing_is_not_written(tmp_path, cornered):
    with (
        pytest.raises(ValueError, match=r"2 slices .* were never written, the first is 1"),
        MrcWriter(tmp_path / "cell.mrc", cornered.shape, np.int16, GEOMETRY) as writer,
    ):
        writer.write(0, cornered[:1])
        writer.write(3, cornered[3:])
    assert names_in(tmp_path) == []


def test_a_disk_without_the_space_is_refused_before_anything_is_written(tmp_path):
    with (
        pytest.raises(TomosegError, match=r"needs 4000000\.0 GB, but only .* are free there: free some space"),
        MrcWriter(tmp_path / "huge.mrc", (1000, 10**6, 10**6), np.float32, GEOMETRY),
    ):
        pass
    assert names_in(tmp_path) == []


def test_a_disk_that_fills_up_meanwhile_is_said_and_nothing_stays(tmp_path, cornered, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(TomosegError, match=r"Cannot write .*cell\.mrc: the disk is full"):
        write_mrc(tmp_path / "cell.mrc", cornered, GEOMETRY)
    assert names_in(tmp_path) == []


def test_a_disk_that_cannot_reserve_space_is_written_to_all_the_same(tmp_path, cornered, monkeypatch):
    def unsupported(*_args):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported, raising=False)
    write_mrc(tmp_path / "cell.mrc", cornered, GEOMETRY)
    assert np.array_equal(open_tomogram(tmp_path / "cell.mrc").data, cornered)


def test_a_folder_that_is_a_file_is_said(tmp_path, cornered):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(TomosegError, match="a part of its path is a file"):
        write_mrc(tmp_path / "taken" / "cell.mrc", cornered, GEOMETRY)


def test_a_folder_without_permission_is_said(tmp_path, cornered, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.Path, "mkdir", refuse)
    with pytest.raises(TomosegError, match="cannot be written to: choose another folder"):
        write_mrc(tmp_path / "cell.mrc", cornered, GEOMETRY)


def test_ten_labels_of_eighty_letters_are_kept(tmp_path, cornered):
    labels = [f"label {number}: {'é' * 90}" for number in range(12)]
    write_mrc(tmp_path / "cell.mrc", cornered, GEOMETRY, labels)
    kept = open_tomogram(tmp_path / "cell.mrc").labels
    assert len(kept) == 10
    assert kept[-1].startswith("label 11: ????")
    assert {len(label) for label in kept} == {80}


@pytest.mark.parametrize(
    ("array", "stored"),
    [
        (np.array([[[0, 1]]], bool), "i1"),
        (np.array([[[0, 127]]], np.uint8), "i1"),
        (np.array([[[0, 255]]], np.uint8), "i2"),
        (np.array([[[-129, 0]]], np.int64), "i2"),
        (np.array([[[0, 65535]]], np.int32), "u2"),
        (np.array([[[0.25, -1]]], np.float64), "f4"),
    ],
)
def test_other_types_take_the_smallest_that_holds_them(tmp_path, array, stored):
    write_mrc(tmp_path / "small.mrc", array, GEOMETRY)
    opened = open_tomogram(tmp_path / "small.mrc", single_slice=True)
    assert opened.data.dtype == np.dtype(stored)
    assert np.array_equal(opened.data, array)


def test_values_are_never_wrapped_cut_or_rounded_in_silence(tmp_path):
    single = (tmp_path / "cell.mrc", (1, 1, 1))
    for dtype, value in ((np.int8, np.int16(128)), (np.uint16, np.int16(-1)), (np.int8, np.float32(0.5))):
        with pytest.raises(ValueError, match=r"fit|Round"), MrcWriter(*single, dtype, GEOMETRY) as writer:
            writer.write(0, np.full((1, 1, 1), value))
    with pytest.raises(ValueError, match="do not fit float16"), MrcWriter(*single, np.float16, GEOMETRY) as writer:
        writer.write(0, np.full((1, 1, 1), 1e5, np.float32))
    with pytest.raises(ValueError, match="integers from 0 to 70000"):
        write_mrc(tmp_path / "cell.mrc", np.array([[[0, 70000]]]), GEOMETRY)
    assert names_in(tmp_path) == []


def test_wrong_use_is_refused(tmp_path, cornered):
    with pytest.raises(ValueError, match="cannot hold complex64"):
        MrcWriter(tmp_path / "cell.mrc", cornered.shape, np.complex64, GEOMETRY)
    with pytest.raises(ValueError, match="three sides"):
        MrcWriter(tmp_path / "cell.mrc", (7, 11), np.int16, GEOMETRY)
    with pytest.raises(ValueError, match="inside its with block"):
        MrcWriter(tmp_path / "cell.mrc", cornered.shape, np.int16, GEOMETRY).write(0, cornered)
    for z0, slab in ((4, cornered[:2]), (-1, cornered[:1]), (0, cornered[:, :, 1:])):
        writer = MrcWriter(tmp_path / "cell.mrc", cornered.shape, np.int16, GEOMETRY)
        with pytest.raises(ValueError, match="does not fit"), writer:
            writer.write(z0, slab)
