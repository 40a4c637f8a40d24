"""Live training as a window runs it, with a worker that answers at once: what it is told, and what is made of it."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import bpy
import numpy as np
import pytest

STANDIN = Path(__file__).with_name("standin_worker.py")
SECONDS = 30.0
SHAPE = (9, 40, 56)


@pytest.fixture
def project(part, tmp_path) -> Path:
    """An open project with a shown tomogram "cell" and the feature "bar", made without a worker; its folder."""
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    made = part("tomo.project").Project.create(tmp_path / "project")
    volume = np.random.default_rng(5).normal(0, 1, SHAPE).astype(np.float32)
    part("tomo.mrc").write_mrc(made.tomogram_path("cell"), volume, geometry)
    entry = part("tomo.project").TomogramEntry(
        "cell", "tomograms/cell.mrc", voxel_size=geometry.voxel_size, shape=SHAPE
    )
    made.add_tomogram(entry)
    made.add_feature("bar")
    bpy.ops.tomoseg.open_project(directory=str(made.folder))
    bpy.ops.tomoseg.show_tomogram()
    return made.folder


@pytest.fixture
def standin(part, tmp_path, monkeypatch):
    """The worker is the stand-in from now on; a function that lists what it was asked so far."""
    handle = part("tomoseg_blender.worker").HANDLE
    handle.stop()
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{STANDIN}' '{tmp_path}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("TOMOSEG_PYTHON", str(script))

    def asked(command: str = "") -> list[dict]:
        path = tmp_path / "asked.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [one for one in lines if command in ("", one.get("command", one["method"]))]

    yield asked
    handle.stop()


@pytest.fixture
def wait(in_window):
    """Let the timer run until something is so."""

    def until(condition):
        ends = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < ends, "it did not come about"
            in_window.poll()
            time.sleep(0.01)

    return until


@pytest.fixture
def live(part):
    return part("tomoseg_blender.live")


@pytest.fixture
def seen(project, in_window, standin, wait, live):
    """Live training runs, and the prediction of the shown slice is there; the training."""
    group().tomograms["cell"].slice_z = 3
    assert bpy.ops.tomoseg.live() == {"FINISHED"}
    wait(lambda: live.prediction_of(bpy.context.scene) is not None)
    return live.training()


def group():
    return bpy.context.scene.tomoseg


def shown(part, z: int) -> np.ndarray:
    labels = part("tomoseg_blender.scene.labels")
    if labels.find_label_image("cell", "bar", z) is None:
        return np.zeros((40, 56), np.int8)
    return labels.read_slice_label("cell", "bar", z)


def boxes_in(project: Path) -> list[dict]:
    path = project / "boxes.json"
    return json.loads(path.read_text())["boxes"] if path.exists() else []


def test_it_starts_for_the_feature_and_tomogram_in_view_and_its_key_stops_it(seen, standin, wait, live, project):
    (request,) = standin("live")
    assert (request["feature"], request["tomogram"], request["project"]) == ("bar", "cell", str(project))
    assert "from_trained" not in request and request["fresh"] is False
    assert bpy.ops.tomoseg.live() == {"FINISHED"}
    wait(lambda: live.training() is None)
    assert len(standin("cancel")) == 1 and live.prediction_of(bpy.context.scene) is None


def test_from_the_beginning_neither_the_network_nor_an_earlier_live_training_is_gone_on_with(
    project, in_window, standin, wait, live
):
    network = project / "networks" / "bar.safetensors"
    network.parent.mkdir(exist_ok=True)
    network.touch()
    for fresh in (False, True):
        assert bpy.ops.tomoseg.live(fresh=fresh) == {"FINISHED"}
        wait(lambda fresh=fresh: len(standin("live")) == 1 + fresh)
        bpy.ops.tomoseg.live()
        wait(lambda: live.training() is None)
    on, anew = standin("live")
    assert on["from_trained"] == str(network) and not on["fresh"]
    assert "from_trained" not in anew and anew["fresh"]


@pytest.mark.parametrize("cold", [True, False])
def test_a_cold_start_chosen_in_the_panel_reaches_both_trainings(project, part, in_window, standin, wait, live, cold):
    group().train.cold_start = cold
    assert bpy.ops.tomoseg.live() == {"FINISHED"}
    wait(lambda: standin("live"))
    assert standin("live")[0]["cold_start"] is cold
    bpy.ops.tomoseg.live()
    wait(lambda: live.training() is None)
    trainset = part("tomoseg_blender.state").require_project(bpy.context.scene).trainset_path("bar")
    trainset.parent.mkdir(exist_ok=True)
    trainset.write_bytes(b"there is one")
    bpy.ops.tomoseg.train()
    wait(lambda: standin("train"))
    assert standin("train")[0]["cold_start"] is cold


def test_the_panel_tells_step_dice_boxes_and_speed(seen, part):
    lines = part("tomoseg_blender.panels.live").state_lines(seen)
    assert lines == ["Step 12, Dice 0.50", "Loss 0.25", "1 positive, 2 negative boxes", "0.12 s per step on cpu"]


def test_a_prediction_is_never_that_of_another_slice_feature_or_tomogram(seen, wait, live, standin):
    item = group().tomograms["cell"]
    assert (live.prediction_of(bpy.context.scene).values[3] == 1).all()
    item.slice_z = 5
    assert live.prediction_of(bpy.context.scene) is None  # at once, before any message
    wait(lambda: live.prediction_of(bpy.context.scene) is not None)
    found = live.prediction_of(bpy.context.scene).values
    assert (found[5] == 1).all() and not found[3].any()
    assert [view["z"] for view in standin("view")] == [3, 5]
    bpy.ops.tomoseg.add_feature(name="rod")
    assert live.prediction_of(bpy.context.scene) is None
    group().feature_index = 0
    assert live.prediction_of(bpy.context.scene) is not None


def test_no_answer_is_asked_for_again_and_the_same_slice_is_not(seen, wait, live, standin, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "LATE_SECONDS", 0.05)
    time.sleep(0.1)
    live.training().tick()
    assert len(standin("view")) == 1
    (tmp_path / "blind").touch()
    group().tomograms["cell"].slice_z = 6
    wait(lambda: len(standin("view")) >= 3)
    (tmp_path / "blind").unlink()
    wait(lambda: live.prediction_of(bpy.context.scene) is not None)


def test_undo_and_redo_leave_training_and_prediction_as_they_are(seen, live, wait):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.tomoseg.add_box(location=(20, 10, 3), kind="positive", size=12)
    bpy.ops.ed.undo_push(message="box")
    wait(lambda: seen.facts)
    facts = dict(seen.facts)
    bpy.ops.ed.undo()
    assert live.training() is seen and seen.facts == facts
    assert (live.prediction_of(bpy.context.scene).values[3] == 1).all()
    bpy.ops.ed.redo()
    assert live.prediction_of(bpy.context.scene) is not None


def test_boxes_and_labels_that_are_written_are_told(seen, in_window, wait, standin, project, part):
    bpy.ops.tomoseg.add_box(location=(20, 10, 3), kind="positive", size=12)
    wait(lambda: len(standin("changed")) == 1)
    label = np.zeros((40, 56), np.int8)
    label[8:12, 15:25] = 1
    part("tomoseg_blender.painting").put_label(
        bpy.context.scene, group().tomograms["cell"], group().features["bar"], 3, label
    )
    wait(lambda: len(standin("changed")) == 2)
    bpy.ops.tomoseg.delete_box(box=boxes_in(project)[0]["id"])
    wait(lambda: len(standin("changed")) == 3)
    for _ in range(5):
        in_window.poll()
    assert len(standin("changed")) == 3  # once for each change, not at each look


def test_a_stroke_is_saved_by_itself_once_the_hand_rests(seen, wait, part, project):
    labels = part("tomoseg_blender.scene.labels")
    image = labels.ensure_label_image("cell", "bar", 3, (40, 56), "#ff0000")
    pixels = np.zeros((40, 56, 4), np.float32)
    pixels[5:9, 30:40] = 1.0
    image.pixels.foreach_set(pixels.ravel())  # as a stroke does, this marks the image as painted
    path = project / "labels" / "cell__bar" / "z00003.mrc"
    wait(path.is_file)
    assert np.count_nonzero(part("tomo.labels").load_label(path, (40, 56))) == 40


def test_strokes_that_follow_each_other_wait_for_a_pause_but_not_for_long(live):
    strokes = live.Strokes()
    assert not strokes.due(0.0, stroking=True, unsaved=False)
    assert not strokes.due(0.1, stroking=False, unsaved=True)
    assert not strokes.due(0.4, stroking=True, unsaved=False)  # the next stroke
    assert not strokes.due(0.6, stroking=False, unsaved=True)
    assert strokes.due(0.6 + live.CALM_SECONDS, stroking=False, unsaved=True)
    hasty = live.Strokes()
    times = [tenth / 10 for tenth in range(1, 40)]
    due = [now for now in times if hasty.due(now, stroking=round(10 * now) % 2 == 0, unsaved=round(10 * now) % 2 == 1)]
    assert due and 1.0 <= due[0] <= live.LONGEST_SECONDS + 0.3


def test_taking_the_prediction_of_the_slice_is_one_step_of_undo_and_keeps_ignore_zones(seen, part, project):
    painting = part("tomoseg_blender.painting")
    ignored = np.zeros((40, 56), np.int8)
    ignored[2:5, 10:14] = 2
    painting.put_label(bpy.context.scene, group().tomograms["cell"], group().features["bar"], 3, ignored)
    part("tomoseg_blender.viewing").show_again(bpy.context.scene)
    bpy.ops.ed.undo_push(message="ignored")
    bpy.ops.tomoseg.label_from_map("EXEC_DEFAULT", True)
    expected = ignored.copy()
    expected[3] = 1
    expected[3, 10:14] = 2
    assert (shown(part, 3) == expected).all()
    bpy.ops.ed.undo()
    assert (shown(part, 3) == ignored).all()


def test_taking_the_prediction_in_a_box_leaves_all_outside(seen, part, project):
    bpy.ops.tomoseg.add_box(location=(20, 4, 3), kind="positive", size=8)
    bpy.ops.tomoseg.add_box(location=(40, 4, 3), kind="negative", size=8)
    positive, negative = (box["id"] for box in boxes_in(project))
    bpy.ops.tomoseg.take_in_box(box=positive)
    expected = np.zeros((40, 56), np.int8)
    expected[3, 16:24] = 1
    assert (shown(part, 3) == expected).all()
    with pytest.raises(RuntimeError, match="This box is negative"):
        bpy.ops.tomoseg.take_in_box(box=negative)
    with pytest.raises(RuntimeError, match="Point at a box of bar"):
        bpy.ops.tomoseg.take_in_box()
    with pytest.raises(RuntimeError, match="Draw around a part"):
        bpy.ops.tomoseg.take_in_lasso()
    with pytest.raises(RuntimeError, match="Point at the slice"):
        bpy.ops.tomoseg.mark_wrong()


def test_a_part_of_a_slice_is_taken_only_where_the_network_has_looked(part, live):
    values = np.full((4, 6), 2.0, np.float32)
    found = live.Prediction("cell", "bar", 3, values, (50, 38), 1, 1)
    whole = live.whole_slice(found, (40, 56))  # two rows of it lie outside
    assert np.isfinite(whole).sum() == 2 * 6 and (whole[38:, 50:] == 2).all()


def test_the_next_box_is_shown_placed_and_undoable(seen, wait, part, project):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.tomoseg.live_next()
    wait(lambda: boxes_in(project))
    (box,) = boxes_in(project)
    assert (box["kind"], box["centre"], box["size"]) == ("positive", [30, 20, 6], 12)
    assert group().tomograms["cell"].slice_z == 6 and group().box_id == box["id"]
    assert seen.why_here(bpy.context.scene) == "Here the network is least sure."
    group().tomograms["cell"].slice_z = 5
    assert seen.why_here(bpy.context.scene) == ""
    group().tomograms["cell"].slice_z = 6
    bpy.ops.ed.undo_push(message="Next Box to Annotate")
    bpy.ops.ed.undo()
    assert boxes_in(project) == []


def test_a_message_stays_until_what_it_waits_for_is_there_or_it_was_read(seen, live, monkeypatch):
    seen.heard("live", {"event": "message", "message": "No painted box yet."})
    seen.heard("live", {"event": "state", "step": 0, "waiting": True})
    assert seen.sentence == "No painted box yet."
    seen.heard("live", {"event": "state", "step": 1, "waiting": False})
    assert seen.sentence == ""
    seen.heard("live", {"event": "message", "message": "The loss exploded."})
    seen.heard("live", {"event": "state", "step": 2, "waiting": False})
    assert seen.sentence == "The loss exploded."
    monkeypatch.setattr(live, "READ_SECONDS", -1.0)
    seen.heard("live", {"event": "state", "step": 3, "waiting": False})
    assert seen.sentence == ""


def test_pause_and_forget_are_told(seen, wait, standin):
    bpy.ops.tomoseg.live_pause()
    wait(lambda: seen.summary == "Paused")
    bpy.ops.tomoseg.live_pause()
    wait(lambda: seen.summary == "Step 12, Dice 0.50")
    bpy.ops.tomoseg.live_forget()
    wait(lambda: standin("forget"))
    assert standin("forget")[0]["seconds"] == 60
    assert [len(standin(name)) for name in ("pause", "continue")] == [1, 1]


def test_finishing_tells_the_result_as_training_does(seen, wait, in_window):
    bpy.ops.tomoseg.live_finish()
    wait(lambda: in_window.running() is None)
    told = in_window.outcome("live")
    assert not told.failed
    assert told.sentence == "Trained bar: Dice 0.75 on 2 held-out boxes; look at the triplets before going on"


def test_while_it_runs_other_long_steps_say_what_to_do(seen):
    with pytest.raises(
        RuntimeError, match="Live training of bar is running: finish it in panel Live Training, or stop"
    ):
        bpy.ops.tomoseg.spectrum()
    with pytest.raises(RuntimeError, match="Live training of bar is running: finish it"):
        bpy.ops.tomoseg.remove_feature()
    assert "bar" in group().features


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_worker_that_is_killed_is_told_paint_stays_and_it_can_be_switched_on_again(seen, wait, part, live, project):
    bpy.ops.tomoseg.add_box(location=(20, 20, 3), kind="positive", size=12)
    os.kill(part("tomoseg_blender.worker").HANDLE.worker.process_id, signal.SIGKILL)
    wait(lambda: live.training() is None)
    told = part("tomoseg_blender.jobs").outcome("live")
    assert told.failed and re.match(r"The worker was killed .*: start the step again", told.sentence)
    assert live.prediction_of(bpy.context.scene) is None
    assert bpy.ops.tomoseg.live() == {"FINISHED"}
    wait(lambda: live.prediction_of(bpy.context.scene) is not None)
    assert len(boxes_in(project)) == 1


def test_opening_another_file_ends_it(seen, wait, in_window, standin):
    bpy.ops.wm.read_homefile(use_empty=True)
    wait(lambda: in_window.running() is None)
    assert len(standin("cancel")) == 1


def test_saving_the_blend_beside_the_project_does_not_end_it(seen, in_window, tmp_path):
    (tmp_path / "scenes").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scenes" / "work.blend"))
    assert group().folder == "//../project"
    in_window.poll()
    assert not in_window.running("live").cancelling


def test_what_it_needs_is_said(project, in_window):
    with pytest.raises(RuntimeError, match="Switch live training on first"):
        bpy.ops.tomoseg.live_finish()
    bpy.ops.wm.read_homefile(use_empty=True)
    with pytest.raises(RuntimeError, match="Open or create a project folder first"):
        bpy.ops.tomoseg.live()


def test_without_a_window_it_asks_for_a_time(project):
    with pytest.raises(RuntimeError, match="needs a window: give it seconds, or use Train"):
        bpy.ops.tomoseg.live()


def test_without_a_window_it_finishes_after_its_time(project, standin, part):
    assert bpy.ops.tomoseg.live(seconds=0.3) == {"FINISHED"}
    assert len(standin("finish")) == 1 and not part("tomoseg_blender.jobs").outcome("live").failed


@pytest.mark.parametrize(
    ("seen_part", "expected"),
    [
        ((100.0, 70.0, 300.0, 200.0), (64, 64, 256, 192)),  # grown to steps of 64
        ((-50.0, -9.0, 130.0, 130.0), (0, 0, 192, 192)),
        ((900.0, 900.0, 2000.0, 2000.0), (896, 896, 128, 104)),
        ((-5.0, -5.0, 1100.0, 1100.0), None),  # all of it
        ((0.0, 0.0, 1024.0, 800.0), None),  # nearly all of it
        ((-300.0, 0.0, -100.0, 100.0), None),  # beside it
    ],
)
def test_the_visible_part_of_a_slice_lies_inside_it(part, seen_part, expected):
    assert part("tomoseg_blender.live_sight").rounded_part(seen_part, (1000, 1024)) == expected


def test_the_overlay_lies_over_its_slice_voxel_by_voxel(project, part):
    from mathutils import Vector

    _item, empty = part("tomoseg_blender.viewing").shown_tomogram(bpy.context.scene)
    prediction = part("tomoseg_blender.scene.prediction")
    bpy.context.view_layer.update()
    place = prediction.Place(empty.matrix_world, (6, 4), 3, Vector((0, 0, 1)), empty.matrix_world)
    corners = np.array(place.corners((8, 10)))
    expected = np.array([[6, 4], [16, 4], [16, 12], [6, 12]]) * 0.1 + (1.2, -0.3)  # 10 Å voxels at the tomogram's place
    np.testing.assert_allclose(corners[:, :2], expected, atol=1e-5)
    assert ((corners[:, 2] > 0.5 + 0.35) & (corners[:, 2] < 0.5 + 0.36)).all()  # a little over the slice's middle
