"""Open a tomogram, step through it, place boxes by clicks, move and delete some, undo; gallery, negatives, check."""

import json

import bpy
from scenery import PLACES, begin, boxes_in, boxes_of_scene, settings, shown_slice


def centres(folder):
    return sorted(tuple(box["centre"]) for box in boxes_in(folder))


def near(found, expected):
    return all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def kinds(folder):
    found = [box["kind"] for box in boxes_in(folder)]
    return found.count("positive"), found.count("negative")


def steps(gui):
    folder = gui.folder / "project"
    yield from begin(gui)
    gui.picture("01_opened")
    assert shown_slice() == 12
    yield from walk(gui)
    yield from slide(gui)
    yield from variants(gui)
    yield from place(gui, folder)
    yield from change(gui, folder)
    yield from switch(gui, folder)
    yield from use_gallery(gui)
    yield from negatives(gui, folder)
    yield from check(gui)
    bpy.ops.wm.save_as_mainfile(filepath=str(gui.folder / "work.blend"))
    yield 0.5


def walk(gui):
    """Arrows, page keys, Ctrl+wheel, and Shift for ten."""
    yield from gui.move(gui.place_of(130, 120))
    for kind, expected in (("UP_ARROW", 13), ("DOWN_ARROW", 12), ("PAGE_DOWN", 2)):
        yield from gui.key(kind)
        yield from gui.until(lambda expected=expected: shown_slice() == expected, what=kind)
    yield from gui.wheel(1, ctrl=True, shift=True)
    yield from gui.until(lambda: shown_slice() == 12, what="Ctrl+Shift+wheel")


def slide(gui):
    """The slider in the panel is dragged, a number is typed."""
    yield from gui.open_panel("TOMOSEG_PT_view")
    x, y = yield from gui.find_button("slice_position")
    yield from gui.drag([(x, y), (x + 60, y)])
    yield from gui.until(lambda: 14 <= shown_slice() <= 21, what="a dragged slider")
    yield from gui.press((x, y + 26))  # the number above the slider
    yield from gui.type_text("10")
    yield from gui.key("RET")
    yield from gui.until(lambda: shown_slice() == 10, what="a typed slice")
    yield from gui.photograph("02_slider")


def variants(gui):
    """V shows the same place in the half-size bin, Ctrl+Right the next tomogram of the list."""
    item = settings().tomograms["cell"]
    low = item.low
    yield from gui.move(gui.place_of(130, 120))
    yield from gui.key("V")
    yield from gui.until(lambda: settings().shown == "cell_bin2", what="the variant")
    assert settings().tomograms["cell_bin2"].slice_z == 5
    yield from gui.key("RIGHT_ARROW", ctrl=True)
    yield from gui.until(lambda: settings().shown == "cell", what="the next tomogram")
    assert shown_slice() == 10 and settings().tomograms["cell"].low == low, "it kept its slice and contrast"


def place(gui, folder):
    """Ten boxes by clicks, each within a voxel of its click."""
    for x, y in PLACES:
        count = len(boxes_of_scene())
        yield from gui.click(gui.place_of(x + 0.5, y + 0.5))
        yield from gui.until(lambda count=count: len(boxes_of_scene()) > count, what="a box")
    yield from gui.until(lambda: len(centres(folder)) == 10, what="ten boxes in the project")
    for (x, y), centre in zip(sorted(PLACES), centres(folder), strict=True):
        assert near(centre, (x, y, 10)), (centre, x, y)
    yield from gui.photograph("03_ten_boxes")


def change(gui, folder):
    """Drag one, delete one, undo both."""

    def moved():
        return any(near(centre, (52, 48, 10)) for centre in centres(folder))

    yield from gui.drag([gui.place_of(40.5, 40.5), gui.place_of(52.5, 48.5)])
    yield from gui.until(moved, what="the moved box in the project")
    yield from gui.click(gui.place_of(220.5, 90.5), shift=True)
    yield from gui.until(lambda: len(centres(folder)) == 9, what="the deletion in the project")
    yield from gui.photograph("04_moved_and_deleted")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: len(centres(folder)) == 10, what="the deleted box after undo")
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: not moved(), what="the moved box at its old place after undo")


def switch(gui, folder):
    """E for the kind, F for the feature, boxes of other slices fainter, Right for the next box."""
    yield from gui.key("E")
    yield from gui.until(lambda: settings().box_kind == "negative", what="E")
    yield from gui.click(gui.place_of(150.5, 170.5))
    yield from gui.until(lambda: kinds(folder) == (10, 1), what="a negative box")
    yield from gui.key("F")
    yield from gui.until(lambda: settings().features[settings().feature_index].name == "membrane", what="F")
    yield from gui.key("F")
    yield from gui.key("E")
    yield from gui.key("UP_ARROW")
    yield from gui.key("UP_ARROW")
    yield from gui.until(lambda: shown_slice() == 12, what="two slices on")
    yield from gui.photograph("05_boxes_of_other_slices")
    yield from gui.key("RIGHT_ARROW")
    yield from gui.until(lambda: shown_slice() == 10, what="the slice of the next box")


def use_gallery(gui):
    """A click on a tile goes to its box."""
    yield from gui.open_panel("TOMOSEG_PT_boxes")
    yield from gui.press_button("tomoseg.show_gallery")
    editor = gui.area("IMAGE_EDITOR")
    yield from gui.until(lambda: editor.spaces.active.image is not None, what="the gallery")
    yield from gui.photograph("06_gallery")
    yield from gui.move(gui.place_of(130, 100))
    yield from gui.key("PAGE_UP")
    yield from gui.until(lambda: shown_slice() == 20, what="a page up")
    region = gui.region(editor)
    width, height = editor.spaces.active.image.size
    corner = region.view2d.view_to_region(30 / width, 1 - 30 / height, clip=False)
    yield from gui.click((region.x + corner[0], region.y + corner[1]))
    yield from gui.until(lambda: shown_slice() == 10, what="the slice of the clicked tile")


def negatives(gui, folder):
    """The button suggests some, Ctrl+Z takes them back."""
    yield from gui.press_button("tomoseg.suggest_negatives")
    yield from gui.until(lambda: kinds(folder)[1] > 10, what="suggested negatives")
    gui.facts["suggested negatives"] = kinds(folder)[1] - 1
    yield from gui.photograph("07_suggested_negatives")
    yield from gui.move(gui.place_of(130, 100))
    yield from gui.key("Z", ctrl=True)
    yield from gui.until(lambda: kinds(folder) == (10, 1), what="no suggestions after undo")


def check(gui):
    """A click on a line of the check shows its box."""
    scores = gui.folder / "project" / "triplets" / "vesicle.json"  # as a training leaves them
    scores.parent.mkdir(exist_ok=True)
    worst = next(box["id"] for box in boxes_in(gui.folder / "project") if box["kind"] == "positive")
    scores.write_text(json.dumps({"boxes": [{"id": worst, "dice": 0.12}]}))
    yield from gui.open_panel("TOMOSEG_PT_check")
    x, y = yield from gui.find_button("tomoseg.check_annotation")
    yield from gui.press((x, y))
    yield from gui.until(lambda: len(settings().findings) > 5, what="findings")
    assert any("Nothing is painted" in finding.sentence for finding in settings().findings)
    assert any("(Dice 0.12)" in one.sentence and one.box_id == worst for one in settings().findings)
    yield from gui.move(gui.place_of(130, 100))
    yield from gui.key("PAGE_UP")
    yield from gui.until(lambda: shown_slice() == 20, what="another slice")
    for below in range(30, 130, 12):
        yield from gui.press((x, y - below))
        if settings().finding_index >= 0:
            break
    finding = settings().findings[settings().finding_index]
    yield from gui.until(lambda: shown_slice() == finding.z, what="the finding's slice")
    assert settings().box_id == finding.box_id
    yield from gui.photograph("08_check")
