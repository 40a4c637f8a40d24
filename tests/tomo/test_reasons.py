"""What a greyed-out button says, in the order in which a newcomer meets it."""

import numpy as np
import pytest

from tomo import reasons
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.geometry import Geometry
from tomo.labels import save_label
from tomo.mrc import write_mrc
from tomo.project import Project, TomogramEntry


def touch(path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")


@pytest.fixture
def project(tmp_path):
    """A project with one tomogram and two features."""
    project = Project.create(tmp_path)
    write_mrc(project.tomogram_path("cell"), np.zeros((5, 7, 11), np.int8), Geometry())
    project.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc"))
    project.add_feature("membrane")
    project.add_feature("actin")
    return project


def box(z, kind=POSITIVE, feature="membrane"):
    return Box("cell", feature, kind, (5, 3, z), 4)


def paint(project, z):
    save_label(project.label_path("cell", "membrane", z), np.ones((7, 11), np.int8), Geometry())


EVERY_CHECK = [
    lambda project: reasons.missing_for_boxes(project, "", ""),
    lambda project: reasons.missing_for_painting(project, "", ""),
    lambda project: reasons.missing_for_trainset(project, ""),
    lambda project: reasons.missing_for_training(project, ""),
    lambda project: reasons.missing_for_applying(project, ""),
    lambda project: reasons.missing_for_merging(project, ""),
    lambda project: reasons.missing_for_mask_import(project, ""),
    lambda project: reasons.missing_for_figure(project, ""),
    lambda project: reasons.next_step(project, "", ""),
]


@pytest.mark.parametrize("check", EVERY_CHECK)
def test_nothing_goes_without_a_project_and_a_tomogram(check, tmp_path):
    assert check(None) == "Open or create a project folder first."
    assert check(Project.create(tmp_path)) == "Import a tomogram first."


def test_boxes_need_a_tomogram_that_is_there_and_a_feature_that_is_known(project):
    assert reasons.missing_for_boxes(project, "cell", "membrane") is None
    assert reasons.missing_for_boxes(project, "cell", "") == "Choose a feature first."
    assert "There is no feature golgi" in reasons.missing_for_boxes(project, "cell", "golgi")
    project.tomogram_path("cell").unlink()
    assert reasons.missing_for_painting(project, "cell", "membrane") == (
        "The file of tomogram cell is gone: import it again."
    )


def test_features_are_asked_for_where_there_are_none(project):
    project.remove_feature("membrane")
    project.remove_feature("actin")
    for check in (reasons.missing_for_trainset, reasons.missing_for_training, reasons.missing_for_applying):
        assert check(project, "") == "Add a feature first."
        assert "There is no feature golgi in this project: add it in Blender" in check(project, "golgi")


def test_a_training_set_needs_a_positive_box_of_its_own_feature(project):
    project.save_boxes([box(1, NEGATIVE), box(1, POSITIVE, "actin")])
    assert reasons.missing_for_trainset(project, "membrane").startswith("Place at least one positive box on membrane")


def test_a_training_set_needs_one_painted_slice_with_a_positive_box(project):
    project.save_boxes([box(1), box(1), box(3)])
    paint(project, 2)
    assert reasons.missing_for_trainset(project, "membrane") == (
        "Paint membrane in its positive boxes first: slice 1 of cell (and 1 more) has no label yet."
    )
    paint(project, 3)
    assert reasons.missing_for_trainset(project, "membrane") is None


def test_later_steps_name_the_first_thing_that_is_missing(project):
    assert reasons.missing_for_applying(project, "membrane").startswith("Place at least one positive box")
    project.save_boxes([box(1)])
    paint(project, 1)
    assert reasons.missing_for_applying(project, "membrane") == "Build the training set of membrane first."
    touch(project.trainset_path("membrane"))
    assert reasons.missing_for_training(project, "membrane") is None
    assert reasons.missing_for_applying(project, "membrane") == "Train a network for membrane first."
    touch(project.network_path("membrane"))
    assert reasons.missing_for_applying(project, "membrane") is None
    assert "Apply the network of a feature to cell" in reasons.missing_for_figure(project, "cell")


def test_one_map_is_enough_for_a_mask(project):
    assert reasons.missing_for_merging(project, "cell") == "Apply the network of a feature to cell first."
    touch(project.segmentation_path("cell", "actin"))
    assert reasons.missing_for_merging(project, "cell") is None


def test_the_next_step_leads_through_the_whole_protocol(project):
    """Each answer is followed, and the next one is asked for."""

    def asked() -> str:
        return reasons.next_step(project, "cell", "membrane")

    assert asked().startswith("Place at least one positive box on membrane")
    project.save_boxes([box(1), box(3)])
    assert asked().startswith("Paint membrane in its positive boxes first: slice 1 of cell (and 1 more)")
    paint(project, 1)
    assert asked().startswith("Paint membrane in its other positive boxes too: slice 3 of cell has")
    paint(project, 3)
    assert asked().startswith("Place negative boxes where there is no membrane (about 100)")
    project.save_boxes([*project.boxes(), box(2, NEGATIVE)])
    assert asked() == "Build the training set of membrane."
    touch(project.trainset_path("membrane"))
    assert asked() == "Train a network for membrane."
    touch(project.network_path("membrane"))
    assert asked().startswith("Apply the network of membrane to cell")
    touch(project.segmentation_path("cell", "membrane"))
    assert asked() == "Merge the maps of cell into a mask first."
    touch(project.mask_path("cell"))
    assert asked() == "Make the surfaces or volumes of cell first."
    touch(project.surface_path("cell", "membrane"))
    assert asked() == "Render a figure of cell, or measure its mask."


def test_shapes_of_another_tomogram_do_not_count(project):
    touch(project.mask_path("cell"))
    touch(project.surface_path("cell2", "membrane"))
    assert reasons.missing_for_figure(project, "cell") == "Make the surfaces or volumes of cell first."
    touch(project.volume_path("cell", "actin"))
    assert reasons.missing_for_figure(project, "cell") is None
