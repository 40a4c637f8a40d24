"""Opening tomograms of every kind that the field writes."""

import bz2
import gzip
import itertools

import mrcfile
import numpy as np
import pytest

from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import check_values, open_tomogram, slabs, value_problem


@pytest.mark.parametrize("code", ["i1", "i2", "f4", "u2", "f2"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_mode_is_read_in_either_byte_order(make_mrc, cornered, code, order):
    opened = open_tomogram(make_mrc(cornered.astype(code), order=order))
    assert np.array_equal(opened.data, cornered)
    assert (opened.shape, opened.name, opened.notes) == ((5, 7, 11), "cell", ())
    assert opened.data.dtype.newbyteorder("=") == np.dtype(code)


def test_a_plain_file_is_mapped_and_cannot_be_written_to(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered))
    assert isinstance(opened.data, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        opened.data[0, 0, 0] = 9


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_a_compressed_file_reads_as_the_plain_one(make_mrc, cornered, suffix, pack):
    plain = make_mrc(cornered, extended=b"x" * 96)
    packed = plain.with_name("cell.rec" + suffix)
    packed.write_bytes(pack(plain.read_bytes()))
    opened = open_tomogram(packed)
    assert np.array_equal(opened.data, cornered)
    assert (opened.name, opened.geometry) == ("cell", open_tomogram(plain).geometry)
    assert not opened.data.flags.writeable


@pytest.mark.parametrize("suffix", [".mrc", ".rec", ".MAP", ".mrcs", ".st"])
def test_the_suffix_is_not_part_of_the_name(make_mrc, cornered, suffix):
    assert open_tomogram(make_mrc(cornered, f"grid 2.cell{suffix}")).name == "grid 2.cell"


@pytest.mark.parametrize("axes", list(itertools.permutations((1, 2, 3))))
def test_stored_axis_orders_are_put_right(make_mrc, cornered, axes):
    """mapc, mapr, maps = `axes`: columns run along axis mapc, and so on. nstart follows them, the cell does not."""
    column, row, section = (3 - axis for axis in axes)  # array axes of [z, y, x]
    stored = cornered.transpose(section, row, column)
    starts = {1: 10, 2: -20, 3: 30}
    path = make_mrc(
        stored,
        **dict(zip(("mapc", "mapr", "maps"), axes, strict=True)),
        **{name: starts[axis] for name, axis in zip(("nxstart", "nystart", "nzstart"), axes, strict=True)},
        **{"mx": 11, "my": 7, "mz": 5, "cella": (11 * 1.5, 7 * 2.5, 5 * 3.5)},
    )
    opened = open_tomogram(path)
    assert np.array_equal(opened.data, cornered)
    assert opened.geometry == Geometry((1.5, 2.5, 3.5), nstart=(10, -20, 30))
    assert bool(opened.notes) == (axes != (1, 2, 3))


def test_emdb_3001_lies_where_its_header_puts_it(shared_mrc):
    opened = open_tomogram(shared_mrc / "EMD-3001.map")
    assert opened.shape == (73, 25, 43)
    assert opened.geometry.nstart == (-21, -12, 0)
    assert opened.geometry.voxel_size == pytest.approx((17.93 / 40, 4.71 / 12, 33.03 / 72), rel=1e-6)
    with mrcfile.open(shared_mrc / "EMD-3001.map") as stored:  # as stored: [y, x, z]
        assert opened.data[70, 3, 40] == stored.data[3, 40, 70]


@pytest.mark.parametrize("name", ["EMD-3001.map", "EMD-3197.map"])
def test_emdb_maps_are_the_same_plain_and_compressed(shared_mrc, name):
    plain = open_tomogram(shared_mrc / name)
    zipped = open_tomogram(shared_mrc / (name.lower().replace("-", "_") + ".gz"))
    for packed in (zipped, open_tomogram(shared_mrc / (name + ".bz2"))):
        assert np.array_equal(packed.data, plain.data)
        assert packed.geometry == plain.geometry


def test_emdb_3197_keeps_its_start_and_labels(shared_mrc):
    opened = open_tomogram(shared_mrc / "EMD-3197.map")
    assert opened.geometry == Geometry((11.4, 11.4, 11.4), nstart=(-2, 0, 0))
    assert opened.labels[0] == "::::EMDATABANK.org::::EMD-3197::::"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("flags", "expected"), [(None, "i1"), (1, "i1"), (0, "u1"), (4, "u1"), (5, "i1")])
def test_bytes_are_unsigned_where_imod_says_so(make_mrc, cornered, order, flags, expected):
    opened = open_tomogram(make_mrc(cornered.astype("i1") - 6, order=order, imod_flags=flags))
    assert opened.data.dtype == np.dtype(expected)
    assert opened.data[0, 0, 2] == (253 if expected == "u1" else -3)


def test_bytes_are_unsigned_where_the_header_has_a_maximum_no_signed_byte_reaches(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered.astype("u1") + 200, dmin=200, dmax=205))
    assert opened.data.max() == 205
    assert "unsigned" in opened.notes[0]


def test_voxel_size_origin_and_start_are_kept(make_mrc, cornered):
    path = make_mrc(cornered, cella=(11 * 10.52, 7 * 10.52, 5 * 21.04), origin=(-512, 0.5, 3), nystart=-4)
    geometry = open_tomogram(path).geometry
    assert geometry == Geometry((10.52, 10.52, 21.04), (-512, 0.5, 3), (0, -4, 0))
    assert geometry.voxel_size_known


@pytest.mark.parametrize("fields", [{"cella": (0, 0, 0)}, {"cella": (11, 7, 5)}, {"mx": 0}, {"cella": (np.nan, 7, 5)}])
def test_a_voxel_size_of_0_or_1_is_unknown(make_mrc, cornered, fields):
    assert not open_tomogram(make_mrc(cornered, **fields)).geometry.voxel_size_known


def test_the_cell_counts_in_intervals_not_in_voxels(make_mrc, cornered):
    """A map cut out of a larger cell (EMDB does so) has mx unlike nx."""
    path = make_mrc(cornered, mx=20, my=20, mz=20, cella=(50, 60, 70))
    assert open_tomogram(path).geometry.voxel_size == (2.5, 3.0, 3.5)


def test_an_extended_header_is_skipped(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered, extended=b"\x07" * 1312, exttyp=b"SERI"))
    assert np.array_equal(opened.data, cornered)


def test_a_wrong_machine_stamp_is_repaired_and_said(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered, order=">", machst=(0x44, 0x44, 0, 0)))
    assert np.array_equal(opened.data, cornered)
    assert opened.notes == ("The machine stamp tells the wrong byte order: the one that fits the dimensions was used.",)


def test_an_unknown_machine_stamp_is_repaired_even_where_the_mode_reads_alike(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered.astype("i1"), order=">", machst=(0, 0, 0, 0)))
    assert np.array_equal(opened.data, cornered)
    assert len(opened.notes) == 1


def test_a_header_without_map_is_read_where_its_dimensions_fit_and_said(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered, map=b"", origin=(1e30, 2, 3)))
    assert np.array_equal(opened.data, cornered)
    assert opened.geometry.origin == (0, 0, 0)
    assert "MAP" in opened.notes[0]


def test_an_impossible_axis_order_is_taken_as_the_usual_one_and_said(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered, mapc=1, mapr=1, maps=7))
    assert np.array_equal(opened.data, cornered)
    assert opened.notes == ("The axis order 1, 1, 7 is impossible: 1, 2, 3 was used.",)
    assert open_tomogram(make_mrc(cornered, mapc=0, mapr=0, maps=0)).notes == ()


def test_a_little_padding_is_ignored_and_said(make_mrc, cornered):
    path = make_mrc(cornered)
    path.write_bytes(path.read_bytes() + b"pad")
    opened = open_tomogram(path)
    assert opened.notes == ("3 bytes after the last voxel were ignored.",)
    assert np.array_equal(opened.data, cornered)


def test_skewed_cells_and_bad_origins_are_said(make_mrc, cornered):
    opened = open_tomogram(make_mrc(cornered, cellb=(90, 105.3, 90), origin=(np.nan, 0, 0)))
    assert len(opened.notes) == 2
    assert opened.geometry.origin == (0, 0, 0)


def test_slabs_cover_the_volume_in_native_order(make_mrc, cornered):
    data = open_tomogram(make_mrc(cornered, order=">")).data
    parts = list(slabs(data, 2))
    assert [z0 for z0, _ in parts] == [0, 2, 4]
    assert np.array_equal(np.concatenate([slab for _, slab in parts]), cornered)
    assert all(slab.dtype.isnative and slab.flags.c_contiguous for _, slab in parts)
    with pytest.raises(ValueError, match="at least 1 slice"):
        next(slabs(data, 0))


def test_useless_values_are_named():
    volume = np.zeros((5, 7, 11), np.float32)
    assert "constant" in value_problem(volume)
    assert "is 3" in value_problem(np.full((5, 7, 11), 3, np.int16))
    volume[4, 6, 10] = 1
    assert value_problem(volume) is None
    volume[0, 0, :2] = np.nan, np.inf
    assert "holds 2 voxels without a number" in value_problem(volume)
    assert "holds 385 voxels" in value_problem(np.full((5, 7, 11), np.nan, np.float16))


def test_the_values_of_a_file_are_checked_with_its_name(make_mrc, cornered):
    check_values(open_tomogram(make_mrc(cornered)))
    with pytest.raises(TomosegError, match=r"flat\.mrc is constant \(every voxel is 0\)"):
        check_values(open_tomogram(make_mrc(cornered * 0, "flat.mrc")))
