"""EMAN2 HDF files, built with plain h5py from the description in hdfio2.cpp, and what is written for EMAN2."""

import h5py
import numpy as np
import pytest

from ml.hdf import open_hdf, write_hdf
from ml.volumes import open_any
from tomo.errors import TomosegError


def eman2_file(path, images, attributes=None, **storage):
    """What EMAN2 would have written: a group per image, `image` in it, the header as the group's attributes."""
    with h5py.File(path, "w") as file:
        group = file.create_group("/MDF/images")
        group.attrs["imageid_max"] = np.int32(len(images) - 1)
        for number, image in enumerate(images):
            entry = group.create_group(str(number))
            entry.create_dataset("image", data=image, **storage)
            for name, value in (attributes or {}).items():
                entry.attrs[f"EMAN.{name}"] = value
    return path


@pytest.fixture
def volume():
    array = np.zeros((5, 7, 11), np.float32)
    array[0, 1, 9] = 4.5
    return array


HEADER = {f"apix_{axis}": np.float32(6.75) for axis in "xyz"} | {"origin_x": np.float32(30), "ptcl_repr": np.int32(0)}


def test_a_volume_is_mapped_from_the_file_with_its_voxel_size_and_origin(tmp_path, volume):
    tomogram = open_any(eman2_file(tmp_path / "cell.hdf", [volume], HEADER))
    assert isinstance(tomogram.data, np.memmap)
    np.testing.assert_array_equal(tomogram.data, volume)
    assert tomogram.geometry.voxel_size == (6.75, 6.75, 6.75)
    assert tomogram.geometry.origin == (30.0, 0.0, 0.0)
    assert not tomogram.data.flags.writeable


@pytest.mark.parametrize("bits", [3, 8, 12])
def test_compressed_integers_come_back_as_the_values_they_stand_for(tmp_path, bits):
    values = np.random.default_rng(0).uniform(-2, 6, (9, 16, 20)).astype(np.float32)
    most = 2**bits - 1
    stored = np.round((values + 2) / 8 * most).astype(np.uint8 if bits <= 8 else np.uint16)
    render = {
        "stored_renderbits": np.int32(bits),
        "stored_rendermin": np.float32(-2),
        "stored_rendermax": np.float32(6),
    }
    path = eman2_file(tmp_path / "c.hdf", [stored], render, chunks=(1, 8, 20), compression="gzip")
    tomogram = open_any(path)
    np.testing.assert_allclose(tomogram.data, values, atol=8 / most)
    assert tomogram.data.dtype == np.float32
    assert f"{bits} bits" in tomogram.notes[0]


def test_a_stack_of_2d_images_is_a_volume_as_in_eman2(tmp_path, volume):
    tomogram = open_any(eman2_file(tmp_path / "stack.hdf", list(volume)))
    np.testing.assert_array_equal(tomogram.data, volume)
    assert not tomogram.geometry.voxel_size_known


def test_images_past_the_ninth_keep_their_order(tmp_path):
    images = [np.full((4, 5), number, np.float32) for number in range(12)]
    with open_hdf(eman2_file(tmp_path / "s.hdf", images)) as reader:
        assert [int(reader.read(index)[0, 0]) for index in range(len(reader))] == list(range(12))


def test_headers_come_back_in_pythons_own_types(tmp_path):
    header = {
        "w_shape": np.array([40, 1, 15, 15], np.int32),
        "flag": np.int8(ord("T")),
        "nnet_src": np.bytes_(b"n.hdf"),
    }
    with open_hdf(eman2_file(tmp_path / "s.hdf", [np.zeros((4, 5), np.float32)], header)) as reader:
        assert reader.header(0) == {"w_shape": [40, 1, 15, 15], "flag": True, "nnet_src": "n.hdf"}


def test_what_is_written_has_eman2s_layout(tmp_path):
    write_hdf(tmp_path / "out.hdf", [np.eye(3, 4), np.arange(6)], [{"apix_x": 5.0, "name": "a", "list": [1, 2]}, {}])
    with h5py.File(tmp_path / "out.hdf") as file:
        images = file["MDF/images"]
        assert images.attrs["imageid_max"] == 1
        first, second = images["0"], images["1"]
        assert first["image"].dtype == np.float32 and first["image"].shape == (3, 4)
        assert [first.attrs[f"EMAN.n{axis}"] for axis in "xyz"] == [4, 3, 1]
        assert [second.attrs[f"EMAN.n{axis}"] for axis in "xyz"] == [6, 1, 1]
        assert first.attrs["EMAN.apix_x"].dtype == np.float32
        assert first.attrs["EMAN.list"].dtype == np.int32
        assert first.attrs["EMAN.name"] == b"a"
        assert first.attrs.get_id("EMAN.name").get_type().get_class() == h5py.h5t.STRING


def test_bad_hdf_files_end_in_one_sentence_that_names_them(tmp_path, volume):
    good = eman2_file(tmp_path / "good.hdf", [np.tile(volume, (8, 8, 8))], compression="gzip").read_bytes()
    (tmp_path / "cut.hdf").write_bytes(good[: len(good) // 2])
    (tmp_path / "torn.hdf").write_bytes(good[:-400] + b"\xff" * 400)
    with h5py.File(tmp_path / "other.hdf", "w") as file:
        file["data"] = volume
    eman2_file(tmp_path / "two.hdf", [volume, volume])
    eman2_file(tmp_path / "unlike.hdf", [volume[0], volume[0, :3]])
    eman2_file(tmp_path / "flat.hdf", [volume[0]])
    eman2_file(tmp_path / "complex.hdf", [volume.astype(np.complex64)])
    eman2_file(tmp_path / "empty.hdf", [])
    for name in ("cut", "other", "two", "unlike", "flat", "complex", "empty"):
        with pytest.raises(TomosegError, match=rf"{name}\.hdf"):
            open_any(tmp_path / f"{name}.hdf")


def test_damaged_chunks_are_told_and_not_read_as_something_else(tmp_path):
    noise = np.random.default_rng(0).normal(size=(6, 40, 50)).astype(np.float32)
    path = eman2_file(tmp_path / "torn.hdf", [noise], chunks=(1, 40, 50), compression="gzip")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = b"\x55" * 64
    path.write_bytes(data)
    with pytest.raises(TomosegError, match=r"torn\.hdf is damaged"):
        open_any(path)


def test_a_missing_file_is_told_as_missing(tmp_path):
    with (
        pytest.raises(TomosegError, match=r"Cannot read .*none\.hdf"),
        open_hdf(tmp_path / "none.hdf"),
    ):
        raise AssertionError("opened")
