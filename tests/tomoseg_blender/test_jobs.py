"""Jobs of the worker as a window runs them: a timer takes the messages, and nothing waits."""

import gc
import time
import weakref

import bpy
import numpy as np
import pytest


def run_to_the_end(jobs, seconds=60.0):
    ends = time.monotonic() + seconds
    while jobs.poll() is not None:
        assert time.monotonic() < ends, "the job did not end"
        time.sleep(0.02)


def test_in_a_window_a_step_returns_at_once_and_ends_by_itself(project, in_window):
    assert bpy.ops.tomoseg.measure.poll() and bpy.ops.tomoseg.spectrum() == {"FINISHED"}
    job = in_window.running("view")
    assert job is not None and 0 <= job.fraction <= 1
    assert bpy.app.timers.is_registered(in_window.poll)
    run_to_the_end(in_window)
    assert in_window.running() is None
    assert not in_window.outcome("view").failed
    assert (project / "spectra" / "cell.png").is_file()


def test_while_a_step_runs_no_other_starts_and_the_reason_is_said(project, in_window):
    bpy.ops.tomoseg.spectrum()
    with pytest.raises(RuntimeError, match="Fourier amplitude of cell is running: wait for its end, or cancel it"):
        bpy.ops.tomoseg.measure()
    run_to_the_end(in_window)
    assert bpy.ops.tomoseg.measure.poll()


def test_saving_the_blend_while_a_step_runs_does_not_lose_its_result(project, in_window, tmp_path):
    bpy.ops.tomoseg.spectrum()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))  # the folder's path becomes relative
    run_to_the_end(in_window)
    assert in_window.outcome().sentence.startswith("Fourier amplitude of slice z 4.")


def test_the_result_of_a_project_that_was_left_is_not_put_into_another_scene(project, in_window):
    bpy.ops.tomoseg.spectrum()
    bpy.ops.wm.read_homefile(use_empty=True)
    run_to_the_end(in_window)
    assert in_window.outcome().sentence == "Fourier amplitude of cell is done; its project is not open any more."
    assert not [image for image in bpy.data.images if image.filepath.endswith("cell.png")]


def test_cancelling_in_a_window_says_that_what_was_finished_is_kept(project, in_window, tomogram_file):
    for x, z in ((14, 2), (30, 5)):
        bpy.ops.tomoseg.add_box(location=(x, 10, z), kind="positive", size=16)
    bpy.ops.tomoseg.label_from_mask(filepath=str(tomogram_file.with_name("bar.mrc")))
    bpy.ops.tomoseg.build_trainset(copies=2)
    run_to_the_end(in_window)
    assert not bpy.ops.tomoseg.cancel_job.poll()
    bpy.ops.tomoseg.train(iterations=1000)
    for _ in range(2000):
        in_window.poll()
        if "teration" in in_window.running().message:
            break
        time.sleep(0.02)
    assert in_window.running().text.startswith("Training bar")
    bpy.ops.tomoseg.cancel_job()
    assert in_window.running().done == "Cancelling"
    run_to_the_end(in_window)
    assert in_window.outcome("train").sentence == "Training bar was cancelled; what it had finished is kept."


@pytest.mark.parametrize(("seconds", "words"), [(-1, "0 s"), (40.2, "40 s"), (100, "2 min"), (7500, "2 h 5 min")])
def test_time_left_reads_like_a_person_would_say_it(part, seconds, words):
    assert part("tomoseg_blender.jobs").duration(seconds) == words


@pytest.fixture
def masked(project, part):
    """The project with a mask of "bar" (1) and "dot" (3), as another program may have made it."""
    mask = np.zeros((9, 40, 56), np.int8)
    mask[1:6, 4:12, 6:50] = 1
    mask[7, 30:36, 40:46] = 3
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    part("tomo.mrc").write_mrc(project / "masks" / "cell__mask.mrc", mask, geometry)
    return project


@pytest.mark.usefixtures("openvdb")
def test_volumes_are_made_a_slab_at_a_time_while_the_window_lives(masked, in_window, part, monkeypatch):
    monkeypatch.setattr(part("tomoseg_blender.scene.vdb"), "_SLAB_VOXELS", 40 * 56 * 2)  # two slices
    bpy.ops.tomoseg.import_volumes()
    fractions = []
    while in_window.poll() is not None:
        fractions.append(in_window.running().fraction)
    assert fractions == sorted(fractions) and len(fractions) >= 6  # five slabs, then two files
    assert in_window.outcome("results").sentence == "Volumes of label 1, label 3."
    volumes = {one.name for one in bpy.data.objects if one.type == "VOLUME"}
    assert volumes == {"label 1", "label 3"}


@pytest.mark.usefixtures("openvdb")
def test_volumes_that_are_cancelled_leave_no_file(masked, in_window, part, monkeypatch):
    monkeypatch.setattr(part("tomoseg_blender.scene.vdb"), "_SLAB_VOXELS", 40 * 56)
    bpy.ops.tomoseg.import_volumes()
    in_window.poll()
    bpy.ops.tomoseg.cancel_job()
    run_to_the_end(in_window)
    assert in_window.outcome().sentence == "Volumes of cell was cancelled; what it had finished is kept."
    assert not list(masked.glob("volumes/*"))


@pytest.mark.usefixtures("openvdb")
def test_surfaces_and_volumes_follow_each_other_by_themselves(masked, in_window):
    bpy.ops.tomoseg.import_mask()
    run_to_the_end(in_window)
    assert in_window.outcome("results").sentence == "Surfaces of label 1, label 3. Volumes of label 1, label 3."
    assert {one.type for one in bpy.data.objects if one.name.startswith("label 1")} == {"MESH", "VOLUME"}


def test_a_blender_without_openvdb_makes_surfaces_and_says_why_no_volumes(masked, part, monkeypatch):
    monkeypatch.setattr(part("tomoseg_blender.compat"), "vdb_module", lambda: None)
    assert bpy.ops.tomoseg.import_mask() == {"FINISHED"}
    sentence = part("tomoseg_blender.jobs").outcome("results").sentence
    assert sentence.startswith("Surfaces of label 1, label 3. This Blender has no OpenVDB module")
    assert not [one for one in bpy.data.objects if one.type == "VOLUME"]


def test_a_file_that_the_worker_cannot_replace_is_closed_here(project, in_window, part):
    tomogram = part("tomoseg_blender.viewing").data_of(bpy.context.scene, "cell")
    mapped = weakref.ref(tomogram.data.base)
    del tomogram
    gc.collect()
    assert mapped() is not None, "the slices' tomogram is kept open"
    job = in_window.Job("import", "Import", "Scene", None, lambda _scene, _result: "")
    in_window._take(job, {"method": "release", "params": {"path": str(project / "tomograms" / "cell.mrc")}})
    gc.collect()
    assert mapped() is None
