"""What a live training learns from is what lies in the project folder now, and only what changed is cut anew."""

import numpy as np
import pytest

from ml import build_trainset
from ml.live_boxes import NO_PAINTED_BOX, LiveBoxes
from ml.live_tomograms import LiveTomograms
from ml.report import Silent
from ml.trainset_file import load_trainset
from tests.ml.live_projects import FEATURE, NAME, add_rings, annotate, box_at, negative, paint, positive, ring_project
from tests.ml.scenes import ring_scene
from tomo.geometry import Geometry
from tomo.labels import IGNORE
from tomo.mrc import write_mrc
from tomo.preprocessing import Preprocessing


@pytest.fixture
def project(tmp_path):
    return ring_project(tmp_path / "project")


@pytest.fixture
def boxes(project):
    return LiveBoxes(project, FEATURE, LiveTomograms(project, Silent()))


def ids(found):
    return found.trainset.box_ids.tolist()


def changed_ids(found):
    return {found.trainset.box_ids[number] for number in found.changed}


def test_it_is_the_training_set_that_the_batch_would_build(project, boxes):
    add_rings(project, "more")
    annotate(project, positive(1), negative(), positive(3), box_at(25, 22, 2, name="more"), negative(60, 12, 0))
    build_trainset.run(build_trainset.Options(FEATURE, project.folder), Silent())
    batch, live = load_trainset(project.trainset_path(FEATURE)), boxes.read().trainset
    assert live.info == batch.info
    assert sorted(live.box_ids) == sorted(batch.box_ids)
    order = [live.box_ids.tolist().index(name) for name in batch.box_ids]
    for name in ("images", "labels", "positive", "held_out"):
        assert np.array_equal(getattr(live, name)[order], getattr(batch, name)), name


def test_without_a_painted_box_it_waits(project, boxes):
    assert (boxes.read().trainset, boxes.read().problem) == (None, NO_PAINTED_BOX)
    project.save_boxes([positive(), negative()])
    assert (boxes.read().trainset, boxes.read().problem) == (None, NO_PAINTED_BOX)


def test_one_painted_box_and_no_negative_one_is_enough(project, boxes):
    annotate(project, positive())
    found = boxes.read()
    assert len(found.trainset) == found.trainset.n_positive == 1
    assert found.problem is None


def test_a_box_that_is_not_painted_yet_teaches_nothing(project, boxes):
    annotate(project, positive(box_id="painted"))
    project.save_boxes([*project.boxes(), box_at(60, 40, 2, box_id="empty")])
    assert ids(boxes.read()) == ["painted"]


def test_a_box_that_is_all_ignored_is_told(project, boxes):
    box = positive()
    annotate(project, box)
    paint(project, box, value=IGNORE)
    found = boxes.read()
    assert found.trainset is None
    assert found.problem == f"Every pixel in a box of {FEATURE} is to be ignored: leave some to learn from."


def test_a_half_painted_box_with_the_rest_ignored_is_no_error(project, boxes):
    box = positive()
    annotate(project, box)
    rest = box_at(box.centre[0], box.centre[1] + 12, 2)
    paint(project, rest, value=IGNORE)
    found = boxes.read()
    assert found.problem is None
    assert (found.trainset.labels == 1).any()


def test_only_what_changed_is_told_and_cut_again(project, boxes, monkeypatch):
    one, other = positive(1, box_id="one"), positive(3, box_id="other")
    annotate(project, one, other, negative(box_id="bad"))
    assert boxes.read().changed == ()  # at the beginning everything is new
    cut = []
    around = LiveTomograms.around
    monkeypatch.setattr(LiveTomograms, "around", lambda self, *key: cut.append(key[1]) or around(self, *key))
    paint(project, other, value=1)
    assert changed_ids(boxes.read()) == {"other"}
    assert cut == []  # a stroke changes no image
    project.save_boxes([one, other, negative(72, 52, 2, box_id="bad"), negative(12, 58, 4, box_id="new")])
    assert changed_ids(boxes.read()) == {"bad", "new"}
    assert cut == [2, 4]
    project.save_boxes([other])
    assert ids(boxes.read()) == ["other"]
    assert changed_ids(boxes.read()) == set()


def test_writes_are_seen_by_their_time(project, boxes):
    assert boxes.changed_on_disk()
    assert not boxes.changed_on_disk()
    box = positive()
    annotate(project, box)
    assert boxes.changed_on_disk()
    boxes.read()  # from now on it knows which label files matter
    boxes.changed_on_disk()
    assert not boxes.changed_on_disk()
    paint(project, box, value=1)
    assert boxes.changed_on_disk()


def test_a_damaged_label_is_told_and_what_was_read_before_still_holds(project, boxes):
    annotate(project, positive(1, box_id="good"), positive(3, box_id="hurt"))
    boxes.read()
    project.label_path(NAME, FEATURE, 3).write_bytes(b"no image")
    found = boxes.read()
    assert sorted(ids(found)) == ["good", "hurt"]
    assert "z00003.mrc" in found.problem


def test_a_box_outside_is_told_and_left_out(project, boxes):
    annotate(project, positive(box_id="in"))
    project.save_boxes([*project.boxes(), negative(500, 500, 2), negative(z=77)])
    found = boxes.read()
    assert ids(found) == ["in"]
    assert "lies outside rings" in found.problem


def test_boxes_of_other_features_and_lost_tomograms_do_not_count(project, boxes):
    annotate(project, positive(box_id="mine"))
    lost = negative(name="lost")
    project.save_boxes([*project.boxes(), lost])
    assert ids(boxes.read()) == ["mine"]


def test_tomograms_that_do_not_go_together_are_told(project, boxes):
    annotate(project, positive())
    add_rings(project, "odd")
    entry = project.tomogram("odd")
    geometry = Geometry((25.0, 25.0, 25.0))
    write_mrc(project.folder / entry.file, ring_scene()[0], geometry, [Preprocessing().to_label()])
    annotate(project, negative(name="odd"))
    found = boxes.read()
    assert found.trainset is None
    assert "differ in voxel size" in found.problem
