"""After the kill: the project opens with the boxes and labels that were there."""

import importlib
import json

import bpy
import numpy as np

PACKAGE = "bl_ext.user_default.tomoseg"


def part(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


def steps(gui):
    bpy.ops.wm.open_mainfile(filepath=str(gui.folder / "work.blend"))
    yield 3.0
    scene = bpy.context.scene
    assert scene.tomoseg.folder == "//project"
    assert "painted slice" in scene.tomoseg.reasons.restored, "what was restored is told"
    boxes = json.loads((gui.folder / "project" / "boxes.json").read_text())["boxes"]
    shown = part("tomoseg_blender.scene.boxes").scene_boxes()
    assert {box.id: list(box.centre) for box in shown} == {box["id"]: box["centre"] for box in boxes}
    assert len(shown) == 11
    for z in (10, 11):
        scene.tomoseg.tomograms["cell"].slice_z = z
        yield 0.5
        label = part("tomoseg_blender.scene.labels").read_slice_label("cell", "vesicle", z)
        assert (label == np.load(gui.folder / f"expected_{z}.npy")).all(), f"the label of slice {z} survived"
        assert label.any()
    if bpy.context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.tomoseg.show_gallery()
    yield 15.0  # the plane is white until the shaders are compiled
    gui.picture("20_reopened")
