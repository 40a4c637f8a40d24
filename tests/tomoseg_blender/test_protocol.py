"""The protocol from the file to the figure, through the operators, with the real worker, on a tiny tomogram."""

import json
import os
import signal
from pathlib import Path

import bpy
import numpy as np
import pytest

TRAINING = {"iterations": 4, "batch_size": 4, "seed": 1}


@pytest.fixture
def annotated(project: Path, tmp_path: Path) -> Path:
    """The project with boxes and labels of "bar", and of "gap" (all the rest of the inner volume)."""
    for x, z in ((14, 2), (26, 3), (40, 4), (30, 5)):
        bpy.ops.tomoseg.add_box(location=(x, 10, z), kind="positive", size=16)
        bpy.ops.tomoseg.add_box(location=(x, 28, z), kind="negative", size=16)
    bpy.ops.tomoseg.label_from_mask(filepath=str(tmp_path / "bar.mrc"))
    return project


def voxels(part, path: Path) -> np.ndarray:
    return np.array(part("tomo.mrc").open_tomogram(path).data)


@pytest.mark.usefixtures("openvdb")
def test_from_the_file_to_the_figure(annotated, part, tmp_path):
    group = bpy.context.scene.tomoseg
    bpy.ops.tomoseg.build_trainset(copies=4)
    assert bpy.ops.tomoseg.train(**TRAINING) == {"FINISHED"}
    feature = group.features["bar"]
    assert feature.trained and feature.threshold > 0 and feature.learning_rate > 0
    bpy.ops.tomoseg.apply()
    strength = voxels(part, annotated / "segmentations" / "cell__bar.mrc")
    bar = voxels(part, tmp_path / "bar.mrc") != 0
    assert strength.shape == bar.shape
    # Not merely "something": the bar's own place is stronger, so nothing was flipped or shifted.
    assert strength[bar].mean() > 2 * strength[~bar].mean()
    bpy.ops.tomoseg.merge(threshold=float(np.quantile(strength, 0.9)))
    mask = voxels(part, annotated / "masks" / "cell__mask.mrc")
    assert set(np.unique(mask)) == {0, 1}
    bpy.ops.tomoseg.import_mask(smoothing=0)
    _check_results(mask)
    bpy.ops.tomoseg.measure()
    (row,) = group.measures
    assert (row.name, row.voxels) == ("bar", int(mask.sum()))
    assert row.volume == pytest.approx(mask.sum(), rel=1e-4)  # voxels of 10 Å are 1 nm³
    assert (annotated / "masks" / "cell__mask.csv").read_text().count("bar") >= 1
    bpy.ops.tomoseg.figure(width=96, height=64, samples=1)
    picture = bpy.data.images["cell.png"]
    assert tuple(picture.size) == (96, 64)
    assert len(np.unique(np.array(picture.pixels[:]).round(2))) > 3


def _check_results(mask: np.ndarray) -> None:
    """One surface and one volume of the bar, both around the mask's voxels in the world."""
    made = {
        one["tomoseg_kind"]: one
        for one in bpy.data.objects
        if one.get("tomoseg_feature") == "bar" and one.type != "EMPTY"
    }
    assert set(made) == {"surface", "volume"}
    bpy.context.view_layer.update()
    surface = made["surface"]
    corners = np.array([surface.matrix_world @ vertex.co for vertex in surface.data.vertices])
    where = np.argwhere(mask)[:, ::-1]  # x, y, z
    place, size = np.array((1.2, -0.3, 0.5)), 0.1
    np.testing.assert_allclose(corners.min(0), place + size * where.min(0), atol=size)
    np.testing.assert_allclose(corners.max(0), place + size * (where.max(0) + 1), atol=size)


def test_training_goes_on_from_the_trained_network(annotated):
    bpy.ops.tomoseg.build_trainset(copies=4)
    with pytest.raises(RuntimeError, match="no network of bar to train on"):
        bpy.ops.tomoseg.continue_training(iterations=1)
    bpy.ops.tomoseg.train(**{**TRAINING, "iterations": 1})
    first = (annotated / "networks" / "bar.safetensors").read_bytes()
    bpy.ops.tomoseg.continue_training(iterations=1, learning_rate=0.0005)
    assert (annotated / "networks" / "bar.safetensors").read_bytes() != first
    bpy.ops.tomoseg.show_training_result()
    sheet = next(image for image in bpy.data.images if image.filepath.endswith("bar.png"))
    assert sheet.size[0] > 30


def test_the_panel_settings_count_unless_the_caller_gives_others(part):
    settings = part("tomoseg_blender.settings")
    group = bpy.context.scene.tomoseg.train
    group.iterations, group.network = 7, "classic"
    train = part("tomoseg_blender.operators.train")
    seen = {}

    class Probe(train._Train, bpy.types.Operator):
        bl_idname = "tomoseg_test.probe"
        bl_label = "Probe"
        needs = ""

        def act(self, context):
            seen.update(settings.settings_of(self, context, "train", settings.TrainSettings))

    bpy.utils.register_class(Probe)
    try:
        bpy.ops.tomoseg_test.probe(iterations=3)
    finally:
        bpy.utils.unregister_class(Probe)
    assert (seen["iterations"], seen["network"]) == (3, "classic")


def test_two_features_merge_by_competition_in_the_order_of_their_labels(project, part):
    bpy.ops.tomoseg.add_feature(name="rod", colour="#123456")
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    maps = {"bar": np.zeros((9, 40, 56), np.float32), "rod": np.zeros((9, 40, 56), np.float32)}
    maps["bar"][2, 3, 4:8] = (0.7, 0.9, 1.0, 1.0)
    maps["rod"][2, 3, 4:8] = (0.0, 0.85, 1.0, 1.5)
    for name, strength in maps.items():
        part("tomo.mrc").write_mrc(project / "segmentations" / f"cell__{name}.mrc", strength, geometry)
    with pytest.raises(RuntimeError, match="Apply the network of a feature to cell first"):
        bpy.ops.tomoseg.merge()  # the files came from elsewhere: the project has to be read again
    bpy.ops.tomoseg.reload_project()
    bpy.ops.tomoseg.merge(features="bar;rod")
    mask = voxels(part, project / "masks" / "cell__mask.mrc")
    assert list(mask[2, 3, 4:8]) == [0, 1, 1, 2]  # below 0.8, the stronger, the first on a tie, the stronger
    table = json.loads((project / "masks" / "cell__mask.json").read_text())["labels"]
    assert [(entry["value"], entry["name"]) for entry in table] == [(1, "bar"), (2, "rod")]
    assert table[1]["colour"] == "#123456"


def test_why_a_step_cannot_run_is_said_in_the_protocols_words(project, tmp_path):
    with pytest.raises(RuntimeError, match="Place at least one positive box on bar"):
        bpy.ops.tomoseg.build_trainset()
    with pytest.raises(RuntimeError, match="Apply the network of a feature to cell first"):
        bpy.ops.tomoseg.merge()
    with pytest.raises(RuntimeError, match="Build the training set of bar first"):
        bpy.ops.tomoseg.train()
    with pytest.raises(RuntimeError, match="Train a network for bar first"):
        bpy.ops.tomoseg.apply()
    with pytest.raises(RuntimeError, match="merge the maps of cell first"):
        bpy.ops.tomoseg.import_mask()
    with pytest.raises(RuntimeError, match="Tomogram tree is not in this project"):
        bpy.ops.tomoseg.show_tomogram(tomogram="tree")
    assert bpy.context.scene.tomoseg.reasons.next_step.startswith("Place at least one positive box")


def test_without_a_project_every_step_says_so():
    for name in ("import_tomogram", "add_feature", "show_tomogram", "train", "apply", "merge", "import_mask", "figure"):
        with pytest.raises(RuntimeError, match="Open or create a project folder first"):
            getattr(bpy.ops.tomoseg, name)()


def test_a_broken_file_is_one_sentence_and_leaves_nothing(project, tmp_path):
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"this is no tomogram" * 100)
    before = sorted(path.name for path in (project / "tomograms").iterdir())
    with pytest.raises(RuntimeError, match=r"broken\.mrc") as caught:
        bpy.ops.tomoseg.import_tomogram(filepath=str(broken))
    assert "Traceback" not in str(caught.value)
    assert sorted(path.name for path in (project / "tomograms").iterdir()) == before
    assert [item.name for item in bpy.context.scene.tomoseg.tomograms] == ["cell"]


def test_boxes_go_to_eman2_and_come_back(annotated, tmp_path):
    bpy.ops.tomoseg.export_rois(directory=str(tmp_path / "stacks"))
    before = json.loads((annotated / "boxes.json").read_text())["boxes"]
    for box in before:
        bpy.ops.tomoseg.delete_box(box=box["id"])
    assert json.loads((annotated / "boxes.json").read_text())["boxes"] == []
    bpy.ops.tomoseg.import_rois(filepath=str(tmp_path / "stacks" / "bar_good.hdf"), kind="positive")
    bpy.ops.tomoseg.import_rois(filepath=str(tmp_path / "stacks" / "bar_bad.hdf"), kind="negative")
    after = json.loads((annotated / "boxes.json").read_text())["boxes"]

    def places(boxes):
        return sorted((box["kind"], *box["centre"], box["size"]) for box in boxes)

    assert places(after) == places(before)
    assert len([one for one in bpy.data.objects if one.get("tomoseg_kind") == "box"]) == 8


def test_a_worker_that_dies_is_one_sentence_and_the_next_job_gets_a_new_one(project, part, monkeypatch):
    jobs, handle = part("tomoseg_blender.jobs"), part("tomoseg_blender.worker").HANDLE
    take = jobs._take

    def kill_first(job, message):
        os.kill(handle.worker.process_id, signal.SIGKILL)
        monkeypatch.setattr(jobs, "_take", take)
        take(job, None)

    monkeypatch.setattr(jobs, "_take", kill_first)
    with pytest.raises(RuntimeError, match=r"The worker was killed \(signal 9"):
        bpy.ops.tomoseg.spectrum()
    assert jobs.running() is None
    assert bpy.ops.tomoseg.spectrum() == {"FINISHED"}


def test_a_wrong_interpreter_is_named_with_the_remedy(project, part, monkeypatch, tmp_path):
    part("tomoseg_blender.worker").HANDLE.stop()
    monkeypatch.setenv("TOMOSEG_PYTHON", str(tmp_path / "no-python"))
    with pytest.raises(RuntimeError, match=r"no-python .*does not exist: choose another interpreter"):
        bpy.ops.tomoseg.spectrum()


def test_cancel_ends_a_step_within_a_second_or_two_and_says_so(annotated, part, monkeypatch):
    import time

    jobs = part("tomoseg_blender.jobs")
    bpy.ops.tomoseg.build_trainset(copies=4)
    take, asked = jobs._take, []

    def cancel_at_progress(job, message):
        take(job, message)
        if jobs.running() is job and "iteration" in job.message and not asked:
            asked.append(time.monotonic())
            jobs.cancel()

    monkeypatch.setattr(jobs, "_take", cancel_at_progress)
    with pytest.raises(RuntimeError, match="cancel"):
        bpy.ops.tomoseg.train(iterations=500)
    assert asked and time.monotonic() - asked[0] < 10
    assert jobs.running() is None
