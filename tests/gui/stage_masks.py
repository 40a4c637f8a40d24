"""Import a foreign map and mask, move the threshold, click a component, delete it, undo, save. Needs a worker."""

import os
import time

import bpy
import numpy as np
import scenery
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Quaternion, Vector

part, settings = scenery.part, scenery.settings
FALSE_ONE = (130, 168)  # x, y: found by the other program, but no ring is there
PATIENCE = 240


def shells(places, sharpness):
    """[z, y, x] float32: 1 on rings of radius 12, falling off."""
    z, y, x = np.ogrid[: scenery.SHAPE[0], : scenery.SHAPE[1], : scenery.SHAPE[2]]
    found = np.zeros(scenery.SHAPE, np.float32)
    for number, (at_x, at_y) in enumerate(places):
        distance = np.sqrt((x - at_x) ** 2 + (y - at_y) ** 2 + (z - 10 - number % 3) ** 2)
        found = np.maximum(found, np.exp(-(((distance - 12) / sharpness) ** 2)))
    return found


def write(gui, name, volume):
    path = gui.folder / name
    part("tomo.mrc").write_mrc(path, volume, part("tomo.geometry").Geometry((10.0, 10.0, 10.0)))
    return str(path)


def busy():
    return part("tomoseg_blender.jobs").running() is not None


def done(gui, what):
    yield from gui.until(lambda: not busy(), seconds=PATIENCE, what=what)
    last = part("tomoseg_blender.jobs").outcome()
    assert last is not None and not last.failed, last
    yield from gui.redrawn()


def surface(name):
    for one in bpy.data.objects:
        if one.get("tomoseg_feature") == name and one.get("tomoseg_kind") == "surface":
            return one
    return None


def vertices(name):
    return len(surface(name).data.vertices)


def steps(gui):
    if "TOMOSEG_PYTHON" not in os.environ:
        gui.facts["skipped"] = "no worker: run.py binds the one that TOMOSEG_PYTHON names"
        return
    yield from scenery.begin(gui)
    settings().tomograms["cell"].slice_z = 10
    yield from import_map(gui)
    yield from move_threshold(gui)
    yield from import_mask(gui)
    yield from pick_and_delete(gui)
    yield from save(gui)
    yield from pick_on_slice(gui)
    yield from look_at_panels(gui)
    yield from measure(gui)
    yield from search(gui)


def import_map(gui):
    """easymode's int8 map of rings: a feature with a threshold, outlined on the slice."""
    path = write(gui, "cell__ring.mrc", (127 * shells(scenery.PLACES, 4.0)).astype(np.int8))
    bpy.ops.tomoseg.open_mask(filepath=path)
    yield from done(gui, "the map")
    assert abs(settings().features["ring"].level - 0.5) < 1e-3 and surface("ring") is not None
    surface("ring").hide_set(True)
    yield from gui.redrawn()
    gui.picture("masks_1_outline")


def move_threshold(gui):
    """By the slider in the panel, dragged: the outline follows while the mouse moves, the surface afterwards."""
    outlining = part("tomoseg_blender.outlining")
    before = width_of_outline(outlining)
    yield from gui.open_panel("TOMOSEG_PT_merge")
    x, y = yield from gui.find_button("level")
    during, reach = [], []
    yield from gui.move((x, y))
    gui.send("LEFTMOUSE", "PRESS")
    yield 0.1
    for step in range(1, 9):
        gui.mouse = (x - 2 * step, y)
        gui.send("MOUSEMOVE", "NOTHING")
        yield 0.1
        during.append(round(settings().features["ring"].level, 3))
        reach.append(width_of_outline(outlining))
    gui.picture("masks_2_dragging")
    old, began = vertices("ring"), time.perf_counter()
    gui.send("LEFTMOUSE", "RELEASE")
    yield from gui.until(lambda: vertices("ring") != old, seconds=PATIENCE, what="the new surface")
    gui.facts["seconds from release to the surface"] = round(time.perf_counter() - began, 2)
    gui.facts["thresholds while dragging"] = during
    assert len(set(during)) > 3 and len(set(reach)) > 3 and max(reach) > before, (before, during, reach)
    yield from done(gui, "the full surface")
    saved = part("tomo.project").Project.open(gui.folder / "project").features()
    level = settings().features["ring"].level
    assert abs(next(one.threshold for one in saved if one.name == "ring") - level) < 1e-3
    gui.picture("masks_3_threshold")


def width_of_outline(outlining):
    """How far the outline of the map reaches in x, in voxels."""
    lines = next(lines for name, lines in outlining.outlines(bpy.context.scene) if name == "ring")
    return round(float(lines[..., 0].max()), 3)


def import_mask(gui):
    """MemBrain-seg's binary mask, with one component too many."""
    found = (shells([*scenery.PLACES, FALSE_ONE], 3.0) > 0.5).astype(np.float32)
    bpy.ops.tomoseg.open_mask(filepath=write(gui, "cell_MemBrain_seg_v10.ckpt_segmented.mrc", found), volumes=False)
    yield from done(gui, "the mask")
    view = gui.area("VIEW_3D").spaces.active
    view.shading.type, view.shading.color_type, view.shading.light = "SOLID", "MATERIAL", "STUDIO"
    view.region_3d.view_rotation = Quaternion((0.85, 0.45, 0.1, 0.2)).normalized()
    yield from gui.redrawn(4)
    gui.picture("masks_4_mask")
    assert settings().masks.file == "cell__membrane.mrc" and settings().masks.labels[0].name == "membrane"


def pick_and_delete(gui):
    """The eyedropper, a click on the wrong component, Delete, Ctrl+Z, Ctrl+Shift+Z."""
    with bpy.context.temp_override(area=gui.area("VIEW_3D"), region=gui.region(gui.area("VIEW_3D"))):
        bpy.ops.tomoseg.pick_component("INVOKE_DEFAULT")
    yield 0.3
    yield from gui.click(top_of(gui, *FALSE_ONE))
    yield from gui.redrawn(3)
    gui.picture("masks_5_picked")
    assert settings().masks.picked.startswith("membrane, component"), settings().masks.picked
    before = vertices("membrane")
    bpy.ops.tomoseg.delete_component("EXEC_DEFAULT", True)  # with an undo step of its own, as a button's
    yield from gui.until(lambda: vertices("membrane") < before, what="the deletion")
    yield from gui.redrawn(3)
    gui.picture("masks_6_deleted")
    assert len(settings().masks.edits) == 1
    yield from gui.move(gui.place_of(130, 100))
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: vertices("membrane") == before, what="undo")
    assert len(settings().masks.edits) == 0
    yield from gui.redrawn(3)
    gui.picture("masks_7_undone")
    yield from gui.key("Z", ctrl=True, shift=True)
    yield from gui.until(lambda: vertices("membrane") < before, what="redo")
    assert len(settings().masks.edits) == 1


def top_of(gui, x, y):
    """Window pixels of the top of a ring around (x, y), which is where a click from above meets it first."""
    empty = next(one for one in bpy.data.objects if one.get("tomoseg_tomogram") == "cell" and one.type == "EMPTY")
    area = gui.area("VIEW_3D")
    region = gui.region(area)
    place = empty.matrix_world @ Vector((x, y, 12))
    point = location_3d_to_region_2d(region, area.spaces.active.region_3d, place)
    return region.x + point.x, region.y + point.y


def save(gui):
    masks = gui.folder / "project" / "masks"
    before = (masks / "cell__membrane.mrc").read_bytes()
    bpy.ops.tomoseg.save_mask()
    yield from gui.until((masks / "cell__membrane_v2.mrc").is_file, seconds=PATIENCE, what="the new version")
    yield from done(gui, "the surfaces of the new version")
    assert (masks / "cell__membrane.mrc").read_bytes() == before
    assert settings().masks.file == "cell__membrane_v2.mrc" and len(settings().masks.edits) == 0
    first, second = (part("tomo.mrc").open_tomogram(path) for path in sorted(masks.glob("cell__membrane*.mrc")))
    x, y = FALSE_ONE
    gone = np.argwhere(np.array(first.data) != np.array(second.data))
    assert len(gone) > 100 and (abs(gone[:, 2] - x) < 20).all() and (abs(gone[:, 1] - y) < 20).all()
    yield from gui.redrawn(3)
    gui.picture("masks_8_saved")


def pick_on_slice(gui):
    """No surface is in the scene: a click on the slice picks what the mask has there, and shows it."""
    for one in [one for one in bpy.data.objects if one.get("tomoseg_kind") == "surface"]:
        bpy.data.objects.remove(one)
    gui.area("VIEW_3D").spaces.active.region_3d.view_rotation = Quaternion((1, 0, 0, 0))
    yield from gui.redrawn(3)
    with bpy.context.temp_override(area=gui.area("VIEW_3D"), region=gui.region(gui.area("VIEW_3D"))):
        bpy.ops.tomoseg.pick_component("INVOKE_DEFAULT")
    yield 0.3
    x, y = scenery.PLACES[1]
    yield from gui.click(gui.place_of(x + 12, y))  # on the ring: its middle is hollow
    yield from gui.until(lambda: settings().masks.picked != "", seconds=PATIENCE, what="the component on the slice")
    yield from done(gui, "the component's surface")
    assert settings().masks.picked.startswith("membrane, component"), settings().masks.picked
    assert len([one for one in bpy.data.objects if one.get("tomoseg_alone")]) == 1
    yield from gui.redrawn(3)
    gui.picture("masks_9_picked_on_slice")


def look_at_panels(gui):
    """The panels of these steps as a person sees them, with a correction waiting to be saved."""
    bpy.ops.tomoseg.delete_component("EXEC_DEFAULT", True)
    yield from gui.open_panel("TOMOSEG_PT_results")
    yield from gui.photograph("masks_10_panel_results")
    yield from gui.scroll(-12)
    yield from gui.photograph("masks_11_panel_correct")
    bpy.ops.tomoseg.discard_corrections()
    yield from done(gui, "the surfaces without the correction")
    yield from gui.redrawn(3)


def measure(gui):
    """The table of parts: a click on a row frames the part, and corrections act on it."""
    bpy.ops.tomoseg.measure()
    yield from done(gui, "the measures")
    settings().part_index = 2
    yield from gui.redrawn(3)
    assert settings().masks.picked.startswith("membrane, component 3"), settings().masks.picked
    yield from gui.open_panel("TOMOSEG_PT_measure")
    yield from gui.photograph("masks_12_panel_measure")
    yield from gui.open_panel("TOMOSEG_PT_figure")
    yield from gui.photograph("masks_13_panel_figure")
    yield from gui.scroll(-15)
    yield from gui.photograph("masks_14_panel_figure_below")


def search(gui):
    """F3 finds what makes results, by its name: the table of parts is made again by typing."""
    csv = gui.folder / "project" / "masks" / "cell__membrane_v2.csv"
    csv.unlink()
    yield from gui.move(gui.place_of(130, 100))
    with bpy.context.temp_override(area=gui.area("VIEW_3D"), region=gui.region(gui.area("VIEW_3D"))):
        bpy.ops.wm.search_menu("INVOKE_DEFAULT")  # what F3 does
    yield 0.5
    yield from gui.type_text("measure mask")
    yield 1.0
    gui.picture("masks_15_search")
    yield from gui.key("RET")
    yield from gui.until(csv.is_file, seconds=PATIENCE, what="the table that F3 asked for")
    yield from done(gui, "the measures again")
