"""Paint, erase, ignore, flood, change the slice and go back, undo, fill by buttons; killed in mid-stroke."""

import bpy
import numpy as np
from scenery import PLACES, SHAPE, begin, painted, part, saved, settings, shown_slice


def steps(gui):
    if not (gui.folder / "work.blend").is_file():  # run by itself, without the first stage
        yield from prepare(gui)
    bpy.ops.wm.open_mainfile(filepath=str(gui.folder / "work.blend"))
    yield from gui.until(lambda: settings().shown == "cell", what="the .blend")
    yield from gui.redrawn()
    assert sum(one.get("tomoseg_kind") == "box" for one in bpy.data.objects) == 11
    yield from enter(gui)
    yield from strokes(gui)
    yield from ignore(gui)
    yield from in_the_image_editor(gui)
    yield from radius(gui)
    yield from other_slice(gui)
    yield from other_box(gui)
    yield from typed_slice(gui)
    yield from computed(gui)
    yield from flood(gui)
    yield from leave(gui)


def prepare(gui):
    """What the first stage leaves, by operators: a tomogram with ten positive boxes and a negative one."""
    yield from begin(gui)
    for x, y in PLACES:
        bpy.ops.tomoseg.add_box(location=(x, y, 10), kind="positive", size=64)
    bpy.ops.tomoseg.add_box(location=(150, 170, 10), kind="negative", size=64)
    bpy.ops.wm.save_as_mainfile(filepath=str(gui.folder / "work.blend"))


def enter(gui):
    """B enters painting from the box tool; a bracket changes the radius."""
    settings().tomograms["cell"].slice_z = 10
    yield from gui.move(gui.place_of(130, 100))
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "PAINT_TEXTURE", what="painting")
    before = settings().brush_radius
    yield from gui.key("RIGHT_BRACKET")
    yield from gui.until(lambda: settings().brush_radius == before + 0.5, what="a larger radius")
    yield from gui.photograph("10_painting_begun")


def stroke(gui, places, z=10, **how):
    """Drag, and wait until the label has changed and the stroke has ended."""
    before, painting = painted(z), part("tomoseg_blender.painting")
    yield from gui.drag(places, **how)
    yield from gui.until(lambda: not np.array_equal(painted(z), before), what="a stroke")
    yield from gui.until(lambda: not painting.is_stroking(), what="the end of a stroke")
    yield 0.2


def strokes(gui):
    for y in (30, 65, 100, 135, 170):
        yield from stroke(gui, [gui.place_of(60, y), gui.place_of(120, y + 5)])
    rows = np.flatnonzero(painted(10)[:, 90])
    gui.facts["rows of a stroke of radius 3.5 voxels"] = int((rows < 50).sum())
    assert 5 <= (rows < 50).sum() <= 10, rows
    yield from gui.photograph("11_five_strokes")
    yield from stroke(gui, [gui.place_of(60, 65), gui.place_of(120, 70)], ctrl=True)
    left = painted(10)[50:85]
    gui.facts["voxels left of an erased stroke"] = int(np.count_nonzero(left))
    assert not left.any(), "Ctrl erases, to the last voxel"
    assert painted(10)[98:107, 70:110].any(), "the other strokes stay"
    yield from stroke(gui, [gui.place_of(60, 170), gui.place_of(80, 172)], button="RIGHTMOUSE")
    assert not painted(10)[168:174, 64:76].any(), "the right button erases"
    brush = bpy.context.tool_settings.image_paint.brush
    yield from gui.until(lambda: brush.blend == "MIX", what="a brush that paints again")
    yield from gui.photograph("12_erased")


def ignore(gui):
    """I paints what does not count, and back."""
    yield from gui.key("I")
    yield from gui.until(lambda: settings().paint_role == "ignore", what="I")
    yield from stroke(gui, [gui.place_of(150, 120), gui.place_of(180, 120)])
    assert (painted(10)[120, 155:175] == 2).all()
    yield from gui.photograph("12b_ignored")
    yield from gui.key("I")
    yield from gui.until(lambda: settings().paint_role == "label", what="I again")


def in_the_image_editor(gui):
    """A stroke in the Image Editor has the same radius in voxels, and can be undone."""
    editor = gui.area("IMAGE_EDITOR")
    region = gui.region(editor)

    def at(x, y):
        place = region.view2d.view_to_region(x / SHAPE[2], y / SHAPE[1], clip=False)
        return region.x + place[0], region.y + place[1]

    before = painted(10)
    yield from stroke(gui, [at(150, 150), at(170, 152), at(190, 150)])
    rows = np.flatnonzero((painted(10) != before)[:, 170])
    gui.facts["rows of the same brush in the Image Editor"] = len(rows)
    assert 5 <= len(rows) <= 10 and 140 < rows.min() < 160, rows
    yield from gui.photograph("13_image_editor")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: np.array_equal(painted(10), before), what="the stroke undone")


def radius(gui):
    """F changes the radius on the screen, and the radius in voxels follows."""
    before = settings().brush_radius
    yield from gui.move(gui.place_of(200, 100))
    yield from gui.key("F")
    x, y = gui.place_of(200, 100)
    yield from gui.move((x + 15, y))
    yield from gui.click((x + 15, y))
    yield from gui.until(lambda: settings().brush_radius > before + 3, what="a radius chosen with F")
    gui.facts["radius in voxels after F"] = settings().brush_radius
    settings().brush_radius = before
    yield 0.7


def other_slice(gui):
    """The next slice without leaving painting, and back; undo reaches the right slice, one step for each Ctrl+Z."""
    first = painted(10)
    yield from gui.move(gui.place_of(200, 100))
    yield from gui.key("UP_ARROW")
    yield from gui.until(lambda: shown_slice() == 11, what="the next slice")
    assert bpy.context.mode == "PAINT_TEXTURE"
    assert (saved(gui, 10) == first).all(), "leaving a slice saves it"
    yield from stroke(gui, [gui.place_of(150, 50), gui.place_of(200, 60)], z=11)
    one = painted(11)
    yield from stroke(gui, [gui.place_of(150, 80), gui.place_of(200, 90)], z=11)
    both = painted(11)
    assert one.any() and (painted(10) == first).all(), "a stroke stays on its slice"
    for key, z in (("DOWN_ARROW", 10), ("DOWN_ARROW", 9), ("UP_ARROW", 10)):  # a walk is one step of undo
        yield from gui.key(key)
        yield from gui.until(lambda z=z: shown_slice() == z, what=f"slice {z}")
    yield from gui.photograph("14_back_on_the_first_slice")
    yield from undo_once(gui, "the walk", 11, {10: first, 11: both})
    yield from undo_once(gui, "the second stroke", 11, {10: first, 11: one})
    yield from gui.key("Z", ctrl=True, shift=True)
    yield from settled(gui, "the second stroke again", 11, {10: first, 11: both})
    yield from gui.key("Z", ctrl=True, shift=True)
    yield from settled(gui, "the walk again", 10, {10: first, 11: both})
    for what, left in (("the walk", both), ("the second stroke", one), ("the first stroke", np.zeros_like(one))):
        yield from undo_once(gui, what, 11, {10: first, 11: left})
    yield from gui.until(lambda: not saved(gui, 11).any(), what="and the file follows")


def other_box(gui):
    """A jump to a box of another slice while painting; undo comes back to the stroke's slice before the stroke goes."""
    first, empty = painted(10), painted(11)
    assert shown_slice() == 11 and not empty.any()
    yield from stroke(gui, [gui.place_of(150, 50), gui.place_of(200, 60)], z=11)
    after = painted(11)
    yield from gui.key("RIGHT_ARROW")
    yield from gui.until(lambda: shown_slice() == 10, what="the box's slice")
    assert bpy.context.mode == "PAINT_TEXTURE"
    yield from undo_once(gui, "the jump", 11, {10: first, 11: after})
    yield from undo_once(gui, "the stroke before the jump", 11, {10: first, 11: empty})


def typed_slice(gui):
    """A slice number typed in the panel while painting: no stroke of the slice that was left goes before it is back."""
    first, empty = painted(10), painted(11)
    yield from stroke(gui, [gui.place_of(150, 50), gui.place_of(200, 60)], z=11)
    after = painted(11)
    yield from gui.open_panel("TOMOSEG_PT_view")
    place = yield from gui.find_button("slice_z", columns=(0.5,))
    yield from gui.move(place)
    yield from gui.key("RET")
    yield from gui.type_text("10")
    yield from gui.key("RET")
    yield from gui.until(lambda: shown_slice() == 10, what="the slice whose number was typed")
    yield from stroke(gui, [gui.place_of(20, 150), gui.place_of(40, 150)], z=10)
    yield from undo_once(gui, "a stroke on the typed slice", 10, {10: first, 11: after})
    for presses in (1, 2):  # before 5.0 Blender has a step of its own in between, in which nothing changes
        yield from gui.key("Z", ctrl=True)
        yield 0.7
        assert np.array_equal(painted(11), after), "the stroke went before its slice was in view"
        if shown_slice() == 11:
            gui.facts["Ctrl+Z until the slice before the typed one"] = presses
            break
    assert shown_slice() == 11
    for _press in (1, 2):
        if painted(11).any():
            yield from gui.key("Z", ctrl=True)
            yield 0.7
    yield from settled(gui, "the stroke before the typed number", 11, {10: first, 11: empty})


def undo_once(gui, what, z, labels):
    """One Ctrl+Z takes back `what` and nothing else: slice z is shown, and `labels` are what is painted."""
    yield from gui.move(gui.place_of(230, 180))
    yield from gui.key("Z", ctrl=True)
    yield from settled(gui, what, z, labels)


def settled(gui, what, z, labels):
    def as_wanted():
        return shown_slice() == z and all(np.array_equal(painted(at), label) for at, label in labels.items())

    yield from gui.until(as_wanted, seconds=20, what=f"undo or redo: {what}")
    yield 0.5
    assert as_wanted(), f"undo or redo went on after {what}"


def computed(gui):
    """Copy, interpolate and take the prediction by their buttons; undo, and the files follow."""
    yield from gui.open_panel("TOMOSEG_PT_paint")
    yield from gui.press_button("tomoseg.copy_label", columns=(0.3,))
    yield from gui.until(lambda: painted(11).any() and (painted(11) == painted(10)).all(), what="a copy")
    yield from gui.move(gui.place_of(200, 100))
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: not painted(11).any() and not saved(gui, 11).any(), what="the copy undone")
    yield from gui.key("Z", ctrl=True, shift=True)
    yield from gui.until(lambda: np.array_equal(saved(gui, 11), painted(10)), what="the copy redone")
    yield from gui.key("UP_ARROW")
    yield from gui.until(lambda: shown_slice() == 12, what="slice 12")
    write_map(gui)
    yield from gui.press_button("tomoseg.label_from_map", columns=(0.7,))
    yield from gui.until(lambda: np.all(painted(12)[90, 222:226]), what="the prediction as a label")
    yield from gui.move(gui.place_of(200, 100))
    yield from gui.key("PAGE_DOWN")
    yield from gui.until(lambda: shown_slice() == 2, what="slice 2")
    yield from stroke(gui, [gui.place_of(60, 100), gui.place_of(120, 105)], z=2)
    yield from gui.key("UP_ARROW")
    yield from gui.press_button("tomoseg.interpolate_label", columns=(0.7,))
    yield from gui.until(lambda: np.any(painted(3)[101, 70:110]), what="an interpolated label")
    yield from gui.photograph("15_interpolated")
    yield from gui.move(gui.place_of(200, 100))
    yield from gui.key("PAGE_UP")
    yield from gui.until(lambda: shown_slice() == 13, what="slice 13")


def write_map(gui):
    """A network's map of the feature, as applying leaves it: a bar on slice 12."""
    project = part("tomo.project").Project.open(gui.folder / "project")
    found = np.zeros(SHAPE, np.float32)
    found[12, 88:93, 220:230] = 1.5
    geometry = part("tomo.mrc").open_tomogram(project.tomogram_path("cell")).geometry
    part("tomo.mrc").write_mrc(project.segmentation_path("cell", "vesicle"), found, geometry)


def flood(gui):
    """Alt+drag along a ring takes the ring and not what lies beside it; Ctrl+Z takes it back at once."""
    yield from gui.key("DOWN_ARROW")
    yield from gui.key("DOWN_ARROW")
    yield from gui.until(lambda: shown_slice() == 11, what="slice 11")
    settings().brush_radius = 5
    before = painted(11)
    angles = np.linspace(0, np.pi, 9)
    ring = [gui.place_of(220 + 12 * np.cos(angle), 90 + 12 * np.sin(angle)) for angle in angles]
    yield from gui.drag(ring, alt=True, between=2)
    yield from gui.until(lambda: np.count_nonzero(painted(11) != before) > 60, what="a flooded ring")
    taken = painted(11) != before
    yield from gui.until(lambda: np.array_equal(saved(gui, 11), painted(11)), what="the flood in the project")
    gui.facts["voxels flooded along half a ring"] = int(taken.sum())
    assert taken[100:104, 218:223].any() and not taken[86:95, 215:226].any(), "the ring, not its inside"
    yield from gui.photograph("16_flooded")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: np.array_equal(painted(11), before), what="the flood undone")
    settings().brush_radius = 3.5
    yield 0.7


def leave(gui):
    """Save the .blend, paint on, let it be saved by itself; then Blender is killed while a stroke is drawn."""
    bpy.ops.wm.save_mainfile()
    yield 1.1  # files have to be newer than the .blend, by the clock of any file system
    yield from stroke(gui, [gui.place_of(40, 190), gui.place_of(70, 198)], z=11)  # reaches over the slice's edge
    assert painted(11)[195, 50:60].any() and not painted(11)[:3].any(), "the opposite edge is not painted"
    yield from gui.until(lambda: np.array_equal(saved(gui, 11), painted(11)), what="what saves by itself")
    for z in (2, 3, 10, 11, 12):
        np.save(gui.folder / f"expected_{z}.npy", painted(z))
    yield from gui.move(gui.place_of(40, 20))
    gui.send("LEFTMOUSE", "PRESS")
    yield 0.2
    for x in range(45, 100, 10):
        yield from gui.move(gui.place_of(x, 20))
    assert part("tomoseg_blender.painting").is_stroking(), "the driver now kills Blender in mid-stroke"
