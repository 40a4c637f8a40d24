"""The verb `import`: from a file to a preprocessed tomogram of a project."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from ml.cli import main
from ml.import_tomogram import Options, describe, run
from ml.preprocess import preprocess_array
from ml.report import Cancelled, Silent
from tomo.boxes import POSITIVE, Box
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import open_tomogram, write_mrc
from tomo.preprocessing import NO_FILTER, Preprocessing, preprocessing_of
from tomo.project import Project

GEOMETRY = Geometry((4.0, 4.0, 4.0), nstart=(3, 4, 5))


@pytest.fixture
def volume():
    """Noise [z=13, y=27, x=31] with a bright object in one corner."""
    array = np.random.default_rng(0).normal(size=(13, 27, 31)).astype(np.float32)
    array[1:4, 2:5, 24:29] += 20
    return array


@pytest.fixture
def source(tmp_path, volume):
    path = tmp_path / "raw" / "cell1.mrc"
    write_mrc(path, volume, GEOMETRY, ["From the microscope"])
    return path


def bring_in(source, folder, **settings):
    return run(Options(files=(source,), project=folder, **settings), Silent())["tomograms"][0]


def test_the_result_is_the_preprocessed_tomogram_with_its_geometry_and_a_label(tmp_path, source, volume):
    before = source.read_bytes()
    result = bring_in(source, tmp_path / "project")
    tomogram = open_tomogram(Path(result["path"]))
    np.testing.assert_allclose(tomogram.data, preprocess_array(volume, Preprocessing()), atol=1e-5)
    assert tomogram.geometry == GEOMETRY
    assert preprocessing_of(tomogram.labels) == Preprocessing()
    assert "From the microscope" in tomogram.labels
    assert source.read_bytes() == before
    entry = Project.open(tmp_path / "project").tomogram("cell1")
    assert (entry.shape, entry.shrink, entry.variant, entry.family) == ((13, 27, 31), 1, "raw", "cell1")
    assert entry.source == str(source)


def test_the_object_in_the_corner_stays_there_through_shrink_and_filters(tmp_path, source):
    result = bring_in(source, tmp_path / "project", shrink=2, filter=False)
    tomogram = open_tomogram(Path(result["path"]))
    assert (result["name"], tomogram.shape) == ("cell1_bin2", (6, 13, 15))
    z, y, x = np.argwhere(tomogram.data > 2.9).mean(axis=0)
    assert (z, y, x) == pytest.approx((1.0, 1.5, 13.0), abs=0.6)
    assert tomogram.geometry.voxel_size == (8.0, 8.0, 8.0)
    assert tomogram.geometry.place == pytest.approx(GEOMETRY.place)
    assert preprocessing_of(tomogram.labels) == NO_FILTER


def test_bins_and_variants_of_one_tomogram_know_each_other(tmp_path, source, volume):
    folder = tmp_path / "project"
    bring_in(source, folder)
    bring_in(source, folder, shrink=3)
    denoised = source.with_name("cell1_denoised.mrc")
    write_mrc(denoised, volume * 0.5, GEOMETRY)
    bring_in(denoised, folder, variant="denoised")
    family = [(entry.name, entry.shrink, entry.variant) for entry in Project.open(folder).family("cell1")]
    assert family == [("cell1", 1, "raw"), ("cell1_bin3", 3, "raw"), ("cell1_denoised", 1, "denoised")]


def test_a_variant_of_another_shape_is_refused_before_it_is_written(tmp_path, source, volume):
    folder = tmp_path / "project"
    bring_in(source, folder)
    other = source.with_name("other.mrc")
    write_mrc(other, volume[:, :20], GEOMETRY)
    with pytest.raises(TomosegError, match="no bins or variants of one tomogram"):
        bring_in(other, folder, name="cell1", variant="denoised")
    assert [path.name for path in (folder / "tomograms").iterdir()] == ["cell1.mrc"]


def test_bytes_can_be_imported_inverted_with_a_voxel_size_of_the_users(tmp_path, volume):
    path = tmp_path / "bytes.mrc"
    write_mrc(path, np.clip(volume * 5, -128, 127).astype(np.int8), Geometry())
    result = bring_in(path, tmp_path / "project", invert=True, voxel_size=6.5)
    tomogram = open_tomogram(Path(result["path"]))
    assert tomogram.data[2, 3, 26] < -2
    assert tomogram.geometry.voxel_size == (6.5, 6.5, 6.5)
    assert preprocessing_of(tomogram.labels).invert


def test_eman2_hdf_and_tiff_come_in_too(tmp_path, volume):
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        image = file.create_group("MDF/images/0")
        image["image"] = volume
        for axis in "xyz":
            image.attrs[f"EMAN.apix_{axis}"] = np.float32(5)
    tifffile.imwrite(tmp_path / "b.tif", volume, photometric="minisblack")
    run(Options(files=(tmp_path / "a.hdf", tmp_path / "b.tif"), project=tmp_path / "p"), Silent())
    first, second = (open_tomogram(tmp_path / "p" / "tomograms" / name) for name in ("a.mrc", "b.mrc"))
    np.testing.assert_allclose(first.data, second.data, atol=1e-6)
    assert first.geometry.voxel_size == (5.0, 5.0, 5.0)
    assert not second.geometry.voxel_size_known


def test_a_tomogram_before_imods_rotation_is_told_and_turned_when_asked(tmp_path, volume):
    path = tmp_path / "full.rec"
    write_mrc(path, volume.transpose(1, 0, 2), GEOMETRY)  # [z=27, y=13, x=31]
    assert "--rotate-x" in " ".join(bring_in(path, tmp_path / "p")["notes"])
    turned = bring_in(path, tmp_path / "q", rotate_x=True)
    assert (turned["shape"], turned["notes"]) == ([13, 27, 31], [])
    expected = preprocess_array(volume[::-1], Preprocessing())
    np.testing.assert_allclose(open_tomogram(Path(turned["path"])).data, expected, atol=1e-5)


def test_importing_again_replaces_but_another_file_of_that_name_is_refused(tmp_path, source, volume):
    folder = tmp_path / "project"
    bring_in(source, folder)
    bring_in(source, folder, invert=True)
    assert len(Project.open(folder).tomograms()) == 1
    twin = tmp_path / "elsewhere" / "cell1.mrc"
    write_mrc(twin, volume, GEOMETRY)
    with pytest.raises(TomosegError, match="another --name"):
        bring_in(twin, folder)
    with pytest.raises(TomosegError, match="in this project already"):
        bring_in(folder / "tomograms" / "cell1.mrc", folder)


def test_boxes_are_never_put_on_a_tomogram_of_another_shape(tmp_path, source):
    folder = tmp_path / "project"
    bring_in(source, folder)
    Project.open(folder).save_boxes([Box("cell1", "actin", POSITIVE, (8, 8, 2), 8)])
    bring_in(source, folder, invert=True)  # the same shape is no harm
    with pytest.raises(TomosegError, match="has boxes"):
        bring_in(source, folder, rotate_x=True)


def test_one_bad_file_keeps_no_other_from_being_imported(tmp_path, source, volume, capsys):
    bad = tmp_path / "bad.mrc"
    write_mrc(bad, volume, GEOMETRY)
    bad.write_bytes(bad.read_bytes()[:3000])
    folder = tmp_path / "project"
    assert main(["import", str(bad), str(source), "--project", str(folder)]) == 1
    assert "bad.mrc" in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in (folder / "tomograms").iterdir()] == ["cell1.mrc"]


def nan(array):
    array[-1, -1, -1] = np.nan
    return array


BAD = {
    "constant.mrc": lambda array: np.full_like(array, 3),
    "numbers.mrc": nan,
    "flat.mrc": lambda array: array[:1],
}


@pytest.mark.parametrize("name", BAD)
def test_a_useless_volume_ends_in_one_sentence_and_leaves_nothing(tmp_path, volume, capsys, name):
    write_mrc(tmp_path / name, BAD[name](volume), GEOMETRY)
    folder = tmp_path / "project"
    assert main(["import", str(tmp_path / name), "--project", str(folder)]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and name in lines[0]
    assert not folder.exists()


@pytest.mark.parametrize(
    "words", [["--shrink", "0"], ["--shrink", "9"], ["--voxel-size", "-1"], ["--name", "a/b"], ["--lowpass", "nan"]]
)
def test_an_impossible_option_ends_in_one_sentence_and_leaves_nothing(tmp_path, source, capsys, words):
    assert main(["import", str(source), "--project", str(tmp_path / "project"), *words]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "project").exists()


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, source, monkeypatch, capsys):
    monkeypatch.setattr("tomo.files.shutil.disk_usage", lambda place: type("Usage", (), {"free": 100}))
    assert main(["import", str(source), "--project", str(tmp_path / "project")]) == 1
    assert "free some space" in capsys.readouterr().err
    assert not (tmp_path / "project").exists()


def test_the_json_line_tells_what_was_made(tmp_path, source, capsys):
    assert main(["import", str(source), "--project", str(tmp_path / "p"), "--no-filter", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["tomograms"][0]["preprocessing"] == "no low-pass, no high-pass, normalised, clamped at 3 σ"
    assert "31 × 27 × 13 voxels" in describe(result)


@pytest.mark.parametrize(
    "content", [b"", b"only text, no tomogram\n" * 100, b"\x89HDF\r\n\x1a\n", b"II*\0\xff\xff\xff\xff"]
)
def test_files_that_are_no_tomograms_are_one_sentence_and_leave_nothing(tmp_path, capsys, content):
    (tmp_path / "cell.rec").write_bytes(content)
    assert main(["import", str(tmp_path / "cell.rec"), "--project", str(tmp_path / "project")]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "cell.rec" in lines[0]
    assert not (tmp_path / "project").exists()


def test_a_project_folder_that_cannot_be_made_is_one_sentence(tmp_path, source, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["import", str(source), "--project", str(tmp_path / "file" / "project")]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "choose another folder" in lines[0]


def test_a_cancelled_import_leaves_no_half_written_tomogram(tmp_path, source):
    class Impatient(Silent):
        def progress(self, fraction, message):
            if "Importing" in message:
                raise Cancelled

    with pytest.raises(Cancelled):
        run(Options(files=(source,), project=tmp_path / "project"), Impatient())
    assert not list(tmp_path.glob("project/**/*.mrc*"))
