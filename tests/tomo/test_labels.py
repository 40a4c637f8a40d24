"""Painted slices: kept exactly, at their place, and cut into boxes."""

import numpy as np
import pytest

from tomo.boxes import POSITIVE, Box
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import FEATURE, IGNORE, annotated_slices, crop, load_label, save_label, slice_of
from tomo.mrc import open_tomogram, write_mrc
from tomo.project import Project

SHAPE = (7, 11)


@pytest.fixture
def painted():
    label = np.zeros(SHAPE, np.int8)
    label[0, :3] = FEATURE
    label[1, 0] = IGNORE
    return label


def test_a_painted_slice_is_read_back_the_same(tmp_path, painted):
    path = Project.create(tmp_path).label_path("cell", "membrane", 12)
    save_label(path, painted, Geometry((10, 10, 10), nstart=(1, 2, 3)))
    read = load_label(path, SHAPE)
    assert np.array_equal(read, painted)
    assert read.dtype == np.int8
    read[0, 0] = 0  # a copy that may be painted on


def test_a_painted_slice_lies_at_its_height_in_the_tomogram(tmp_path, painted):
    save_label(tmp_path / "z00012.mrc", painted, Geometry((10, 10, 20), nstart=(1, 2, 3)))
    assert open_tomogram(tmp_path / "z00012.mrc", single_slice=True).geometry.place == (10, 20, 20 * (3 + 12))


def test_a_slice_that_nobody_painted_is_empty(tmp_path):
    assert np.array_equal(load_label(tmp_path / "z00000.mrc", SHAPE), np.zeros(SHAPE))


def test_a_label_of_another_size_is_refused(tmp_path, painted):
    save_label(tmp_path / "z00000.mrc", painted, Geometry())
    with pytest.raises(TomosegError, match="has 11 × 7 pixels where its tomogram has 7 × 11"):
        load_label(tmp_path / "z00000.mrc", SHAPE[::-1])


def test_other_values_are_neither_saved_nor_read(tmp_path, painted):
    with pytest.raises(TomosegError, match="other values than 0, 1"):
        save_label(tmp_path / "z00000.mrc", painted + 2, Geometry())
    write_mrc(tmp_path / "z00000.mrc", painted.astype(np.float32) / 2, Geometry())
    with pytest.raises(TomosegError, match=r"z00000\.mrc holds other values"):
        load_label(tmp_path / "z00000.mrc", SHAPE)


def test_a_truncated_label_is_one_sentence(tmp_path, painted):
    path = tmp_path / "z00003.mrc"
    save_label(path, painted, Geometry())
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(TomosegError, match="is truncated"):
        load_label(path, SHAPE)


def test_only_label_files_count_as_annotated_slices(tmp_path, painted):
    project = Project.create(tmp_path)
    assert annotated_slices(project, "cell", "membrane") == []
    for z in (100000, 3, 21):
        save_label(project.label_path("cell", "membrane", z), painted, Geometry())
    (project.label_folder("cell", "membrane") / ".z00004.12345678.part.mrc").write_text("half-written")
    (project.label_folder("cell", "membrane") / "notes.txt").write_text("notes")
    assert annotated_slices(project, "cell", "membrane") == [3, 21, 100000]
    assert annotated_slices(project, "cell", "actin") == []


def test_the_slice_is_told_by_the_name(tmp_path):
    assert slice_of(tmp_path / "z00012.mrc") == 12
    with pytest.raises(TomosegError, match="its name would be like"):
        slice_of(tmp_path / "cell.mrc")
    with pytest.raises(ValueError, match="count from 0"):
        Project.create(tmp_path).label_path("cell", "membrane", -1)


def test_a_crop_is_the_box_and_fills_what_lies_outside():
    image = np.arange(77, dtype=np.float32).reshape(SHAPE)
    inside = Box("cell", "membrane", POSITIVE, (5, 3, 0), 4)
    assert np.array_equal(crop(image, inside, -1), image[1:5, 3:7])
    corner = crop(image, Box("cell", "membrane", POSITIVE, (0, 6, 0), 4), -1)
    assert np.array_equal(corner[:3, 2:], image[4:7, 0:2])
    assert (corner[3] == -1).all()
    assert (corner[:, :2] == -1).all()
    assert (crop(image, Box("cell", "membrane", POSITIVE, (50, -50, 0), 4), -1) == -1).all()


@pytest.mark.parametrize(("size", "larger"), [(4, 7), (4, 10), (5, 8), (5, 9)])
def test_a_larger_crop_holds_the_box_in_its_middle(size, larger):
    image = np.arange(77, dtype=np.float32).reshape(SHAPE)
    box = Box("cell", "membrane", POSITIVE, (5, 3, 0), size)
    start = larger // 2 - size // 2
    around = crop(image, box, 0, larger)
    assert around.shape == (larger, larger)
    assert np.array_equal(around[start : start + size, start : start + size], crop(image, box, 0))
