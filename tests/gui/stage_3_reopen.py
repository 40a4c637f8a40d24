"""After the kill, and moved elsewhere: the .blend finds its project, with all boxes and labels, and says so."""

import json
import shutil

import bpy
import numpy as np
from scenery import part, settings


def steps(gui):
    new = gui.folder / "elsewhere"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for name in ("project", "work.blend"):
        shutil.copytree(gui.folder / name, new / name) if name == "project" else shutil.copy2(gui.folder / name, new)
    hidden = (gui.folder / "project").rename(gui.folder / "project_before")  # nothing may come from there
    try:
        yield from look(gui, new)
    finally:
        hidden.rename(gui.folder / "project")


def look(gui, folder):
    bpy.ops.wm.open_mainfile(filepath=str(folder / "work.blend"))
    yield from gui.until(lambda: settings().shown == "cell", what="the .blend")
    yield from gui.redrawn()
    assert settings().folder == "//project"
    gui.facts["restored"] = settings().reasons.restored
    assert "painted slice" in settings().reasons.restored, "what was restored is told"
    boxes = json.loads((folder / "project" / "boxes.json").read_text())["boxes"]
    shown = part("tomoseg_blender.scene.boxes").scene_boxes()
    assert {box.id: list(box.centre) for box in shown} == {box["id"]: box["centre"] for box in boxes}
    assert len(shown) == 11
    for z in (2, 3, 12, 11, 10):
        settings().tomograms["cell"].slice_z = z
        yield 0.2
        label = part("tomoseg_blender.scene.labels").read_slice_label("cell", "vesicle", z)
        assert (label == np.load(gui.folder / f"expected_{z}.npy")).all(), f"the label of slice {z} survived"
        assert label.any()
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.tomoseg.show_gallery()
    yield from gui.photograph("20_reopened")
