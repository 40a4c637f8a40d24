"""The verb trainset in a project: the boxes and labels of several tomograms, and what is refused."""

import numpy as np
import pytest

from ml import build_trainset
from ml.build_trainset import Options, check_boxes
from ml.options import UsageError
from ml.report import Silent
from ml.trainset_file import load_trainset
from tests.ml.scenes import SHAPE, ring_scene
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import save_label
from tomo.mrc import write_mrc
from tomo.project import Project, TomogramEntry

GEOMETRY = Geometry((10.0, 10.0, 10.0))


class Lines(Silent):
    def __init__(self):
        self.lines = []

    def log(self, message):
        self.lines.append(message)


@pytest.fixture()
def project(tmp_path):
    project = Project.create(tmp_path / "cell")
    project.add_feature("ring")
    boxes = []
    for name, seed in (("one", 0), ("two", 1)):
        tomogram, labels = ring_scene(seed)
        write_mrc(tmp_path / "cell" / f"tomograms/{name}.mrc", tomogram, GEOMETRY)
        project.add_tomogram(TomogramEntry(name, f"tomograms/{name}.mrc", voxel_size=(10.0,) * 3, shape=SHAPE))
        save_label(project.label_path(name, "ring", 1), labels[1], GEOMETRY)
        boxes += [Box(name, "ring", POSITIVE, (25, 20, 1), 24), Box(name, "ring", NEGATIVE, (70, 50, 3), 24)]
    project.save_boxes(boxes)
    return project


def test_boxes_of_all_tomograms_come_together(project):
    result = build_trainset.run(Options("ring", project.folder), Silent())
    assert (result["positives"], result["negatives"], result["tomograms"]) == (2, 2, ["one", "two"])
    trainset = load_trainset(project.trainset_path("ring"))
    assert trainset.info.voxel_size == (10.0, 10.0, 10.0)
    assert (trainset.labels[~trainset.positive] != 1).all()
    assert (trainset.labels[trainset.positive] == 1).any(axis=(1, 2)).all()
    assert abs(trainset.images).max() <= 3.0  # preprocessed: clamped at 3 standard deviations
    assert "2 positive and 2 negative" in build_trainset.describe(result)


def test_a_positive_box_without_paint_on_its_slice_is_left_out_and_said(project):
    project.save_boxes([*project.boxes(), Box("one", "ring", POSITIVE, (25, 20, 4), 24)])
    report = Lines()
    assert build_trainset.run(Options("ring", project.folder), report)["positives"] == 2
    told = "Left out 1 positive box in one: nothing is painted there yet."
    assert told in report.lines


def test_boxes_of_another_feature_are_not_taken(project):
    project.add_feature("actin")
    project.save_boxes([*project.boxes(), Box("one", "actin", NEGATIVE, (25, 20, 1), 24)])
    assert build_trainset.run(Options("ring", project.folder), Silent())["negatives"] == 2


def test_what_is_missing_is_one_sentence(project):
    with pytest.raises(TomosegError):
        build_trainset.run(Options("gold", project.folder), Silent())
    project.save_boxes([box for box in project.boxes() if box.kind == NEGATIVE])
    with pytest.raises(TomosegError, match="positive box"):
        build_trainset.run(Options("ring", project.folder), Silent())
    assert not project.trainset_path("ring").exists()


@pytest.mark.parametrize("centre", [(200, 20, 3), (25, 20, 40)])
@pytest.mark.parametrize("alone", [False, True])
def test_a_box_outside_is_told_before_the_paint_that_it_lacks(project, centre, alone):
    others = [] if alone else project.boxes()
    project.save_boxes([*others, Box("one", "ring", POSITIVE, centre, 24)])
    with pytest.raises(TomosegError, match=f"at x {centre[0]}, y 20, z {centre[2]} lies outside one: move it inside"):
        build_trainset.run(Options("ring", project.folder), Silent())


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (Box("t", "f", POSITIVE, (10, 10, 1), 64), "larger than the slices"),
        (Box("t", "f", POSITIVE, (10, 10, 9), 16), "lies outside"),
        (Box("t", "f", POSITIVE, (500, 10, 1), 16), "lies outside"),
    ],
)
def test_boxes_that_do_not_fit_name_the_tomogram(box, words):
    with pytest.raises(TomosegError, match=words):
        check_boxes([box], (5, 40, 60), "cell7")


@pytest.mark.parametrize("changes", [{"context": 2}, {"copies": 0}, {"positives": "x.hdf"}])
def test_contradicting_options_are_wrong_usage(project, changes):
    with pytest.raises(UsageError):
        build_trainset.run(Options("ring", project.folder, **changes), Silent())
    with pytest.raises(UsageError):
        build_trainset.run(Options("ring"), Silent())


def test_neighbouring_slices_are_kept_where_asked_for(project):
    build_trainset.run(Options("ring", project.folder, context=3), Silent())
    images = load_trainset(project.trainset_path("ring")).images
    assert images.shape[1] == 3
    assert not np.array_equal(images[:, 0], images[:, 1])
