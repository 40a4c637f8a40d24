"""Checking the annotation of a project on disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import save_label
from tomo.lint import check_annotation, painted_or_predicted, read_scores
from tomo.mrc import write_mrc
from tomo.project import Project, TomogramEntry

SHAPE = (7, 50, 80)
GEOMETRY = Geometry((10.0, 10.0, 10.0))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A tomogram with a bright bar on slice 2, the feature "bar", two boxes."""
    project = Project.create(tmp_path / "project")
    data = np.random.default_rng(2).normal(0, 0.3, SHAPE).astype(np.float32)
    data[2, 20:26, 10:60] += 3
    write_mrc(project.tomogram_path("cell"), data, GEOMETRY)
    project.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc", voxel_size=(10.0, 10.0, 10.0), shape=SHAPE))
    project.add_feature("bar")
    boxes = [
        Box("cell", "bar", POSITIVE, (20, 24, 2), 24, "good"),
        Box("cell", "bar", NEGATIVE, (50, 24, 2), 16, "bad"),
    ]
    project.save_boxes([*boxes, Box("cell", "other", POSITIVE, (30, 30, 3), 16, "other")])
    label = np.zeros(SHAPE[1:], np.int8)
    label[20:26, 10:60] = 1
    save_label(project.label_path("cell", "bar", 2), label, GEOMETRY)
    return project


def test_findings_come_with_their_places_and_of_this_feature_only(project):
    findings = check_annotation(project, "bar")
    assert {finding.box_id for finding in findings} == {"", "bad"}
    assert any("1 positive box" in finding.sentence for finding in findings)
    assert any("lies on painted feature" in finding.sentence and finding.z == 2 for finding in findings)
    problems = [finding.problem for finding in findings]
    assert problems == sorted(problems, reverse=True)


def test_the_score_of_the_last_training_joins_the_list(project):
    path = project.triplets_path("bar").with_suffix(".json")
    path.parent.mkdir()
    path.write_text(json.dumps({"boxes": [{"id": "good", "kind": "positive", "dice": 0.2}]}))
    assert any("Dice 0.20" in finding.sentence for finding in check_annotation(project, "bar"))
    path.write_text('{"boxes": [{"id": "good"}]}')
    with pytest.raises(TomosegError, match="is damaged: train the network again"):
        read_scores(path)


def test_a_negative_box_on_the_networks_map_is_found(project):
    project.save_boxes([Box("cell", "bar", NEGATIVE, (50, 40, 4), 16, "seen")])
    found = np.zeros(SHAPE, np.float32)
    found[4, 36:44, 44:56] = 1.2
    write_mrc(project.segmentation_path("cell", "bar"), found, GEOMETRY)
    assert any(
        finding.box_id == "seen" and "network finds" in finding.sentence for finding in check_annotation(project, "bar")
    )


def test_boxes_that_reach_over_the_edge_are_checked_too(project):
    project.save_boxes([Box("cell", "bar", POSITIVE, (2, 2, 6), 24, "edge")])
    assert any(finding.box_id == "edge" for finding in check_annotation(project, "bar"))


def test_what_is_painted_or_predicted_in_a_box(project):
    def known(x: int, y: int, z: int) -> bool:
        return painted_or_predicted(project, Box("cell", "bar", NEGATIVE, (x, y, z), 8))

    assert known(30, 17, 2) and not known(30, 16, 2) and not known(30, 17, 3)  # the bar begins at y = 20
    found = np.zeros(SHAPE, np.float32)
    found[3, 0, :7], found[5, 0, :3] = 1.0, 0.7
    write_mrc(project.segmentation_path("cell", "bar"), found, GEOMETRY)
    assert known(10, 2, 3) and not known(11, 2, 3) and not known(4, 4, 5)
