"""Stacks and info files from EMAN2, in and out."""

import json

import h5py
import numpy as np
import pytest

from ml import export_rois, import_rois
from ml.eman2_stacks import boxes_of_info, boxes_of_stack, companions, read_labels, read_stack, write_stack
from ml.hdf import open_hdf, write_hdf
from ml.report import Silent
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import FEATURE, IGNORE, load_label, save_label
from tomo.mrc import open_tomogram, write_mrc
from tomo.project import Project, TomogramEntry

SHAPE = (9, 40, 51)
ENTRY = TomogramEntry("cell_bin4", "tomograms/cell_bin4.mrc", shrink=4, voxel_size=(8.0, 8.0, 8.0), shape=SHAPE)


@pytest.fixture
def voxels():
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture
def project(tmp_path, voxels):
    project = Project.create(tmp_path / "project")
    write_mrc(project.folder / ENTRY.file, voxels, Geometry((8.0, 8.0, 8.0)))
    project.add_tomogram(ENTRY)
    return project


def boxed_in_2017(path, voxels, centres, size=16):
    """A stack as e2boxer of 2017 wrote it: (x, y) from the first voxel, and z beside it."""
    images, headers = [], []
    for x, y, z in centres:
        images.append(voxels[z, y - size // 2 : y + size // 2, x - size // 2 : x + size // 2])
        headers.append({"ptcl_source_coord": [x, y], "ptcl_source_coord_z": [z], "apix_x": 8.0})
    write_hdf(path, images, headers)
    return path


def test_boxes_of_2017_come_back_to_where_they_were_cut(tmp_path, voxels):
    stack = read_stack(boxed_in_2017(tmp_path / "a_good.hdf", voxels, [(12, 20, 3), (40, 10, 8)]))
    boxes = boxes_of_stack(stack, ENTRY, "actin", POSITIVE)
    assert [(box.centre, box.size, box.tomogram) for box in boxes] == [
        ((12, 20, 3), 16, "cell_bin4"),
        ((40, 10, 8), 16, "cell_bin4"),
    ]
    x, y = boxes[0].corner
    np.testing.assert_array_equal(stack.images[0], voxels[3, y : y + 16, x : x + 16])
    assert stack.voxel_size == 8.0


def test_boxes_since_2018_count_from_the_middle(tmp_path):
    header = {"ptcl_source_coord": [12 - 25, 20 - 20, 3 - 4]}  # the middle of 51 × 40 × 9 is voxel (25, 20, 4)
    write_hdf(tmp_path / "s.hdf", [np.ones((16, 16))], [header])
    assert boxes_of_stack(read_stack(tmp_path / "s.hdf"), ENTRY, "actin", NEGATIVE)[0].centre == (12, 20, 3)


def test_painted_labels_are_one_where_the_pen_was(tmp_path, voxels):
    rois = read_stack(boxed_in_2017(tmp_path / "a_good.hdf", voxels, [(12, 20, 3)]))
    seg = np.zeros((1, 16, 16), np.float32)
    seg[0, 2, 13] = 1
    write_stack(tmp_path / "a_good_seg.hdf", seg)
    assert np.argwhere(read_labels(tmp_path / "a_good_seg.hdf", rois)).tolist() == [[0, 2, 13]]
    raw = rois.images.copy()
    raw[0, 5, 6] = 100  # painted but not yet closed in EMAN2
    write_stack(tmp_path / "raw.hdf", raw)
    assert np.argwhere(read_labels(tmp_path / "raw.hdf", rois)).tolist() == [[0, 5, 6]]


@pytest.mark.parametrize("suffix", ["hdf", "mrcs"])
def test_the_companions_of_a_good_stack_are_found(tmp_path, suffix):
    for name in ("cell_good", "cell_good_seg", "cell_bad"):
        write_stack(tmp_path / f"{name}.{suffix}", np.ones((2, 16, 16), np.float32), 8.0)
    labels, negatives = companions(tmp_path / f"cell_good.{suffix}")
    assert (labels.name, negatives.name) == (f"cell_good_seg.{suffix}", f"cell_bad.{suffix}")
    assert companions(tmp_path / f"other_good.{suffix}") == (None, None)
    assert read_stack(labels).voxel_size == 8.0


def info_file(path, **content):
    path.write_text(json.dumps(content))
    return path


def test_the_boxes_of_an_info_file_of_2017(tmp_path):
    path = info_file(tmp_path / "cell_info.json", boxes=[[48, 80, "manual", 12], [100, 40, "manual", 0]])
    boxes = boxes_of_info(path, ENTRY, "actin", POSITIVE, shrink=4)
    assert [(box.centre, box.size) for box in boxes] == [((12, 20, 3), 16), ((25, 10, 0), 16)]


def test_boxes_in_3d_are_chosen_by_class_and_scaled_from_the_unbinned_middle(tmp_path):
    content = {
        "apix_unbin": 2.0,
        "boxes_3d": [[-52, 0, -4, "manual", 0.0, 0], [40, -40, 8, "manual", 0.0, 1]],
        "class_list": {"0": {"name": "good", "boxsize": 128}, "1": {"name": "bad", "boxsize": 256}},
    }
    path = info_file(tmp_path / "cell_info.json", **content)
    good = boxes_of_info(path, ENTRY, "actin", POSITIVE, only="good")
    assert [(box.centre, box.size, box.kind) for box in good] == [((12, 20, 3), 32, POSITIVE)]
    bad = boxes_of_info(path, ENTRY, "actin", NEGATIVE, only="1")
    assert [(box.centre, box.size, box.kind) for box in bad] == [((35, 10, 6), 64, NEGATIVE)]
    with pytest.raises(TomosegError, match="no boxes of class 'ugly'"):
        boxes_of_info(path, ENTRY, "actin", NEGATIVE, only="ugly")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"boxes": []}, "has no boxes"),
        ({"boxes": [[1, 2]]}, "does not write"),
        ({"boxes": [["a", 2, "manual", 3]]}, "does not write"),
        ({"boxes": [[4000, 20, "manual", 3]]}, "outside cell_bin4"),
        ({"boxes_3d": [[float("nan"), 2, 3, "manual", 0, 0]]}, "no number"),
        ([1, 2], "does not write"),
    ],
)
def test_bad_info_files_are_one_sentence(tmp_path, content, reason):
    path = tmp_path / "cell_info.json"
    path.write_text(json.dumps(content))
    with pytest.raises(TomosegError, match=rf"cell_info\.json .*{reason}"):
        boxes_of_info(path, ENTRY, "actin", POSITIVE)


def test_work_begun_in_eman2_goes_on_in_the_project(tmp_path, project, voxels):
    boxed_in_2017(tmp_path / "p_good.hdf", voxels, [(12, 20, 3), (14, 20, 3)])
    boxed_in_2017(tmp_path / "p_bad.hdf", voxels, [(40, 10, 8)])
    seg = np.zeros((2, 16, 16), np.float32)
    seg[0, 1, 2] = seg[1, 15, 15] = 1
    write_stack(tmp_path / "p_good_seg.hdf", seg)
    options = import_rois.Options(
        project.folder, "cell_bin4", "actin", positives=tmp_path / "p_good.hdf", negatives=tmp_path / "p_bad.hdf"
    )
    result = import_rois.run(options, Silent())
    assert (result["added"], result["slices"]) == (3, [3])
    assert [box.kind for box in project.boxes()] == [POSITIVE, POSITIVE, NEGATIVE]
    label = load_label(project.label_path("cell_bin4", "actin", 3), SHAPE[1:])
    assert np.argwhere(label).tolist() == [[13, 6], [27, 21]]  # box corners (4, 12) and (6, 12), as (x, y)
    assert import_rois.run(options, Silent())["added"] == 0  # doing it again adds nothing
    assert "2 positive and 1 negative" in import_rois.describe(result)


def test_what_was_painted_before_stays(project, tmp_path, voxels):
    before = np.zeros(SHAPE[1:], np.int8)
    before[14, 7], before[13, 6] = FEATURE, IGNORE
    save_label(project.label_path("cell_bin4", "actin", 3), before, Geometry((8.0, 8.0, 8.0)))
    boxed_in_2017(tmp_path / "p_good.hdf", voxels, [(12, 20, 3)])
    seg = np.ones((1, 16, 16), np.float32)
    write_stack(tmp_path / "p_good_seg.hdf", seg)
    import_rois.run(
        import_rois.Options(project.folder, "cell_bin4", "actin", positives=tmp_path / "p_good.hdf"), Silent()
    )
    after = load_label(project.label_path("cell_bin4", "actin", 3), SHAPE[1:])
    assert after[14, 7] == FEATURE and after[13, 6] == IGNORE
    assert (after == FEATURE).sum() == 255


def test_a_box_that_sticks_out_is_pasted_as_far_as_it_lies_inside():
    label = np.zeros((10, 12), np.int8)
    patch = np.zeros((8, 8), np.int8)
    patch[4:, 4:] = FEATURE
    import_rois.paste(label, Box("cell", "actin", POSITIVE, (0, 0, 0), 8), patch)
    assert np.argwhere(label).max(axis=0).tolist() == [3, 3] and label.sum() == 16


@pytest.mark.parametrize("kind", ["hdf", "mrcs"])
def test_boxes_go_out_and_come_back(tmp_path, project, voxels, kind):
    boxes = [Box("cell_bin4", "actin", POSITIVE, (12, 20, 3), 16), Box("cell_bin4", "actin", NEGATIVE, (40, 10, 8), 16)]
    project.save_boxes(boxes)
    label = np.zeros(SHAPE[1:], np.int8)
    label[13, 5], label[14, 5] = FEATURE, IGNORE
    save_label(project.label_path("cell_bin4", "actin", 3), label, Geometry((8.0, 8.0, 8.0)))
    result = export_rois.run(export_rois.Options(project.folder, "actin", tmp_path / "out", kind), Silent())
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"actin_bad.{kind}", f"actin_good.{kind}", f"actin_good_seg.{kind}"]
    good = read_stack(tmp_path / "out" / f"actin_good.{kind}")
    np.testing.assert_array_equal(good.images[0], voxels[3, 12:28, 4:20])
    assert good.voxel_size == 8.0
    seg = read_labels(tmp_path / "out" / f"actin_good_seg.{kind}", good)
    assert np.argwhere(seg).tolist() == [[0, 1, 1]]
    assert "2 boxes" in export_rois.describe(result)
    if kind == "hdf":
        assert boxes_of_stack(good, ENTRY, "actin", POSITIVE)[0].centre == (12, 20, 3)
    else:
        with pytest.raises(TomosegError, match="does not tell where its boxes lie"):
            boxes_of_stack(good, ENTRY, "actin", POSITIVE)


def test_boxes_of_two_sizes_or_none_cannot_go_out(tmp_path, project):
    options = export_rois.Options(project.folder, "actin", tmp_path / "out")
    with pytest.raises(TomosegError, match="actin has no boxes"):
        export_rois.run(options, Silent())
    project.save_boxes([Box("cell_bin4", "actin", POSITIVE, (12, 20, 3), size) for size in (16, 32)])
    with pytest.raises(TomosegError, match="one size"):
        export_rois.run(options, Silent())
    assert not (tmp_path / "out").exists()


def test_bad_stacks_are_one_sentence_that_names_them(tmp_path, voxels):
    rois = read_stack(boxed_in_2017(tmp_path / "good.hdf", voxels, [(12, 20, 3)]))
    write_stack(tmp_path / "oblong.mrcs", voxels[:, :16, :18])
    write_stack(tmp_path / "nan.mrcs", np.full((1, 16, 16), np.nan, np.float32))
    write_stack(tmp_path / "blank.hdf", np.zeros((1, 16, 16), np.float32))
    write_stack(tmp_path / "more.hdf", np.ones((2, 16, 16), np.float32))
    write_hdf(tmp_path / "thick.hdf", [np.ones((3, 16, 16))] * 2)
    (tmp_path / "text.hdf").write_text("hello")
    for name in ("oblong.mrcs", "nan.mrcs", "thick.hdf", "text.hdf", "missing.hdf"):
        with pytest.raises(TomosegError, match=name.replace(".", r"\.")):
            read_stack(tmp_path / name)
    for name, reason in (("blank", "no painted pixel"), ("more", "2 images of 16 pixels")):
        with pytest.raises(TomosegError, match=rf"{name}\.hdf .*{reason}"):
            read_labels(tmp_path / f"{name}.hdf", rois)


def test_the_stack_that_eman2_reads_has_its_sizes_and_places(tmp_path, project):
    project.save_boxes([Box("cell_bin4", "actin", NEGATIVE, (40, 10, 8), 16)])
    export_rois.run(export_rois.Options(project.folder, "actin", tmp_path), Silent())
    with h5py.File(tmp_path / "actin_bad.hdf") as file:
        attributes = file["MDF/images/0"].attrs
        assert attributes["EMAN.ptcl_source_coord"].tolist() == [40, 10]
        assert attributes["EMAN.ptcl_source_coord_z"] == 8
        assert (attributes["EMAN.nx"], attributes["EMAN.nz"]) == (16, 1)
    with open_hdf(tmp_path / "actin_bad.hdf") as reader:
        assert reader.header(0)["ptcl_source_image"] == "tomograms/cell_bin4.mrc"
    assert open_tomogram(project.folder / ENTRY.file).shape == SHAPE
