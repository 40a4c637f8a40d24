"""What the stages share: a project with a simulated tomogram, and what its files and the scene hold."""

import importlib
import json
import shutil

import bpy
import numpy as np

PACKAGE = "bl_ext.user_default.tomoseg"
SHAPE = (24, 200, 260)
PLACES = [(40, 40), (90, 40), (140, 40), (190, 40), (220, 90), (40, 90), (90, 90), (140, 90), (190, 140), (60, 150)]


def part(name):
    return importlib.import_module(f"{PACKAGE}.{name}")


def settings():
    """Asked for anew each time: undo replaces the scene."""
    return bpy.context.scene.tomoseg


def tomogram():
    """[z, y, x] float32: dark rings on noise, each at its own height."""
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    data = np.random.default_rng(4).normal(0, 1, SHAPE)
    for number, (at_x, at_y) in enumerate(PLACES):
        distance = np.sqrt((x - at_x) ** 2 + (y - at_y) ** 2 + 4 * (z - 10 - number % 3) ** 2)
        data -= 3 * np.exp(-(((distance - 12) / 2.5) ** 2))
    return data.astype(np.float32)


def make_project(folder):
    """A project with a tomogram, its half-size bin, and two features; no worker is needed for that."""
    shutil.rmtree(folder, ignore_errors=True)
    projects, mrc = part("tomo.project"), part("tomo.mrc")
    project, data, place = projects.Project.create(folder), tomogram(), (300.0, -200.0, 100.0)
    halved = data.reshape(12, 2, 100, 2, 130, 2).mean(axis=(1, 3, 5))
    for name, volume, size, shrink in (("cell", data, 10.0, 1), ("cell_bin2", halved, 20.0, 2)):
        geometry = part("tomo.geometry").Geometry((size, size, size), place)
        mrc.write_mrc(project.tomogram_path(name), volume, geometry)
        project.add_tomogram(
            projects.TomogramEntry(
                name,
                f"tomograms/{name}.mrc",
                voxel_size=geometry.voxel_size,
                shape=volume.shape,
                shrink=shrink,
                family="cell",
            )
        )
    project.add_feature("vesicle")
    project.add_feature("membrane")


def begin(gui):
    """An empty file with the project open, laid out, the tomogram shown and the box tool in hand."""
    make_project(gui.folder / "project")
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.tomoseg.open_project(directory=str(gui.folder / "project"))
    bpy.ops.tomoseg.workspace()
    yield from gui.until(lambda: gui.has("IMAGE_EDITOR") and gui.has_tab("Tomoseg"), what="the workspace")
    yield from gui.redrawn()
    bpy.ops.tomoseg.show_tomogram()
    bpy.ops.tomoseg.use_box_tool()
    bpy.ops.ed.undo_push(message="begin")
    yield from gui.redrawn()


def boxes_in(folder):
    """The boxes of boxes.json."""
    path = folder / "boxes.json"
    return json.loads(path.read_text())["boxes"] if path.exists() else []


def boxes_of_scene():
    return [one for one in bpy.context.scene.objects if one.get("tomoseg_kind") == "box"]


def shown_slice():
    return settings().tomograms[settings().shown].slice_z


def painted(z, feature="vesicle"):
    """The label on a slice as it is painted now, int8 [y, x]."""
    labels = part("tomoseg_blender.scene.labels")
    if labels.find_label_image("cell", feature, z) is None:
        return np.zeros(SHAPE[1:], np.int8)
    return labels.read_slice_label("cell", feature, z)


def saved(gui, z):
    """The label on a slice as the project has it."""
    path = gui.folder / "project" / "labels" / "cell__vesicle" / f"z{z:05d}.mrc"
    return part("tomo.labels").load_label(path, SHAPE[1:])
