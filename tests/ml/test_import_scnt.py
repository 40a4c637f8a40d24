"""Training sets of Ais come into a project: boxes and labels where Ais had them, and nothing from a hostile file."""

import io
import json
import tarfile

import mrcfile
import numpy as np
import pytest

from ml.cli import main
from ml.import_scnt import Options, run
from ml.report import Silent
from ml.scnt import open_scnt
from tomo.boxes import NEGATIVE, POSITIVE
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import IGNORE, load_label
from tomo.mrc import write_mrc
from tomo.project import Project, TomogramEntry

SHAPE = (7, 40, 56)


@pytest.fixture
def project(tmp_path):
    """A project with the tomogram that Ais boxed."""
    made = Project.create(tmp_path / "project")
    data = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    write_mrc(made.tomogram_path("cell"), data, Geometry((10.0,) * 3))
    made.add_tomogram(
        TomogramEntry("cell", "tomograms/cell.mrc", source="/data/cell.mrc", shape=SHAPE, voxel_size=(10.0,) * 3)
    )
    return made


def mrc_bytes(array, folder):
    """The bytes of an MRC file as the mrcfile library writes it, which is what Ais uses."""
    with mrcfile.new(folder / "box.mrc", overwrite=True) as mrc:
        mrc.set_data(np.ascontiguousarray(array, np.float32))
        mrc.voxel_size = 10.0
    return (folder / "box.mrc").read_bytes()


def source(z, y, x, side=16, feature="mito", tomogram="cell", negative=False):
    return {
        "aisTomogramName": tomogram,
        "aisTomogramPath": "/somewhere/cell.mrc",
        "aisBoxCoordinateZ": z,
        "aisBoxCoordinateY": y,
        "aisBoxCoordinateX": x,
        "aisBoxSizeAnnotate": side,
        "aisBoxSizeExtracted": side,
        "aisFeatureName": feature,
        "aisNegative": negative,
    }


def corner_label(side=16):
    """Feature in the corner of the low rows and columns, ignored in the last column."""
    label = np.zeros((side, side), np.float32)
    label[1:4, 2:6] = 1
    label[:, -1] = 2
    return label


def scnt(path, boxes, extra=(), metadata=None, sources=None):
    """A training set in Ais' layout. boxes: (name, source, label). extra: further tar members (info, content)."""
    facts = {"format_version": 1, "apix": 10.0, "box_size": 16, "annotated_flavour": "x_main", **(metadata or {})}
    files = {
        "metadata.json": json.dumps(facts).encode(),
        "sources.json": json.dumps(sources or {name: source for name, source, _ in boxes}).encode(),
    }
    for name, _, label in boxes:
        files[f"x_main/{name}.mrc"] = mrc_bytes(np.zeros((1, *label.shape)), path.parent)
        files[f"y/{name}.mrc"] = mrc_bytes(label, path.parent)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info, content in extra:
            tar.addfile(info, io.BytesIO(content) if content else None)
    return path


@pytest.fixture
def usual(tmp_path):
    """A positive box in a corner, one over the border, a negative one, and one of another feature."""
    return scnt(
        tmp_path / "set.scnt",
        [
            ("aa", source(2, 10, 12), corner_label()),
            ("bb", source(2, 36, 52), corner_label()),
            ("cc", source(5, 20, 30, negative=True), np.zeros((16, 16), np.float32)),
            ("dd", source(5, 20, 30, feature="actin"), corner_label()),
        ],
    )


def imported(project, path, **options):
    return run(Options(path, project.folder, "cell", "mito", **options), Silent())


def test_boxes_and_labels_lie_where_ais_had_them(project, usual):
    result = imported(project, usual)
    assert (result[POSITIVE], result[NEGATIVE], result["slices"]) == (2, 1, [2, 5])
    boxes = {box.centre: box for box in project.boxes()}
    assert boxes[12, 10, 2].kind == POSITIVE
    assert boxes[12, 10, 2].size == 16
    assert boxes[30, 20, 5].kind == NEGATIVE
    label = load_label(project.label_path("cell", "mito", 2), SHAPE[1:])
    expected = np.zeros(SHAPE[1:], np.int8)
    expected[3:6, 6:10] = 1  # the first box begins at y 2, x 4
    expected[2:18, 19] = IGNORE
    expected[29:32, 46:50] = 1  # the second at y 28, x 44: its last rows and columns lie outside
    np.testing.assert_array_equal(label, expected)


def test_a_second_import_adds_nothing_and_keeps_what_was_painted(project, usual):
    imported(project, usual)
    before = project.label_path("cell", "mito", 2).read_bytes()
    assert imported(project, usual)["added"] == 0
    assert project.label_path("cell", "mito", 2).read_bytes() == before
    assert len(project.boxes()) == 3


def test_what_one_box_ignores_another_may_have_annotated(project, tmp_path):
    path = scnt(
        tmp_path / "set.scnt",
        [("aa", source(2, 10, 12), corner_label()), ("bb", source(2, 10, 18), np.zeros((16, 16), np.float32))],
    )
    imported(project, path)
    label = load_label(project.label_path("cell", "mito", 2), SHAPE[1:])
    assert not (label == IGNORE).any()
    assert (label == 1).sum() == 12


def test_boxes_of_the_unshrunk_tomogram_and_binned_ones_fit(project, tmp_path):
    path = scnt(tmp_path / "set.scnt", [("aa", source(5, 20, 24, side=32), corner_label())])
    imported(project, path, shrink=2)
    (box,) = project.boxes()
    assert (box.centre, box.size) == ((12, 10, 2), 16)
    label = load_label(project.label_path("cell", "mito", 2), SHAPE[1:])
    assert (label[3:6, 6:10] == 1).all()


def test_the_command_line_names_what_there_is(project, usual, capsys):
    words = ["import-scnt", usual, "--project", project.folder, "--tomogram", "cell", "--feature", "membrane"]
    assert main(list(map(str, words))) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "no box of membrane in cell, but of actin in cell, mito in cell: give these names as --only" in last
    assert main([*map(str, words), "--only", "actin"]) == 0
    assert {box.feature for box in project.boxes()} == {"membrane"}


def member(name, kind=tarfile.REGTYPE, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (member("../evil.py"), "a path out of its folder"),
        (member("/etc/passwd"), "a path out of its folder"),
        (member("y/..\\evil"), "a path out of its folder"),
        (member("y/link.mrc", tarfile.SYMTYPE, linkname="/etc/passwd"), "a link or device"),
        (member("y/hard.mrc", tarfile.LNKTYPE, linkname="sources.json"), "a link or device"),
        (member("pipe", tarfile.FIFOTYPE), "a link or device"),
    ],
)
def test_a_hostile_archive_is_refused_and_leaves_nothing(project, tmp_path, info, words):
    path = scnt(tmp_path / "bad.scnt", [("aa", source(2, 10, 12), corner_label())], [(info, b"")])
    with pytest.raises(TomosegError, match=words):
        imported(project, path)
    assert project.boxes() == []
    assert project.features() == []


def test_huge_members_are_not_read(project, tmp_path, monkeypatch):
    monkeypatch.setattr("ml.scnt.MOST_JSON", 100)
    path = scnt(tmp_path / "bad.scnt", [("aa", source(2, 10, 12), corner_label())], metadata={"more": "x" * 200})
    with pytest.raises(TomosegError, match=r"metadata\.json in .* is far too large"):
        imported(project, path)
    monkeypatch.setattr("ml.scnt.MOST_MEMBERS", 2)
    with pytest.raises(TomosegError, match="more than 2 files"):
        imported(project, path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sources": {"aa": {"aisTomogramName": "cell"}}}, r"sources\.json in .* is damaged at 'aa'"),
        ({"sources": {"aa": source(2, 10, 12, side=10**9)}}, "an impossible box"),
        ({"sources": {"zz": source(2, 10, 12)}}, r"lacks y/zz\.mrc"),
        ({"sources": {"aa": source(2, 10, 1200)}}, "lies outside cell"),
        ({"metadata": {"format_version": 9}}, "has the format 9 of Ais"),
        ({"boxes": [("aa", source(2, 10, 12), corner_label() * 3)]}, "other values than 0, 1 and 2"),
    ],
)
def test_a_damaged_training_set_is_one_sentence_and_adds_nothing(project, tmp_path, change, words):
    boxes = [("aa", source(2, 10, 12), corner_label())]
    with pytest.raises(TomosegError, match=words):
        imported(project, scnt(tmp_path / "bad.scnt", **{"boxes": boxes, **change}))
    assert project.boxes() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no training set of Ais"), (b"hello" * 300, "no training set of Ais"), (b"II*\0" + bytes(99), "an old Ais")],
)
def test_what_is_no_training_set_is_one_sentence(tmp_path, content, words):
    (tmp_path / "odd.scnt").write_bytes(content)
    with pytest.raises(TomosegError, match=words), open_scnt(tmp_path / "odd.scnt"):
        pass


def test_a_truncated_training_set_is_one_sentence(project, usual):
    usual.write_bytes(usual.read_bytes()[:9000])
    with pytest.raises(TomosegError, match=r"lacks|damaged|truncated"):
        imported(project, usual)
    assert project.boxes() == []
