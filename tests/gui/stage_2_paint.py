"""Paint, erase, change the slice and go back, undo, fill, flood; then Blender is killed."""

import importlib
import runpy
import time
from pathlib import Path

import bpy
import numpy as np

PACKAGE = "bl_ext.user_default.tomoseg"
SHAPE = (200, 260)


def part(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


def settings():
    """Asked for anew each time: undo replaces the scene."""
    return bpy.context.scene.tomoseg


def shown_slice():
    return settings().tomograms["cell"].slice_z


def painted(z):
    """The label on a slice as it is painted now."""
    labels = part("tomoseg_blender.scene.labels")
    if labels.find_label_image("cell", "vesicle", z) is None:
        return np.zeros(SHAPE, np.int8)
    return labels.read_slice_label("cell", "vesicle", z)


def saved(gui, z):
    path = gui.folder / "project" / "labels" / "cell__vesicle" / f"z{z:05d}.mrc"
    return part("tomo.labels").load_label(path, SHAPE)


def steps(gui):
    if not (gui.folder / "work.blend").is_file():  # run by itself, without the first stage
        yield from prepare(gui)
    bpy.ops.wm.open_mainfile(filepath=str(gui.folder / "work.blend"))
    yield 3.0
    assert sum(one.get("tomoseg_kind") == "box" for one in bpy.data.objects) == 11
    yield from begin(gui)
    yield from strokes(gui)
    yield from other_slice(gui)
    yield from computed(gui)
    yield from leave(gui)


def prepare(gui):
    """What the first stage leaves, by operators: a tomogram with ten positive boxes and a negative one."""
    first = runpy.run_path(str(Path(__file__).with_name("stage_1_boxes.py")))
    first["make_project"](gui.folder / "project")
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.tomoseg.open_project(directory=str(gui.folder / "project"))
    yield from first["open_tomogram"](gui)
    for x, y in first["PLACES"]:
        bpy.ops.tomoseg.add_box(location=(x, y, 10), kind="positive", size=64)
    bpy.ops.tomoseg.add_box(location=(150, 170, 10), kind="negative", size=64)
    bpy.ops.wm.save_as_mainfile(filepath=str(gui.folder / "work.blend"))


def begin(gui):
    """B enters painting from the box tool; a bracket changes the radius."""
    settings().tomograms["cell"].slice_z = 10
    yield from gui.move(gui.place_of(130, 100))
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "PAINT_TEXTURE", what="painting")
    yield 8.0  # shaders are compiled on the first view in Material Preview
    radius = settings().brush_radius
    yield from gui.key("RIGHT_BRACKET")
    assert settings().brush_radius == radius + 0.5, settings().brush_radius
    yield 1.0
    gui.picture("10_painting_begun")


def strokes(gui):
    waits = []
    for number, y in enumerate((30, 65, 100, 135, 170)):
        before = np.count_nonzero(painted(10))
        yield from gui.drag([gui.place_of(60, y), gui.place_of(120, y + 5)])
        began = time.perf_counter()
        yield from gui.until(lambda before=before: np.count_nonzero(painted(10)) > before, what=f"stroke {number}")
        waits.append(1000 * (time.perf_counter() - began))
    label = painted(10)
    rows = np.flatnonzero(label[:, 90])
    gui.facts["rows of a stroke of radius 3.5 voxels"] = int((rows < 50).sum())
    assert 5 <= (rows < 50).sum() <= 10, rows
    gui.picture("11_five_strokes")
    yield from gui.drag([gui.place_of(60, 65), gui.place_of(120, 70)], ctrl=True)
    yield 0.5
    assert not painted(10)[60:75, 70:110].any(), "Ctrl erases"
    assert painted(10)[98:107, 70:110].any(), "the other strokes stay"
    yield from gui.drag([gui.place_of(60, 170), gui.place_of(80, 172)], button="RIGHTMOUSE")
    yield 0.5
    assert not painted(10)[168:174, 64:76].any(), "the right button erases"
    brush = bpy.context.tool_settings.image_paint.brush
    yield from gui.until(lambda: brush.blend == "MIX", what="a brush that paints again")
    gui.picture("12_erased")


def other_slice(gui):
    """The next slice without leaving painting, and back; undo reaches the right slice."""
    first = painted(10)
    yield from gui.key("UP_ARROW")
    assert shown_slice() == 11 and bpy.context.mode == "PAINT_TEXTURE"
    assert (saved(gui, 10) == first).all(), "leaving a slice saves it"
    yield from gui.drag([gui.place_of(150, 50), gui.place_of(200, 60)])
    yield 0.5
    assert painted(11).any() and (painted(10) == first).all(), "a stroke stays on its slice"
    yield from gui.key("DOWN_ARROW")
    assert shown_slice() == 10
    gui.picture("13_back_on_the_first_slice")
    yield from gui.key("Z", ctrl=True)
    yield 0.5
    assert shown_slice() == 11, "undo goes back to the slice of the stroke first"
    yield from gui.key("Z", ctrl=True)
    yield 0.5
    assert not painted(11).any(), "and then takes the stroke back"
    assert (painted(10) == first).all()
    assert not saved(gui, 11).any()


def computed(gui):
    """Copy, undo, flood: new images take the place of painted ones, and the files follow undo."""
    assert shown_slice() == 11
    bpy.ops.tomoseg.copy_label("EXEC_DEFAULT", True)
    yield 0.5
    assert (painted(11) == painted(10)).all() and painted(11).any()
    gui.picture("14_copied")
    yield from gui.key("Z", ctrl=True)
    yield 0.5
    assert not painted(11).any() and not saved(gui, 11).any(), "undo takes the copy back, in the file too"
    yield from gui.key("Z", ctrl=True, shift=True)
    yield 0.5
    assert (saved(gui, 11) == painted(10)).all(), "redo brings it again"
    settings().brush_radius = 20
    before = np.count_nonzero(painted(11))
    yield from gui.click(gui.place_of(220 + 12, 90), alt=True)
    yield 1.0
    gui.facts["voxels flooded on a ring"] = int(np.count_nonzero(painted(11)) - before)
    assert np.count_nonzero(painted(11)) > before + 30
    gui.picture("15_flooded")


def leave(gui):
    """Save, paint once more, wait for what saves by itself; the driver then kills Blender."""
    bpy.ops.wm.save_mainfile()
    yield 0.5
    yield from gui.drag([gui.place_of(40, 190), gui.place_of(70, 190)])  # reaches over the edge of the slice
    yield 0.5
    assert painted(11)[198, 40:70].all() and not painted(11)[:3].any(), "the opposite edge is not painted"
    bpy.ops.tomoseg.save_labels()
    for z in (10, 11):
        np.save(gui.folder / f"expected_{z}.npy", painted(z))
    yield 0.2
