"""Files that are damaged, hostile or simply something else: one sentence, and no memory spent."""

import bz2
import gzip
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomo import mrc
from tomo.errors import TomosegError
from tomo.mrc import open_tomogram

from .conftest import mrc_bytes

VOLUME = np.arange(5 * 7 * 11, dtype=np.int16).reshape(5, 7, 11)


def refusal(path) -> str:
    """The sentence that opening `path` gives, which must name the file and be one line; costs no memory."""
    tracemalloc.start()
    try:
        with pytest.raises(TomosegError) as caught:
            open_tomogram(path)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
    sentence = str(caught.value)
    assert path.name in sentence
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return sentence


def test_a_truncated_file_is_refused(make_mrc):
    path = make_mrc(VOLUME)
    path.write_bytes(path.read_bytes()[:-1])
    assert "is truncated" in refusal(path)
    path.write_bytes(path.read_bytes()[:1024])
    assert "1794 bytes in all, but only 1024 are there" in refusal(path)


@pytest.mark.parametrize(("name", "side"), [("nx", 10), ("ny", 6), ("nz", 4)])
def test_a_header_with_a_side_too_small_is_refused(make_mrc, name, side):
    assert "disagree" in refusal(make_mrc(VOLUME, **{name: side}))


@pytest.mark.parametrize(("name", "side"), [("nx", 12), ("nz", 2**31 - 1), ("nsymbt", 2**31 - 1), ("nsymbt", 1024)])
def test_a_header_that_promises_more_than_is_there_is_refused(make_mrc, name, side):
    assert "is truncated" in refusal(make_mrc(VOLUME, **{name: side}))


def test_the_largest_dimensions_cost_no_memory(make_mrc):
    assert "is truncated" in refusal(make_mrc(VOLUME, nx=2**31 - 1, ny=2**31 - 1, nz=2**31 - 1))


@pytest.mark.parametrize("fields", [{"nx": -11}, {"ny": 0}, {"nz": -(2**31)}])
def test_negative_dimensions_are_refused(make_mrc, fields):
    assert "impossible dimensions" in refusal(make_mrc(VOLUME, **fields))


def test_a_negative_extended_header_is_refused(make_mrc):
    assert "extended header of -5 bytes" in refusal(make_mrc(VOLUME, nsymbt=-5))


@pytest.mark.parametrize(
    ("mode", "word"), [(3, "complex"), (4, "complex"), (16, "colour"), (101, "4-bit"), (77, "unknown MRC mode 77")]
)
def test_modes_that_are_no_real_numbers_are_refused(make_mrc, mode, word):
    assert word in refusal(make_mrc(VOLUME, mode=mode))


def test_imods_packed_bytes_are_refused(make_mrc):
    assert "4-bit" in refusal(make_mrc(VOLUME.astype("i1"), imod_flags=16))


@pytest.mark.parametrize("shape", [(1, 7, 11), (5, 1, 11), (5, 7, 1)])
def test_one_image_is_no_tomogram(make_mrc, shape):
    path = make_mrc(np.ones(shape, np.float32))
    assert "is a single 2D image" in refusal(path)
    assert open_tomogram(path, single_slice=True).shape == shape


def test_a_stack_of_volumes_is_refused(make_mrc):
    assert "several volumes" in refusal(make_mrc(VOLUME[:4], ispg=401, mz=2))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "no MRC file"),
        (b"A line of text, and another one.\n" * 100, "no MRC file"),
        (b"\0" * 5000, "no MRC file"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 3000, "no MRC file"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_what_is_no_mrc_file_is_refused(tmp_path, content, words, pack):
    path = tmp_path / {bytes: "notes.mrc", gzip.compress: "notes.mrc.gz", bz2.compress: "notes.mrc.bz2"}[pack]
    path.write_bytes(pack(content))
    assert words in refusal(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    assert "is a folder" in refusal(tmp_path)
    assert "it is not there: check its name" in refusal(tmp_path / "gone.mrc")
    assert "it is not there: check its name" in refusal(tmp_path / "gone.mrc.gz")


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_damaged_compressed_files_are_refused(tmp_path, suffix, pack):
    packed = pack(mrc_bytes(VOLUME))
    path = tmp_path / f"cell.mrc{suffix}"
    path.write_bytes(packed[:-20])
    assert "damaged" in refusal(path)
    path.write_bytes(mrc_bytes(VOLUME))
    assert "damaged" in refusal(path)
    path.write_bytes(pack(mrc_bytes(VOLUME)[:-2]))
    assert "is truncated" in refusal(path)
    path.write_bytes(pack(mrc_bytes(VOLUME) + b"\0" * 4096))
    assert "disagree" in refusal(path)


def test_a_flipped_bit_in_a_gzip_file_is_noticed(tmp_path):
    packed = bytearray(gzip.compress(mrc_bytes(VOLUME), compresslevel=0))
    packed[-100] ^= 1
    path = tmp_path / "cell.mrc.gz"
    path.write_bytes(packed)
    assert "damaged" in refusal(path)


def test_a_compressed_header_that_promises_gigabytes_costs_no_memory(tmp_path):
    path = tmp_path / "bomb.mrc.gz"
    path.write_bytes(gzip.compress(mrc_bytes(VOLUME, nx=1000, ny=1000, nz=1000)))
    assert "is truncated" in refusal(path)
    path.write_bytes(gzip.compress(mrc_bytes(VOLUME, nx=100000, ny=100000, nz=100000)))
    assert "unpack it first" in refusal(path)


def test_the_bound_on_compressed_files_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(mrc, "MAX_COMPRESSED_BYTES", 1500)
    path = tmp_path / "cell.mrc.gz"
    path.write_bytes(gzip.compress(mrc_bytes(VOLUME)))
    assert "unpack it first" in refusal(path)


def test_a_file_that_may_not_be_read_is_refused(make_mrc, monkeypatch):
    path = make_mrc(VOLUME)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", refuse)
    assert "it may not be read" in refusal(path)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1023), st.integers(0, 255)), min_size=1, max_size=12))
def test_any_damage_to_the_header_gives_a_volume_or_a_sentence(tmp_path_factory, damage):
    raw = bytearray(mrc_bytes(VOLUME))
    for place, value in damage:
        raw[place] = value
    path = tmp_path_factory.mktemp("damage") / "cell.mrc"
    path.write_bytes(raw)
    try:
        opened = open_tomogram(path)
    except TomosegError as error:
        assert "cell.mrc" in str(error)
    else:
        assert opened.data.size * opened.data.itemsize <= len(raw)
        assert np.isfinite(opened.geometry.voxel_size + opened.geometry.origin).all()
