"""Open a tomogram, step through it, place boxes by clicks, move and delete some, undo."""

import importlib
import json
import shutil
import time

import bpy
import numpy as np

PACKAGE = "bl_ext.user_default.tomoseg"
SHAPE = (24, 200, 260)
PLACES = [(40, 40), (90, 40), (140, 40), (190, 40), (220, 90), (40, 90), (90, 90), (140, 90), (190, 140), (60, 150)]


def part(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


def make_project(folder):
    """A project with a tomogram of bright rings on noise, and two features; no worker is needed for that."""
    shutil.rmtree(folder, ignore_errors=True)
    project_of = part("tomo.project")
    project = project_of.Project.create(folder)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    data = np.random.default_rng(4).normal(0, 1, SHAPE)
    for number, (at_x, at_y) in enumerate(PLACES):
        distance = np.sqrt((x - at_x) ** 2 + (y - at_y) ** 2 + 4 * (z - 10 - number % 3) ** 2)
        data -= 3 * np.exp(-(((distance - 12) / 2.5) ** 2))
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (300.0, -200.0, 100.0))
    part("tomo.mrc").write_mrc(project.tomogram_path("cell"), data.astype(np.float32), geometry)
    entry = project_of.TomogramEntry("cell", "tomograms/cell.mrc", voxel_size=geometry.voxel_size, shape=SHAPE)
    project.add_tomogram(entry)
    project.add_feature("vesicle")
    project.add_feature("membrane")


def boxes_in(folder):
    path = folder / "boxes.json"
    return json.loads(path.read_text())["boxes"] if path.exists() else []


def centres(folder):
    return sorted(tuple(box["centre"]) for box in boxes_in(folder))


def near(found, expected):
    return all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def settings():
    """Asked for anew each time: undo replaces the scene."""
    return bpy.context.scene.tomoseg


def shown_slice():
    return settings().tomograms["cell"].slice_z


def steps(gui):
    folder = gui.folder / "project"
    make_project(folder)
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.tomoseg.open_project(directory=str(folder))
    yield from open_tomogram(gui)
    yield from walk(gui)
    yield from place(gui, folder)
    yield from change(gui, folder)
    yield from switch(gui, folder)
    yield from use_gallery(gui)
    bpy.ops.tomoseg.check_annotation()
    gui.facts["findings"] = [finding.sentence for finding in settings().findings]
    assert any("Nothing is painted" in sentence for sentence in gui.facts["findings"])
    bpy.ops.wm.save_as_mainfile(filepath=str(gui.folder / "work.blend"))
    yield 0.5


def open_tomogram(gui):
    bpy.ops.tomoseg.workspace()
    yield from gui.until(lambda: gui.has("IMAGE_EDITOR") and gui.has_tab("Tomoseg"), what="the workspace")
    yield 0.5
    bpy.ops.tomoseg.show_tomogram()
    bpy.ops.tomoseg.use_box_tool()
    bpy.ops.ed.undo_push(message="begin")
    yield 0.5
    gui.picture("01_opened")
    assert shown_slice() == 12


def walk(gui):
    """Arrows, page keys, Ctrl+wheel, and Shift for ten."""
    yield from gui.move(gui.place_of(130, 120))
    for kind, expected in (("UP_ARROW", 13), ("DOWN_ARROW", 12), ("PAGE_DOWN", 2)):
        yield from gui.key(kind)
        assert shown_slice() == expected, kind
    yield from gui.wheel(1, ctrl=True, shift=True)
    assert shown_slice() == 12
    yield from gui.wheel(-2, ctrl=True)
    assert shown_slice() == 10


def place(gui, folder):
    """Ten boxes by clicks, each within a voxel of its click."""
    waits = []
    for x, y in PLACES:
        yield from gui.move(gui.place_of(x + 0.5, y + 0.5))
        count, began = len(boxes_of_scene()), time.perf_counter()
        gui.send("LEFTMOUSE", "PRESS")
        yield from gui.until(lambda count=count: len(boxes_of_scene()) > count, what="a box")
        waits.append(1000 * (time.perf_counter() - began))
        gui.send("LEFTMOUSE", "RELEASE")
        yield 0.1
    gui.facts["click to box, ms (median)"] = round(float(np.median(waits)), 1)
    yield from gui.until(lambda: len(centres(folder)) == 10, what="ten boxes in the project")
    for (x, y), centre in zip(sorted(PLACES), centres(folder), strict=True):
        assert near(centre, (x, y, 10)), (centre, x, y)
    gui.picture("02_ten_boxes")


def change(gui, folder):
    """Drag one, delete one, undo both."""
    yield from gui.drag([gui.place_of(40.5, 40.5), gui.place_of(52.5, 48.5)])
    moved = lambda: any(near(centre, (52, 48, 10)) for centre in centres(folder))  # noqa: E731
    yield from gui.until(moved, what="the moved box in the project")
    yield from gui.click(gui.place_of(220.5, 90.5), shift=True)
    yield from gui.until(lambda: len(centres(folder)) == 9, what="the deletion in the project")
    gui.picture("03_moved_and_deleted")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: len(centres(folder)) == 10, what="the deleted box after undo")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: not moved(), what="the moved box at its old place after undo")


def switch(gui, folder):
    """E for the kind, F for the feature, boxes of other slices fainter, Right for the next box."""
    yield from gui.key("E")
    assert settings().box_kind == "negative"
    yield from gui.click(gui.place_of(150.5, 170.5))
    yield from gui.key("F")
    assert settings().features[settings().feature_index].name == "membrane"
    yield from gui.key("F")
    yield from gui.key("E")
    yield from gui.key("UP_ARROW")
    yield from gui.key("UP_ARROW")
    yield 0.5
    gui.picture("04_boxes_of_other_slices")
    yield from gui.key("RIGHT_ARROW")
    assert shown_slice() == 10, "the next box is on slice 10"
    kinds = [box["kind"] for box in boxes_in(folder)]
    assert (kinds.count("positive"), kinds.count("negative")) == (10, 1)


def use_gallery(gui):
    """A click on a tile goes to its box."""
    bpy.ops.tomoseg.show_gallery()
    yield 1.0
    gui.picture("05_gallery")
    yield from gui.key("PAGE_UP")
    assert shown_slice() == 20
    editor = gui.area("IMAGE_EDITOR")
    region = gui.region(editor)
    width, height = editor.spaces.active.image.size
    corner = region.view2d.view_to_region(30 / width, 1 - 30 / height, clip=False)
    yield from gui.click((region.x + corner[0], region.y + corner[1]))
    yield from gui.until(lambda: shown_slice() == 10, what="the slice of the clicked tile")


def boxes_of_scene():
    return [one for one in bpy.context.scene.objects if one.get("tomoseg_kind") == "box"]
