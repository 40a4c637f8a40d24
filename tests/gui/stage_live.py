"""Live training in a real window: paint, see the prediction, correct it, see it change, finish. Needs a worker.

Also measured: how long a slice step and a stroke take with live training and without.
"""

import importlib
import json
import math
import os
import shutil
import time

import bpy
import numpy as np

PACKAGE = "bl_ext.user_default.tomoseg"
SHAPE = (16, 512, 512)
Z = 8
RINGS = [(90, 90), (190, 110), (310, 80), (420, 120), (100, 230), (230, 240), (380, 260), (120, 390), (270, 400)]
DISKS = [(420, 400), (330, 330), (60, 300), (440, 200)]  # as dark as the rings, but no rings
PATIENCE = 600  # seconds, on a machine that does much else


def part(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


def settings():
    """Asked for anew each time: undo replaces the scene."""
    return bpy.context.scene.tomoseg


def live():
    return part("tomoseg_blender.live")


def make_project(folder):
    """Dark rings and dark disks on noise: a network must learn to tell them apart."""
    shutil.rmtree(folder, ignore_errors=True)
    project_of = part("tomo.project")
    project = project_of.Project.create(folder)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    data = np.random.default_rng(4).normal(0, 1, SHAPE).astype(np.float32)
    for at_x, at_y in RINGS:
        distance = np.sqrt((x - at_x) ** 2 + (y - at_y) ** 2 + 2.0 * (z - Z) ** 2)
        data -= 3 * np.exp(-(((distance - 20) / 3) ** 2))
    for at_x, at_y in DISKS:
        data -= 3 * np.exp(-((((x - at_x) ** 2 + (y - at_y) ** 2 + (z - Z) ** 2) / 9.0**2) ** 2))
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (300.0, -200.0, 100.0))
    part("tomo.mrc").write_mrc(project.tomogram_path("cell"), data, geometry)
    entry = project_of.TomogramEntry("cell", "tomograms/cell.mrc", voxel_size=geometry.voxel_size, shape=SHAPE)
    project.add_tomogram(entry)
    project.add_feature("vesicle")


def boxes_in(folder):
    path = folder / "boxes.json"
    return json.loads(path.read_text())["boxes"] if path.exists() else []


def label(z):
    labels = part("tomoseg_blender.scene.labels")
    if labels.find_label_image("cell", "vesicle", z) is None:
        return np.zeros(SHAPE[1:], np.int8)
    return labels.read_slice_label("cell", "vesicle", z)


def differs(other):
    return lambda: bool((label(Z) != other).any())


def equals(other):
    return lambda: bool((label(Z) == other).all())


def prediction():
    return live().prediction_of(bpy.context.scene)


def note(gui, name, value):
    """A fact of the report; also in the log, for a run that does not come to its end."""
    gui.facts[name] = value
    print(f"{name}: {value}", flush=True)


def circle(gui, centre, radius=20.0, points=16):
    x, y = centre
    angles = [2 * math.pi * n / points for n in range(points + 1)]
    return [gui.place_of(x + 0.5 + radius * math.cos(one), y + 0.5 + radius * math.sin(one)) for one in angles]


def steps(gui):
    if "TOMOSEG_PYTHON" not in os.environ:
        note(gui, "skipped", "no worker: run.py binds the one that TOMOSEG_PYTHON names")
        return
    folder = gui.folder / "live"
    make_project(folder)
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.tomoseg.open_project(directory=str(folder))
    bpy.ops.tomoseg.workspace()
    yield from gui.until(lambda: gui.has("IMAGE_EDITOR") and gui.has_tab("Tomoseg"), what="the workspace")
    yield 1.0
    bpy.ops.tomoseg.show_tomogram()
    bpy.ops.tomoseg.use_box_tool()
    settings().box_size = 64
    settings().brush_radius = 3.5
    settings().train.max_seconds = 5.0  # the last training: this is about the window
    bpy.ops.ed.undo_push(message="begin")
    yield 1.0
    yield from gui.open_panel("TOMOSEG_PT_live")
    assert settings().tomograms["cell"].slice_z == Z
    yield from annotate(gui, folder)
    yield from measure(gui, "live off")
    yield from begin(gui)
    yield from measure(gui, "live on")
    yield from upload(gui)
    yield from correct(gui, folder)
    yield from go_on(gui, folder)
    yield from finish(gui, folder)


def annotate(gui, folder):
    """Two positive boxes by clicks, two negative ones; the rings in the first are painted."""
    for centre in RINGS[:2]:
        yield from gui.click(gui.place_of(*centre))
    yield from gui.key("E")
    for centre in ((330, 170), (200, 330)):
        yield from gui.click(gui.place_of(*centre))
    yield from gui.key("E")
    yield from gui.until(lambda: len(boxes_in(folder)) == 4, what="four boxes")
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "PAINT_TEXTURE", what="painting")
    yield 5.0
    for centre in RINGS[:2]:
        yield from gui.drag(circle(gui, centre), between=2)
    assert np.count_nonzero(label(Z)) > 800, np.count_nonzero(label(Z))
    gui.picture("live_1_painted")


def measure(gui, when):
    """Milliseconds from a key to the next slice, and from the mouse to the first paint of a stroke."""
    walks, strokes = [], []
    yield from gui.move(gui.place_of(450, 470))
    for number in range(6):
        before, began = settings().tomograms["cell"].slice_z, time.perf_counter()
        gui.send("UP_ARROW" if number % 2 == 0 else "DOWN_ARROW", "PRESS")
        gui.send("UP_ARROW" if number % 2 == 0 else "DOWN_ARROW", "RELEASE")
        while settings().tomograms["cell"].slice_z == before:
            yield 0.01
        walks.append(1000 * (time.perf_counter() - began))
        yield 0.4
    assert settings().tomograms["cell"].slice_z == Z
    for number in range(2):
        y = 440 + 15 * number
        yield from gui.move(gui.place_of(400, y))
        before, began = np.count_nonzero(label(Z)), time.perf_counter()
        gui.send("LEFTMOUSE", "PRESS")
        yield 0.01
        for step in range(1, 5):
            gui.mouse = gui.place_of(400 + 10 * step, y)
            gui.send("MOUSEMOVE", "NOTHING")
            yield 0.01
        gui.send("LEFTMOUSE", "RELEASE")
        while np.count_nonzero(label(Z)) == before:
            yield 0.01
        strokes.append(1000 * (time.perf_counter() - began))
        yield 0.6
        yield from gui.key("Z", ctrl=True)
        yield from gui.until(lambda before=before: np.count_nonzero(label(Z)) == before, what="the stroke undone")
    for name, found in (("slice step", walks), ("stroke of 5 events", strokes)):
        note(gui, f"{name}, {when}, ms (median, worst)", [round(float(np.median(found)), 1), round(max(found), 1)])


def begin(gui):
    """L starts it; the prediction is there within seconds, and gone at once on another slice."""
    began = time.perf_counter()
    yield from gui.key("L")
    yield from gui.until(lambda: live().training() is not None, what="live training")
    yield from gui.until(lambda: prediction() is not None, PATIENCE, "the first prediction")
    note(gui, "first prediction after L, s (the worker's start included)", round(time.perf_counter() - began, 1))
    step = prediction().step
    yield from gui.until(lambda: prediction().step > step + 10, PATIENCE, "a better prediction")
    yield 0.5
    gui.picture("live_2_prediction")
    waits = []
    for key, z in (("UP_ARROW", Z + 1), ("DOWN_ARROW", Z)) * 2:
        began = time.perf_counter()
        gui.send(key, "PRESS")
        gui.send(key, "RELEASE")
        while settings().tomograms["cell"].slice_z != z:
            yield 0.01
        assert prediction() is None, "never that of another slice"
        while prediction() is None:
            assert time.perf_counter() - began < PATIENCE
            yield 0.01
        waits.append(round(time.perf_counter() - began, 2))
        assert prediction().z == z
    note(gui, "key to the prediction of the new slice, s", waits)


def upload(gui):
    """Milliseconds to hand a new map of 1024² voxels over to the graphics card, inside a redraw."""
    texture_of = part("tomoseg_blender.scene.prediction").texture_of
    values, waits = np.random.default_rng(1).random((1024, 1024), np.float32), []

    def draw():
        began = time.perf_counter()
        texture_of(object(), values)
        waits.append(1000 * (time.perf_counter() - began))

    handle = bpy.types.SpaceView3D.draw_handler_add(draw, (), "WINDOW", "POST_VIEW")
    for _ in range(5):
        gui.area("VIEW_3D").tag_redraw()
        yield 0.2
    bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")
    note(
        gui,
        "handing a map of 1024² over, ms (median, worst)",
        [round(float(np.median(waits)), 1), round(max(waits), 1)],
    )


def strongest(places, radius=12):
    """The place where the network is surest of the feature."""
    values = live().whole_slice(prediction(), SHAPE[1:])
    return max(places, key=lambda at: values[at[1] - radius : at[1] + radius, at[0] - radius : at[0] + radius].max())


def correct(gui, folder):
    """W marks a false positive; a lasso and Y take what is right; one step of undo each."""
    wrong = strongest(DISKS)
    count = len(boxes_in(folder))
    yield from gui.move(gui.place_of(*wrong))
    yield from gui.key("W")
    yield from gui.until(lambda: len(boxes_in(folder)) == count + 1, what="the negative box")
    assert boxes_in(folder)[-1]["kind"] == "negative"
    other = next(one for one in DISKS if one != wrong)
    yield from gui.click(gui.place_of(*other), alt=True, shift=True)
    yield from gui.until(lambda: len(boxes_in(folder)) == count + 2, what="the second negative box")
    before = label(Z)
    ring = RINGS[5]
    yield from gui.drag(circle(gui, ring, 32.0), button="RIGHTMOUSE", between=2, ctrl=True)
    yield from gui.until(differs(before), what="the label in the lasso")
    taken = label(Z)
    note(gui, "voxels taken in a lasso", int(np.count_nonzero(taken) - np.count_nonzero(before)))
    y, x = np.nonzero(taken != before)
    assert np.hypot(x - ring[0], y - ring[1]).max() < 36, "nothing outside the lasso"
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(equals(before), what="the lasso undone")
    yield from gui.key("Z", ctrl=True, shift=True)
    yield from gui.until(equals(taken), what="the lasso redone")
    bpy.ops.tomoseg.add_box("EXEC_DEFAULT", True, location=(*ring, Z), kind="positive", size=64)
    bpy.ops.tomoseg.add_box("EXEC_DEFAULT", True, location=(*RINGS[6], Z), kind="positive", size=64)
    before = label(Z)
    yield from gui.move(gui.place_of(*RINGS[6]))
    yield from gui.key("Y")
    yield from gui.until(differs(before), what="the label in the box")
    gui.picture("live_3_corrected")


def go_on(gui, folder):
    """The next prediction has learned from it; the network proposes the next box."""
    step = prediction().step
    began = time.perf_counter()
    yield from gui.until(lambda: prediction() is not None and prediction().step > step + 30, PATIENCE, "progress")
    note(gui, "30 steps more, s", round(time.perf_counter() - began, 1))
    yield 0.5
    gui.picture("live_4_after_correction")
    values = live().whole_slice(prediction(), SHAPE[1:])
    limit = live().threshold(settings().features["vesicle"])
    found = values > limit
    note(gui, "share of the predicted voxels on rings", round(on_rings(found), 2))
    count = len(boxes_in(folder))
    yield from gui.key("RIGHT_ARROW", shift=True)
    yield from gui.until(lambda: len(boxes_in(folder)) == count + 1, PATIENCE, "the proposed box")
    note(gui, "proposed", {**boxes_in(folder)[-1], "why": live().training().why_here(bpy.context.scene)})
    yield 2.0
    gui.picture("live_5_next_box")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: len(boxes_in(folder)) == count, what="the proposed box undone")
    assert live().training() is not None


def on_rings(found):
    y, x = np.nonzero(found)
    near = np.min([np.abs(np.hypot(x - at_x, y - at_y) - 20) for at_x, at_y in RINGS], axis=0)
    return float((near < 6).mean()) if len(near) else 0.0


def finish(gui, folder):
    bpy.ops.tomoseg.live_finish()
    yield 1.0
    gui.picture("live_6_finishing")
    jobs = part("tomoseg_blender.jobs")
    yield from gui.until(lambda: jobs.running() is None, PATIENCE, "the end of the last training")
    note(gui, "told at the end", jobs.outcome("live").sentence)
    assert not jobs.outcome("live").failed and (folder / "networks" / "vesicle.safetensors").is_file()
    yield 1.0
    gui.picture("live_7_finished")
