"""Live training on a real tomogram of a microtubule: paint, look, mark what is wrong, look again. Needs a worker."""

import os
import shutil
from pathlib import Path

import bpy
import numpy as np
from scenery import boxes_in, part, settings
from stage_live import PATIENCE, live, note, prediction

PAINTED, OTHER = 18, 13  # slices: one is painted, the other only looked at
BOX = 48
BESIDE = 8  # voxels from the wall, beyond which nothing of the microtubule is


def steps(gui):
    data = Path(os.environ.get("TOMOSEG_SHARED", "")) / "data"
    if "TOMOSEG_PYTHON" not in os.environ or not (data / "microtubule13_tomogram.mrc").is_file():
        note(gui, "skipped", "no worker, or no real tomogram: run.py binds those that TOMOSEG_PYTHON and _SHARED name")
        return
    wall = np.array(part("tomo.mrc").open_tomogram(data / "microtubule13_wall.mrc").data) > 0
    yield from begin(gui, data / "microtubule13_tomogram.mrc")
    yield from annotate(gui, wall[PAINTED])
    yield from learn(gui, wall[PAINTED])
    yield from correct(gui, wall[OTHER])


def begin(gui, tomogram):
    """A new project with the tomogram, imported by the worker with its defaults."""
    folder = gui.folder / "microtubule"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.tomoseg.create_project(directory=str(folder))
    bpy.ops.tomoseg.workspace()
    yield from gui.until(lambda: gui.has("IMAGE_EDITOR") and gui.has_tab("Tomoseg"), what="the workspace")
    bpy.ops.tomoseg.import_tomogram(filepath=str(tomogram))
    jobs = part("tomoseg_blender.jobs")
    yield from gui.until(lambda: jobs.running() is None, PATIENCE, "the import")
    bpy.ops.tomoseg.add_feature(name="microtubule")
    bpy.ops.tomoseg.show_tomogram()
    bpy.ops.tomoseg.use_box_tool()
    settings().box_size, settings().brush_radius = BOX, 2.0
    bpy.ops.ed.undo_push(message="begin")
    yield from gui.open_panel("TOMOSEG_PT_live")
    assert settings().tomograms[settings().shown].slice_z == PAINTED


def sides(wall, y):
    """x of the middle of the left and of the right wall in row y."""
    found = np.flatnonzero(wall[y])
    gap = int(np.argmax(np.diff(found)))
    return float(found[: gap + 1].mean()), float(found[gap + 1 :].mean())


def annotate(gui, wall):
    """Two positive boxes along the microtubule, a negative one beside it; both walls are painted by strokes."""
    folder = gui.folder / "microtubule"
    rows = (55, 150)
    for y in rows:
        yield from gui.click(gui.place_of(round(np.mean(sides(wall, y))), y))
    yield from gui.key("E")
    yield from gui.click(gui.place_of(80, 28))
    yield from gui.key("E")
    yield from gui.until(lambda: len(boxes_in(folder)) == 3, what="three boxes")
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "PAINT_TEXTURE", what="painting")
    yield from gui.until(lambda: not part("tomoseg_blender.painting").is_stroking(), what="rest")
    for y in rows:
        ends = (y - BOX // 2, y, y + BOX // 2)
        for side in (0, 1):
            yield from gui.drag([gui.place_of(sides(wall, at)[side] + 0.5, at) for at in ends])
    yield from gui.photograph("real_1_painted")


def score(values, wall, limit):
    """(Dice of what is drawn as found, its share beside the microtubule)."""
    found = values > limit
    dice = 2 * np.count_nonzero(found & wall) / max(np.count_nonzero(found) + np.count_nonzero(wall), 1)
    return round(float(dice), 2), round(np.count_nonzero(found & away_from(wall)) / max(np.count_nonzero(found), 1), 2)


def away_from(wall):
    """Where nothing of the microtubule is: outside of what lies between and near its walls, row by row."""
    x = np.arange(wall.shape[1])
    edges = np.array([[row.nonzero()[0].min(), row.nonzero()[0].max()] for row in wall])
    return (x < edges[:, :1] - BESIDE) | (x > edges[:, 1:] + BESIDE)


def look(gui, z, step, what):
    """The prediction of slice z, once it has learned more than `step` steps."""
    yield from gui.until(
        lambda: prediction() is not None and prediction().z == z and prediction().step > step, PATIENCE, what
    )
    yield from gui.redrawn()


def values_of(wall):
    return live().whole_slice(prediction(), wall.shape)


def limit():
    return live().threshold(settings().features["microtubule"])


def learn(gui, wall):
    """L: what the network has learned is drawn over the slice."""
    yield from gui.key("L")
    yield from look(gui, PAINTED, 40, "a prediction that has learned")
    dice, beside = score(values_of(wall), wall, limit())
    note(gui, "painted slice: Dice, share beside the microtubule", [dice, beside])
    gui.picture("real_2_learned")
    assert dice > 0.5, "the network finds the walls that were painted"


def correct(gui, wall):
    """On a slice without paint, W marks where the network is wrong; what it wrongly found there goes."""
    yield from gui.move(gui.place_of(5, 195))
    for _ in range(PAINTED - OTHER):
        yield from gui.key("DOWN_ARROW")
    yield from look(gui, OTHER, 0, "the prediction of another slice")
    wrong = np.where(away_from(wall), values_of(wall), -np.inf)
    y, x = (int(one) for one in np.unravel_index(int(wrong.argmax()), wrong.shape))
    before = float(wrong[y, x])
    note(gui, "other slice: Dice, share beside the microtubule", score(values_of(wall), wall, limit()))
    gui.picture("real_3_wrong")
    folder, count, step = gui.folder / "microtubule", len(boxes_in(gui.folder / "microtubule")), prediction().step
    yield from gui.move(gui.place_of(x + 0.5, y + 0.5))
    yield from gui.key("W")
    yield from gui.until(lambda: len(boxes_in(folder)) == count + 1, what="the negative box")
    assert boxes_in(folder)[-1]["kind"] == "negative"
    yield from look(gui, OTHER, step + 30, "what it has learned from that")
    after = float(values_of(wall)[y, x])
    note(gui, "strength at the marked place, before and after", [round(before, 2), round(after, 2)])
    note(gui, "other slice after it: Dice, share beside", score(values_of(wall), wall, limit()))
    yield from gui.move(gui.place_of(5, 195))
    yield from gui.photograph("real_4_corrected")
    # Where nothing was found wrongly, the most doubtful place was marked: it only must not become a finding.
    assert after < limit(), "it is no longer found there"
    bpy.ops.tomoseg.live()
    yield from gui.until(lambda: live().training() is None, PATIENCE, "the end of live training")
