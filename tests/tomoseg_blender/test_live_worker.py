"""Live training from the window to the network file, with the real worker, on a tiny tomogram."""

import time
from pathlib import Path

import bpy
import numpy as np

PATIENCE = 240.0  # seconds, for a loaded machine; a quick one needs about 10


def until(jobs, condition):
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        jobs.poll()
        time.sleep(0.02)


def test_paint_see_the_prediction_and_finish(project, in_window, part, tmp_path):
    live = part("tomoseg_blender.live")
    scene, group = bpy.context.scene, bpy.context.scene.tomoseg
    group.tomograms["cell"].slice_z = 3
    assert bpy.ops.tomoseg.live(max_seconds=1.0, iterations=2, seed=1) == {"FINISHED"}
    until(in_window, lambda: "No painted box yet" in live.training().sentence)
    for x, z in ((14, 2), (30, 5)):
        bpy.ops.tomoseg.add_box(location=(x, 10, z), kind="positive", size=16)
        bpy.ops.tomoseg.add_box(location=(x, 28, z), kind="negative", size=16)
    bpy.ops.tomoseg.label_from_mask(filepath=str(tmp_path / "bar.mrc"))
    bar = np.asarray(part("tomo.mrc").open_tomogram(Path(tmp_path / "bar.mrc")).data)[3] != 0

    def is_right():
        """What would be taken as label lies mostly at the bar's own place, so nothing is flipped or shifted."""
        found = live.prediction_of(scene)
        if found is None:
            return False
        taken = live.whole_slice(found, bar.shape) > live.threshold(group.features["bar"])
        return taken[bar].mean() > 3 * taken[~bar].mean()

    until(in_window, is_right)
    assert live.training().facts["positives"] == 2 and live.threshold(group.features["bar"]) > 0
    bpy.ops.tomoseg.label_from_map()
    label = part("tomoseg_blender.scene.labels").read_slice_label("cell", "bar", 3)
    assert label[bar].mean() > 2 * label[~bar].mean()
    bpy.ops.tomoseg.live_finish()
    until(in_window, lambda: in_window.running() is None)
    told = in_window.outcome("live")
    assert not told.failed, told.sentence
    assert told.sentence.startswith("Trained bar") and group.features["bar"].trained
    assert (project / "networks" / "bar.safetensors").is_file()
