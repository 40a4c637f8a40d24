"""A simulated cell as its annotator meets it: Fourier amplitude, F3, the check's list, batch, film. Needs a worker."""

import os
import shutil
import subprocess
from pathlib import Path

import bpy
import numpy as np
from scenery import boxes_in, part, settings

PATIENCE = 240
Z = 24
BOX = 64
POSITIVES = 5


def steps(gui):
    if "TOMOSEG_PYTHON" not in os.environ:
        gui.facts["skipped"] = "no worker: run.py binds the one that TOMOSEG_PYTHON names"
        return
    cell = simulate(gui.folder / "simulated")
    yield from begin(gui, cell)
    yield from look(gui)
    yield from greyed(gui)
    yield from fourier(gui)
    yield from search(gui)
    yield from annotate(gui, cell)
    yield from check(gui)
    yield from as_objects(gui)
    yield from fill(gui)
    yield from batch(gui)
    yield from film(gui)


def simulate(folder):
    """The tomogram and the label volumes of a simulated cell, seen through a microscope with a missing wedge."""
    if not (folder / "cell_tomogram.mrc").is_file():
        root = Path(part("tomoseg_blender").__file__).parents[1]
        words = [os.environ["TOMOSEG_PYTHON"], "-m", "ml", "simulate", "--output", str(folder)]
        subprocess.run(words, cwd=root, check=True, capture_output=True)
    return folder


def done(gui, what):
    jobs = part("tomoseg_blender.jobs")
    yield from gui.until(lambda: jobs.running() is None, seconds=PATIENCE, what=what)
    assert jobs.outcome() is not None and not jobs.outcome().failed, jobs.outcome()


def begin(gui, cell):
    """A new project with the tomogram imported by the worker, and the window laid out."""
    shutil.rmtree(gui.folder / "tour", ignore_errors=True)
    (gui.folder / "tour").mkdir()
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.tomoseg.create_project(directory=str(gui.folder / "tour"))
    bpy.ops.tomoseg.workspace()
    yield from gui.until(lambda: gui.has("IMAGE_EDITOR") and gui.has_tab("Tomoseg"), what="the workspace")
    bpy.ops.tomoseg.import_tomogram(filepath=str(cell / "cell_tomogram.mrc"), invert=True)
    yield from done(gui, "the import")
    bpy.ops.tomoseg.add_feature(name="membrane")
    bpy.ops.tomoseg.show_tomogram()
    bpy.ops.tomoseg.use_box_tool()
    bpy.ops.ed.undo_push(message="begin")
    assert settings().tomograms[settings().shown].slice_z == Z
    yield from gui.open_panel("TOMOSEG_PT_view")
    yield from gui.move(gui.place_of(120.5, 160.5))
    yield from gui.photograph("tour_0_opened")


def look(gui):
    """Invert, Smooth, the mean of slices and slices along y by the panel's own buttons."""
    item = settings().tomograms[settings().shown]
    for name, column in (("invert", 0.2), ("smooth", 0.5)):
        assert not getattr(item, name)
        yield from gui.press_button(name, columns=(column,))
        yield from gui.until(lambda name=name: getattr(settings().tomograms[settings().shown], name), what=name)
        yield from gui.press_button(name, columns=(column,))
    x, y = yield from gui.find_button("thickness")
    yield from gui.press((x, y))
    yield from gui.type_text("5")
    yield from gui.key("RET")
    yield from gui.until(lambda: settings().tomograms[settings().shown].thickness == 5, what="the mean of 5 slices")
    yield from gui.press_button("axis", columns=(0.5,))
    yield from gui.until(lambda: settings().axis == "y", what="slices along y")
    yield from gui.redrawn()
    area = gui.area("VIEW_3D")
    region, item = gui.region(area), settings().tomograms[settings().shown]
    middle = (region.width * 0.35, region.height * 0.47)
    yield from gui.move((region.x + middle[0], region.y + middle[1]))
    voxel = part("tomoseg_blender.aiming").voxel_under(bpy.context.scene, region, area.spaces.active.region_3d, middle)
    assert voxel is not None and voxel[1] == item.slice_y, f"the view looks on the slice along y: {voxel}"
    yield from gui.photograph("tour_0_slice_along_y")
    yield from gui.key("UP_ARROW")
    yield from gui.until(lambda: settings().tomograms[settings().shown].slice_y == voxel[1] + 1, what="a step along y")
    yield from gui.press_button("axis", columns=(0.2,))
    yield from gui.until(lambda: settings().axis == "z", what="slices along z")
    yield from gui.redrawn()
    assert abs(area.spaces.active.region_3d.view_rotation.w) > 0.999, "looked at from the top again"
    settings().tomograms[settings().shown].thickness = 1


def greyed(gui):
    """Buttons of a step that cannot run yet are grey, and the reason stands above them; so it does when pressed."""
    yield from gui.open_panel("TOMOSEG_PT_train")
    reasons = settings().reasons
    assert "positive box on membrane" in reasons.train and reasons.next_step, "a reason stands there"
    gui.facts["why Train is greyed out"], gui.facts["next step"] = reasons.train, reasons.next_step
    yield from gui.find_button("tomoseg.train")
    yield from gui.photograph("tour_0_why_greyed")


def shown_picture(gui):
    image = gui.area("IMAGE_EDITOR").spaces.active.image
    return None if image is None else Path(bpy.path.abspath(image.filepath))


def spectrum(gui):
    return gui.folder / "tour" / "spectra" / f"{settings().shown}.png"


def fourier(gui):
    """The button shows the amplitude of the slice in view, and tells the tilt axis; across it the wedge is seen."""
    yield from gui.open_panel("TOMOSEG_PT_view")
    for axis, name in (("z", "tour_1_fourier"), ("y", "tour_2_fourier_across")):
        settings().axis = axis
        yield from gui.redrawn()
        yield from gui.press_button("tomoseg.spectrum")
        yield from done(gui, "the Fourier amplitude")
        yield from gui.until(lambda: shown_picture(gui) == spectrum(gui), what="the picture in the Image Editor")
        told = part("tomoseg_blender.jobs").outcome("view").sentence
        angle = float(told.partition("Tilt axis ")[2].partition("°")[0])
        assert min(abs(angle - 90), abs(angle + 90)) < 4, told  # the cell was tilted about y
        yield from gui.photograph(name)
        gui.facts[f"told of slice {axis}"] = told
    across = part("tomoseg_blender.pictures").load(spectrum(gui))
    pixels = np.array(across.pixels[:], np.float32).reshape(across.size[1], across.size[0], 4)[..., 0]
    square = pixels[-across.size[0] :]  # above the caption
    y, x = np.mgrid[: len(square), : len(square)] - len(square) / 2
    tilt, ring = np.degrees(np.arctan2(abs(y), abs(x))), abs(np.hypot(x, y) / len(square) - 0.2) < 0.1
    inside, outside = square[ring & (tilt > 70)].mean(), square[ring & (tilt < 50)].mean()
    gui.facts["brightness in the wedge and beside it"] = [round(float(inside), 3), round(float(outside), 3)]
    assert inside < 0.3 * outside
    settings().axis = "z"


def search(gui):
    """F3, a few words, Return: the operator runs."""
    spectrum(gui).unlink()
    yield from gui.move(gui.place_of(130, 100))
    yield from gui.key("F3")
    yield 0.5
    yield from gui.type_text("missing wedge")
    yield 1.0
    gui.picture("tour_3_search")
    yield from gui.key("RET")
    yield from gui.until(spectrum(gui).is_file, seconds=PATIENCE, what="the picture that F3 asked for")
    yield from done(gui, "the Fourier amplitude by F3")
    for typed, name in (("segment tomogram", "tour_4_search_segment"), ("negative", "tour_5_search_negative")):
        yield from gui.key("F3")
        yield 0.5
        yield from gui.type_text(typed)
        yield 1.0
        gui.picture(name)
        yield from gui.key("ESC")
        yield 0.3


def membrane_of(cell):
    """int8 [y, x] of the slice: 1 on the membrane."""
    return np.array(part("tomo.mrc").open_tomogram(cell / "cell__membrane.mrc").data[Z])


def places_on(label, count):
    """Middles of boxes (x, y): the richest in feature, far from each other, and those that have none of it."""
    rich: list[tuple[int, int]] = []
    empty: list[tuple[int, int]] = []
    for place in sorted(grid_of(label), key=lambda at: -amount(label, at)):
        chosen = rich if amount(label, place) else empty
        if (chosen is empty or len(rich) < count) and all(apart(place, one) >= 0.8 * BOX for one in (*rich, *empty)):
            chosen.append(place)
    return rich, empty


def grid_of(label):
    half = BOX // 2
    return [(x, y) for y in range(half, label.shape[0] - half, 8) for x in range(half, label.shape[1] - half, 8)]


def amount(label, place):
    """Voxels of the feature in a box there."""
    (x, y), half = place, BOX // 2
    return int(label[y - half : y + half, x - half : x + half].sum())


def apart(one, other):
    """How far two middles lie from each other, in the direction in which it is more."""
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))


def annotate(gui, cell):
    """Boxes by clicks, labels from the volume; some mistakes that people make are among them."""
    label = membrane_of(cell)
    rich, empty = places_on(label, POSITIVES)
    assert len(rich) == POSITIVES and len(empty) > 1, (rich, empty)
    # A click into a box takes that box, so even those placed by mistake lie with their middles outside of all.
    beside = [place for place in grid_of(label) if all(apart(place, one) > BOX / 2 + 2 for one in (*rich, *empty[:2]))]
    overlapping = next(place for place in beside if any(apart(place, one) < 0.65 * BOX for one in rich))
    on_feature = max((one for one in beside if apart(one, overlapping) > BOX / 2 + 2), key=lambda at: amount(label, at))
    yield from place(gui, [*rich, overlapping, empty[0]])
    yield from gui.key("E")
    yield from place(gui, [empty[1], on_feature])
    yield from gui.key("E")
    yield from gui.until(lambda: settings().box_kind == "positive", what="E")
    bpy.ops.tomoseg.label_from_mask("EXEC_DEFAULT", True, filepath=str(cell / "cell__membrane.mrc"))
    yield from gui.open_panel("TOMOSEG_PT_boxes")
    yield from gui.press_button("tomoseg.show_gallery")
    yield from gui.until(lambda: shown_picture(gui) != spectrum(gui), what="the gallery")
    yield from gui.move(gui.place_of(5, 250))
    yield 0.5
    yield from gui.photograph("tour_5_boxes_and_gallery")


def place(gui, places):
    folder = gui.folder / "tour"
    for x, y in places:
        count = len(boxes_in(folder))
        yield from gui.click(gui.place_of(x + 0.5, y + 0.5))
        yield from gui.until(lambda count=count: len(boxes_in(folder)) == count + 1, what=f"a box at {x}, {y}")


def check(gui):
    """The list tells in two words what is wrong in each place; a click goes there."""
    yield from gui.open_panel("TOMOSEG_PT_check")
    x, y = yield from gui.find_button("tomoseg.check_annotation")
    yield from gui.press((x, y))
    yield from gui.until(lambda: len(settings().findings) > 3, what="findings")
    words = {finding.name for finding in settings().findings}
    gui.facts["findings"] = sorted(words)
    assert {"not painted", "negative on paint", "overlaps", "one range of slices"} <= words, words
    wanted = next(n for n, finding in enumerate(settings().findings) if finding.name == "negative on paint")
    assert wanted < 6, "shown without scrolling"
    yield from gui.press((x, y - 31 - 21 * wanted))
    yield from gui.until(lambda: settings().finding_index == wanted, what="the clicked finding")
    assert settings().box_id == settings().findings[wanted].box_id, "its box is chosen"
    yield from gui.move(gui.place_of(5, 250))
    yield 1.5  # the tooltip of the list goes
    yield from gui.photograph("tour_6_check")


def as_objects(gui):
    """Boxes are objects: box select, G, H and X act on them, Ctrl+Z takes that back, and the project follows."""
    folder = gui.folder / "tour"
    before = centres(folder)
    chosen = sorted(before, key=lambda one: (one[1], one[0]))[:2]
    bpy.ops.wm.tool_set_by_id(name="builtin.select_box", space_type="VIEW_3D")
    yield from gui.drag(
        [
            gui.place_of(min(one[0] for one in chosen) - 6, min(one[1] for one in chosen) - 6),
            gui.place_of(max(one[0] for one in chosen) + 6, max(one[1] for one in chosen) + 6),
        ]
    )
    selected = [one for one in bpy.context.selected_objects if one.get("tomoseg_kind") == "box"]
    assert selected, "box select takes boxes"
    count = len(selected)
    start, end = gui.place_of(128, 128), gui.place_of(137, 133)
    yield from gui.move(start)
    yield from gui.key("G")
    yield from gui.move(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    yield from gui.click(end)
    yield from gui.until(lambda: len(set(centres(folder)) - set(before)) == count, what="the boxes moved with G")
    for x, y, z in set(centres(folder)) - set(before):
        assert any(abs(x - 9 - one[0]) <= 1 and abs(y - 5 - one[1]) <= 1 and z == one[2] for one in before), (x, y, z)
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: centres(folder) == before, what="G undone")
    yield from gui.key("H")
    yield from gui.until(lambda: len(bpy.context.visible_objects) < len(bpy.context.scene.objects), what="H")
    assert centres(folder) == before, "hidden boxes stay in the project"
    yield from gui.key("H", alt=True)
    yield from gui.key("X")
    yield 0.3
    if centres(folder) == before:
        yield from gui.key("RET")  # a Blender that asks first
    yield from gui.until(lambda: len(centres(folder)) == len(before) - count, what="the boxes deleted with X")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: centres(folder) == before, what="X undone")
    gui.facts["boxes moved, hidden and deleted as objects"] = count
    bpy.ops.tomoseg.use_box_tool()


def centres(folder):
    return sorted(tuple(box["centre"]) for box in boxes_in(folder))


def fill(gui):
    """A ring is painted in one stroke, its inside filled by the button, beside an area to ignore; Ctrl+Z empties it."""
    yield from gui.move(gui.place_of(128, 128))
    yield from gui.key("PAGE_DOWN")
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "PAINT_TEXTURE", what="painting")
    yield from gui.open_panel("TOMOSEG_PT_paint")
    angles = np.linspace(0, 2 * np.pi, 17)
    ring = [gui.place_of(128 + 20 * np.cos(one), 128 + 20 * np.sin(one)) for one in angles]
    yield from gui.drag(ring, between=2)
    yield from gui.until(lambda: label()[128, 148] == 1 and label()[148, 128] == 1, what="the ring")
    assert not label()[120:136, 120:136].any()
    yield from gui.move(gui.place_of(190, 60))
    yield from gui.key("I")
    yield from gui.until(lambda: settings().paint_role == "ignore", what="I")
    yield from gui.drag([gui.place_of(190, 60), gui.place_of(235, 66)])
    yield from gui.until(lambda: label()[63, 212] == 2, what="an area to ignore")
    yield from gui.key("I")
    yield from gui.until(lambda: settings().paint_role == "label", what="I again")
    yield from gui.press_button("tomoseg.fill_label", columns=(0.3,))
    yield from gui.until(lambda: np.all(label()[120:136, 120:136] == 1), what="the filled ring")
    yield from gui.photograph("tour_9_filled")
    yield from gui.move(gui.place_of(200, 200))
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: not np.any(label()[120:136, 120:136]), what="the filling undone")
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "OBJECT", what="the end of painting")


def label():
    """The label of the shown slice, int8 [y, x]."""
    group = settings()
    z = group.tomograms[group.shown].slice_z
    return part("tomoseg_blender.scene.labels").read_slice_label(group.shown, "membrane", z)


def batch(gui):
    """All steps for many tomograms: where the work is done, what is made."""
    yield from gui.open_panel("TOMOSEG_PT_apply")
    yield from gui.open_part("TOMOSEG_PT_batch", below="tomoseg.apply")
    assert settings().batch.tables and not settings().batch.figures
    yield from gui.press_button("figures")
    yield from gui.until(lambda: settings().batch.figures, what="the switch for figures")
    yield from rest(gui)
    yield from gui.photograph("tour_7_batch")


def film(gui):
    """Two views are kept by the button, and a film of them is chosen."""
    yield from gui.open_panel("TOMOSEG_PT_figure")
    yield from gui.scroll(-12)
    yield from gui.open_part("TOMOSEG_PT_film", below="tomoseg.figure")
    yield from gui.scroll(-12)
    for count in (1, 2):
        yield from gui.press_button("tomoseg.add_view", columns=(0.83,))
        yield from gui.until(lambda count=count: len(settings().views) == count, what="a saved view")
    settings().film.kind = "views"
    yield from rest(gui)
    yield from gui.photograph("tour_8_film")


def rest(gui):
    """The mouse goes away from the panel, and its tooltip with it."""
    yield from gui.move(gui.place_of(5, 190))
    yield 1.0
