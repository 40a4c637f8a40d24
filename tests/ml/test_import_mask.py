"""Masks and maps of other programs, as they come: into the project, in the tomogram's geometry."""

import h5py
import numpy as np
import pytest
import tifffile

from ml.import_mask import Options, clean_name, run
from ml.report import Silent
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.label_table import LabelEntry, label_table_path, load_label_table, save_label_table
from tomo.mrc import open_tomogram, write_mrc
from tomo.project import Project, TomogramEntry

SHAPE = (5, 17, 23)
GEOMETRY = Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))


class Log(Silent):
    def __init__(self):
        self.lines = []

    def log(self, message):
        self.lines.append(message)


@pytest.fixture
def project(tmp_path):
    """A project with the tomogram "cell"."""
    made = Project.create(tmp_path / "project")
    write_mrc(made.tomogram_path("cell"), np.zeros(SHAPE, np.float32), GEOMETRY)
    made.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc", voxel_size=GEOMETRY.voxel_size, shape=SHAPE))
    return made


def labels(*values):
    """One block per value, in one corner; int16 [z, y, x]."""
    volume = np.zeros(SHAPE, np.int16)
    for number, value in enumerate(values):
        volume[1:3, 2:6, 2 + 5 * number : 5 + 5 * number] = value
    return volume


def ramp():
    """A map from 0 to 1 that rises along x and fades along y, float32 [z, y, x]."""
    _, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return ((x / 22) * (y > 3)).astype(np.float32)


def bring(project, path, **more):
    log = Log()
    return run(Options(path, project.folder, "cell", **more), log), log.lines


def written(result):
    from pathlib import Path

    return open_tomogram(Path(result["path"]))


@pytest.mark.parametrize("suffix", [".mrc", ".hdf", ".tif"])
def test_labels_keep_voxels_and_get_the_tomograms_place(project, tmp_path, suffix):
    path, volume = tmp_path / f"cell__organelles{suffix}", labels(1, 4)
    if suffix == ".mrc":
        write_mrc(path, volume.astype(np.int8), Geometry((10.0, 10.0, 10.0)))  # Ais and others lose the origin
    elif suffix == ".tif":
        tifffile.imwrite(path, volume.astype(np.uint8))
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("MDF/images/0/image", data=volume.astype(np.float32))
    result, _ = bring(project, path)
    assert (result["kind"], result["path"]) == ("labels", str(project.folder / "masks" / "cell__organelles.mrc"))
    mask = written(result)
    np.testing.assert_array_equal(mask.data, volume)
    assert mask.geometry == GEOMETRY and mask.data.dtype == np.int8
    assert [(one["value"], one["name"]) for one in result["labels"]] == [(1, "label 1"), (4, "label 4")]


def test_names_and_colours_come_from_the_table_else_from_the_file(project, tmp_path):
    path = tmp_path / "cell__organelles.mrc"
    write_mrc(path, labels(1, 2).astype(np.int8), GEOMETRY)
    save_label_table(label_table_path(path), [LabelEntry(1, "er", "#123456"), LabelEntry(2, "golgi", "#654321")])
    result, _ = bring(project, path)
    assert [(one["name"], one["colour"]) for one in result["labels"]] == [("er", "#123456"), ("golgi", "#654321")]
    binary = tmp_path / "cell_MemBrain_seg_v10_alpha.ckpt_segmented.mrc"
    write_mrc(binary, (labels(1) > 0).astype(np.float32), Geometry())  # as MemBrain-seg does, without a voxel size
    project.add_feature("membrane", "#abcdef")
    result, _ = bring(project, binary)
    assert [(one["name"], one["colour"]) for one in result["labels"]] == [("membrane", "#abcdef")]
    assert load_label_table(label_table_path(project.folder / "masks" / "cell__membrane.mrc"))[0].name == "membrane"


@pytest.mark.parametrize(
    ("name", "values", "expected", "threshold"),
    [
        ("cell__er.mrc", lambda: (ramp() * 255).astype(np.uint16), ramp, 0.5),  # Ais
        ("cell__er.mrc", lambda: (ramp() * 127).astype(np.int8), ramp, 0.5),  # easymode
        ("cell__er.mrc", ramp, ramp, 0.5),
        ("cell__er.mrc", lambda: 1.6 * ramp() - 0.2, lambda: np.maximum(1.6 * ramp() - 0.2, 0), 0.8),  # amplitude units
        ("cell__er.mrc", lambda: 300 * ramp(), ramp, 0.5),
        ("cell_scores.mrc", lambda: 8 * ramp() - 4, lambda: 1 / (1 + np.exp(4 - 8 * ramp())), 0.5),  # MemBrain's logits
    ],
)
def test_a_map_comes_in_units_in_which_1_is_certain(project, tmp_path, name, values, expected, threshold):
    write_mrc(tmp_path / name, values(), Geometry((10.0, 10.0, 10.0)))
    result, _ = bring(project, tmp_path / name)
    assert (result["kind"], result["threshold"]) == ("map", pytest.approx(threshold))
    assert result["path"] == str(project.segmentation_path("cell", result["feature"]))
    np.testing.assert_allclose(written(result).data, expected(), atol=0.01)
    assert written(result).geometry == GEOMETRY


def test_objects_numbered_one_by_one_are_labels_and_no_map(project, tmp_path):
    volume = np.zeros(SHAPE, np.int16)
    for number in range(20):
        volume[:, 2 * (number // 5) : 2 * (number // 5) + 2, 4 * (number % 5) : 4 * (number % 5) + 4] = number + 1
    write_mrc(tmp_path / "cell__vesicles.mrc", volume, GEOMETRY)
    result, _ = bring(project, tmp_path / "cell__vesicles.mrc")
    assert (result["kind"], len(result["labels"])) == ("labels", 20)


def test_the_same_import_again_replaces_but_what_was_made_here_stays(project, tmp_path):
    own = project.folder / "masks" / "cell__mask.mrc"
    write_mrc(own, labels(1).astype(np.int8), GEOMETRY, ["Tomoseg mask of 1 features"])
    before = own.read_bytes()
    write_mrc(tmp_path / "cell__mask.mrc", labels(1, 2).astype(np.int8), GEOMETRY)
    first, _ = bring(project, tmp_path / "cell__mask.mrc")
    again, _ = bring(project, tmp_path / "cell__mask.mrc")
    assert first["path"] == again["path"] == str(own.with_name("cell__mask-2.mrc")) and own.read_bytes() == before
    write_mrc(project.segmentation_path("cell", "er"), ramp(), GEOMETRY)
    write_mrc(tmp_path / "cell__er.mrc", ramp(), GEOMETRY)
    with pytest.raises(TomosegError, match="is a map of er that was made here"):
        bring(project, tmp_path / "cell__er.mrc")


def _many():
    return np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32)


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (lambda: np.zeros((5, 17, 22), np.int8), "auto", "has 22 × 17 × 5 voxels and cell has 23 × 17 × 5"),
        (lambda: np.zeros(SHAPE, np.int8), "auto", "holds no label"),
        (lambda: np.zeros(SHAPE, np.float32), "map", "is nowhere above 0"),
        (_many, "auto", "more than 1000 different labels"),
        (lambda: 60 * _many(), "labels", "too large for labels"),
        (ramp, "labels", "holds fractions, so it is a map"),
        (lambda: -labels(1).astype(np.int8), "auto", r"holds negative values \(-1\)"),
        (lambda: np.where(labels(1), np.nan, 0).astype(np.float32), "auto", "no numbers"),
    ],
)
def test_what_is_neither_is_refused_in_one_sentence_and_leaves_nothing(project, tmp_path, values, kind, words):
    write_mrc(tmp_path / "cell__odd.mrc", values(), GEOMETRY)
    files = sorted(project.folder.rglob("*.*"))
    with pytest.raises(TomosegError, match=words) as caught:
        bring(project, tmp_path / "cell__odd.mrc", kind=kind)
    assert str(tmp_path / "cell__odd.mrc") in str(caught.value) and str(caught.value).count(". ") == 0
    assert sorted(project.folder.rglob("*.*")) == files


def test_a_voxel_size_that_does_not_fit_is_told_and_the_tomograms_is_kept(project, tmp_path):
    write_mrc(tmp_path / "cell__er.mrc", labels(1).astype(np.int8), Geometry((1.5, 1.5, 1.5)))
    result, lines = bring(project, tmp_path / "cell__er.mrc")
    assert "says voxels of 1.5 Å and cell of 10 Å" in lines[0] and written(result).geometry == GEOMETRY


@pytest.mark.parametrize(
    ("name", "cleaned"), [("b(1)", "b 1"), ("%%", "imported"), ("x.", "x"), ("../../evil", "evil"), ("a__b", "a_b")]
)
def test_a_name_from_elsewhere_becomes_one_that_files_can_carry(name, cleaned):
    assert clean_name(name) == cleaned


def test_names_of_a_foreign_table_never_leave_the_folder_and_stay_apart(project, tmp_path):
    path = tmp_path / "cell__organelles.mrc"
    write_mrc(path, labels(1, 2).astype(np.int8), GEOMETRY)
    save_label_table(label_table_path(path), [LabelEntry(1, "../er", "#123456"), LabelEntry(2, "er", "#654321")])
    result, _ = bring(project, path)
    assert [one["name"] for one in result["labels"]] == ["er", "er 2"]
