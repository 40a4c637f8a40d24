"""Boxes suggested and borrowed, labels computed, the check, the gallery: by operators, with undo and files agreeing."""

import json
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest


def boxes_in(project: Path) -> list[dict]:
    path = project / "boxes.json"
    return json.loads(path.read_text())["boxes"] if path.exists() else []


def saved(part, project: Path, z: int) -> np.ndarray:
    path = project / "labels" / "cell__bar" / f"z{z:05d}.mrc"
    return part("tomo.labels").load_label(path, (40, 56))


def shown(part, z: int) -> np.ndarray:
    labels = part("tomoseg_blender.scene.labels")
    if labels.find_label_image("cell", "bar", z) is None:
        return np.zeros((40, 56), np.int8)
    return labels.read_slice_label("cell", "bar", z)


@pytest.fixture
def ring(project, part) -> np.ndarray:
    """A painted ring on slice 3, which is shown; the label [y, x]."""
    item = bpy.context.scene.tomoseg.tomograms["cell"]
    item.slice_z = 3
    label = np.zeros((40, 56), np.int8)
    label[10:20, 10:20] = 1
    label[12:18, 12:18] = 0
    painting = part("tomoseg_blender.painting")
    painting.put_label(bpy.context.scene, item, bpy.context.scene.tomoseg.features["bar"], 3, label)
    part("tomoseg_blender.viewing").show_again(bpy.context.scene)
    bpy.ops.ed.undo_push(message="ring")
    return label


def test_filling_is_undone_and_redone_on_screen_and_on_disk(project, part, ring):
    bpy.ops.tomoseg.fill_label("EXEC_DEFAULT", True)
    assert np.count_nonzero(shown(part, 3)) == 100
    assert (saved(part, project, 3) == shown(part, 3)).all()
    bpy.ops.ed.undo()
    assert (shown(part, 3) == ring).all()
    assert (saved(part, project, 3) == ring).all()
    bpy.ops.ed.redo()
    assert np.count_nonzero(saved(part, project, 3)) == 100
    with pytest.raises(RuntimeError, match="No contour on this slice is closed"):
        bpy.ops.tomoseg.fill_label()


def test_copying_to_an_empty_slice_can_be_undone_to_empty(project, part, ring):
    bpy.context.scene.tomoseg.tomograms["cell"].slice_z = 5
    bpy.ops.ed.undo_push(message="slice 5")
    bpy.ops.tomoseg.copy_label("EXEC_DEFAULT", True)
    assert (shown(part, 5) == ring).all() and (saved(part, project, 5) == ring).all()
    bpy.ops.ed.undo()
    assert not shown(part, 5).any() and not saved(part, project, 5).any()
    with pytest.raises(RuntimeError, match="No other slice"):
        bpy.context.scene.tomoseg.tomograms["cell"].slice_z = 2
        bpy.ops.tomoseg.copy_label(source="below")


def test_interpolating_between_two_painted_slices(project, part, ring):
    scene = bpy.context.scene
    item = scene.tomoseg.tomograms["cell"]
    moved = np.roll(ring, 4, axis=1)
    part("tomoseg_blender.painting").put_label(scene, item, scene.tomoseg.features["bar"], 7, moved)
    item.slice_z = 5
    bpy.ops.tomoseg.interpolate_label()
    middle = shown(part, 5)
    assert middle.any() and (saved(part, project, 5) == middle).all()
    assert abs(np.nonzero(middle)[1].mean() - np.nonzero(np.roll(ring, 2, axis=1))[1].mean()) < 1
    item.slice_z = 8
    with pytest.raises(RuntimeError, match="below and on one above"):
        bpy.ops.tomoseg.interpolate_label()


def test_the_map_on_this_slice_becomes_the_label_and_ignore_zones_stay(project, part, ring):
    found = np.zeros((9, 40, 56), np.float32)
    found[3, 30:34, 40:50] = 1.0
    place = part("tomo.project").Project(project).segmentation_path("cell", "bar")
    part("tomo.mrc").write_mrc(place, found, part("tomo.geometry").Geometry((10.0, 10.0, 10.0)))
    bpy.ops.tomoseg.label_from_map()
    expected = np.zeros((40, 56), np.int8)
    expected[30:34, 40:50] = 1
    assert (shown(part, 3) == expected).all() and (saved(part, project, 3) == expected).all()


def test_without_network_or_map_there_is_nothing_to_take(project):
    with pytest.raises(RuntimeError, match="neither a network nor a map yet"):
        bpy.ops.tomoseg.label_from_map()


def test_suggested_negatives_keep_away_from_boxes_and_labels(project, part, ring):
    bpy.ops.tomoseg.add_box(location=(15, 15, 3), kind="positive", size=12)
    bpy.ops.tomoseg.suggest_negatives(count=6)
    negatives = [box for box in boxes_in(project) if box["kind"] == "negative"]
    assert len(negatives) == 6 and all(box["size"] == 12 for box in negatives)
    assert not any(max(abs(box["centre"][0] - 15), abs(box["centre"][1] - 15)) < 12 for box in negatives)
    bpy.ops.ed.undo_push(message="now")
    with pytest.raises(RuntimeError, match="name a number"):
        for _ in range(30):
            bpy.ops.tomoseg.suggest_negatives(count=40)


def test_boxes_of_another_feature_serve_as_negatives_once(project):
    bpy.ops.tomoseg.add_box(location=(15, 15, 3), kind="positive", size=12)
    bpy.ops.tomoseg.add_feature(name="rod")
    bpy.ops.tomoseg.borrow_negatives(source="bar")
    (box,) = (one for one in boxes_in(project) if one["feature"] == "rod")
    assert (box["kind"], box["centre"]) == ("negative", [15, 15, 3])
    with pytest.raises(RuntimeError, match="could borrow"):
        bpy.ops.tomoseg.borrow_negatives()


def test_the_check_lists_findings_and_each_jumps_to_its_place(project, ring):
    bpy.ops.tomoseg.add_box(location=(40, 30, 6), kind="positive", size=12)
    group = bpy.context.scene.tomoseg
    bpy.ops.tomoseg.check_annotation()
    sentences = [finding.sentence for finding in group.findings]
    empty = next(n for n, text in enumerate(sentences) if "Nothing is painted" in text)
    stray = next(n for n, text in enumerate(sentences) if "outside every positive box" in text)
    group.finding_index = empty
    assert group.tomograms["cell"].slice_z == 6
    assert group.box_id == group.findings[empty].box_id
    bpy.ops.tomoseg.go_to_finding(number=stray)
    assert group.tomograms["cell"].slice_z == 3


def test_the_gallery_shows_all_boxes_and_tells_which_is_where(project, part, ring):
    gallery = part("tomoseg_blender.gallery")
    with pytest.raises(RuntimeError, match="has no boxes yet"):
        bpy.ops.tomoseg.show_gallery()
    bpy.ops.tomoseg.add_box(location=(15, 15, 3), kind="positive", size=12)
    bpy.ops.tomoseg.add_box(location=(40, 30, 6), kind="negative", size=12)
    bpy.ops.tomoseg.show_gallery()
    image = gallery.find_image()
    width, height = image.size
    first, second = (gallery.box_at(bpy.context.scene, x, height - 10) for x in (10, width - 10))
    assert (first.kind, second.kind) == ("positive", "negative")
    pixels = np.array(image.pixels[:]).reshape(height, width, 4)
    left = pixels[:, : width // 2].reshape(-1, 4)
    assert (left[:, 0] - left[:, 2] > 0.2).any(), "the label is tinted in the feature's orange"


def test_switching_kind_and_feature_by_their_keys_operators(project):
    group = bpy.context.scene.tomoseg
    bpy.ops.tomoseg.switch_kind()
    assert group.box_kind == "negative"
    bpy.ops.tomoseg.add_feature(name="rod")
    bpy.ops.tomoseg.next_feature()
    assert group.features[group.feature_index].name == "bar"


@pytest.mark.parametrize(("radius", "step", "expected"), [(3.0, 1, 3.5), (4.0, 1, 5.0), (0.5, -1, 0.5), (20, 1, 25)])
def test_the_radius_goes_in_steps(part, radius, step, expected):
    assert part("tomoseg_blender.operators.brush").next_radius(radius, step) == expected


def test_mouse_operators_need_the_mouse(project):
    with pytest.raises(RuntimeError, match="needs the mouse"):
        bpy.ops.tomoseg.erase_box()
    with pytest.raises(RuntimeError, match="needs a window"):
        bpy.ops.tomoseg.workspace()


def test_outlines_of_boxes_are_fainter_the_farther_their_slice(project, part):
    canvas = part("tomoseg_blender.canvas")
    for x, z in ((20, 3), (20, 4), (32, 5), (44, 8), (32, 7)):  # the last one lies behind that of slice 5
        bpy.ops.tomoseg.add_box(location=(x, 20, z), kind="positive", size=12)
    bpy.context.view_layer.update()
    empty = part("tomoseg_blender.scene.tomogram").find_tomogram("cell")
    styles = sorted((colour[3] for colour, _ in canvas.box_lines(empty, 3)), reverse=True)
    assert len(styles) == 4, "boxes of other slices that lie over each other are drawn once"
    assert styles[0] == 1.0 and 0 < styles[3] < styles[2] < styles[1] < 0.5
    words = [text for line in canvas.headline(bpy.context) for text, _ in line]
    assert "cell   z 4 of 9   10.00 Å" in words[0] and "+ positive box, 64 voxels" in words[-1]


def test_a_box_moved_by_hand_comes_to_lie_on_whole_voxels_and_its_slice(project, part):
    bpy.ops.tomoseg.add_box(location=(20, 20, 3), kind="positive", size=12)
    box = next(part("tomoseg_blender.scene.boxes").find_box_object(one["id"]) for one in boxes_in(project))
    box.location.x += 3.3
    box.location.z += 0.3
    part("tomoseg_blender.handlers").save_all()
    assert tuple(box.location) == pytest.approx((23, 20, 3.5))
    assert boxes_in(project)[0]["centre"] == [23, 20, 3]


def test_the_next_variant_shows_the_same_place(project, part, tomogram_file):
    with pytest.raises(RuntimeError, match="no other bin or variant"):
        bpy.ops.tomoseg.next_variant()
    half = part("tomo.mrc").open_tomogram(tomogram_file).data[:8, ::2, ::2][::2]
    place = tomogram_file.with_name("cell_bin2.mrc")
    part("tomo.mrc").write_mrc(place, half, part("tomo.geometry").Geometry((20.0, 20.0, 20.0), (120.0, -30.0, 50.0)))
    bpy.ops.tomoseg.import_tomogram(filepath=str(place))
    group = bpy.context.scene.tomoseg
    group.tomograms["cell"].slice_z = 5
    bpy.ops.tomoseg.next_variant()
    assert (group.shown, group.tomograms["cell_bin2"].slice_z) == ("cell_bin2", 2)
    bpy.ops.tomoseg.next_variant()
    assert group.shown == "cell"


def test_opening_an_older_blend_tells_what_the_project_has_more(project, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 20, 3), kind="positive", size=12)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "work.blend"))
    assert bpy.context.scene.tomoseg.reasons.restored == ""
    bpy.ops.tomoseg.add_box(location=(30, 20, 4), kind="positive", size=12)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "work.blend"))
    assert "Restored 1 box from the project folder" in bpy.context.scene.tomoseg.reasons.restored


def test_undo_that_brings_back_other_pixels_reaches_the_file(project, part, ring):
    """As after ctrl+z of a stroke that was saved: the image is not marked as painted."""
    labels = part("tomoseg_blender.scene.labels")
    image = labels.find_label_image("cell", "bar", 3)
    image.pixels.foreach_set(np.zeros(40 * 56 * 4, np.float32))
    image.pack()
    assert not image.is_dirty and saved(part, project, 3).any()
    part("tomoseg_blender.handlers")._after_undo()
    assert not saved(part, project, 3).any()


def test_while_painting_a_walk_is_one_step_of_undo_and_so_is_a_jump(project):
    """Before 5.0 Blender's own steps would hold strokes only, and Ctrl+Z would stay on the slice."""
    item = bpy.context.scene.tomoseg.tomograms["cell"]
    item.slice_z = 2
    bpy.ops.tomoseg.add_box(location=(20, 20, 5), kind="positive", size=12)
    bpy.ops.ed.undo_push(message="begin")
    bpy.ops.tomoseg.paint_slice("EXEC_DEFAULT", True)
    for _ in range(2):
        bpy.ops.tomoseg.slice_step("EXEC_DEFAULT", True, step=-1)
    bpy.ops.tomoseg.next_box("EXEC_DEFAULT", True, step=1)
    seen = []
    for again in ("undo", "undo", "redo", "redo"):
        getattr(bpy.ops.ed, again)()
        seen.append(bpy.context.scene.tomoseg.tomograms["cell"].slice_z)
    assert seen == [0, 2, 0, 5] and bpy.context.mode == "PAINT_TEXTURE"


def test_a_computed_label_is_forgotten_with_its_file(project, part, ring):
    """Another project may have a slice of the same name: nothing of it is to be written before it is painted on."""
    painting = part("tomoseg_blender.painting")
    bpy.ops.wm.read_homefile(use_empty=True)
    part("tomoseg_blender.scene.labels").ensure_label_image("cell", "bar", 3, (40, 56), "#56b4e9")
    assert painting.unsaved_slices() == []


def test_the_eraser_reaches_half_a_voxel_further_than_the_brush(project, part, monkeypatch):
    """Nobody repeats a stroke to the pixel: single voxels were left along its edge."""
    painting, compat = part("tomoseg_blender.painting"), part("tomoseg_blender.compat")
    bpy.ops.tomoseg.paint_slice()
    group, brush = bpy.context.scene.tomoseg, bpy.context.tool_settings.image_paint.brush
    monkeypatch.setattr(painting, "pixels_per_voxel", lambda *_where: 10.0)
    group.brush_radius, radii = 4.0, []
    for blend in ("MIX", "ERASE_ALPHA"):
        brush.blend = blend
        painting.apply_radius(bpy.context)
        radii.append(compat.brush_radius(brush))
    assert radii == [40, 45]
    compat.set_brush_radius(brush, 65)  # as F does
    painting.follow_radius(bpy.context)
    assert group.brush_radius == 6.0


def test_nothing_is_saved_in_mid_stroke_and_soon_after(project, part, ring, monkeypatch):
    """Packing in mid-stroke would leave the rest of the stroke unmarked, and so unsaved."""
    handlers, painting, compat = (part(f"tomoseg_blender.{name}") for name in ("handlers", "painting", "compat"))
    image = part("tomoseg_blender.scene.labels").find_label_image("cell", "bar", 3)
    image.pixels.foreach_set(np.zeros(40 * 56 * 4, np.float32))
    image.update()
    assert image.is_dirty
    with monkeypatch.context() as patched:
        patched.setattr(compat, "modal_operators", lambda: {"PAINT_OT_image_paint"})
        assert painting.save_painted(bpy.context.scene) == 0
        assert handlers._autosave() < 1
        assert (saved(part, project, 3) == ring).all() and image.is_dirty
    assert handlers._autosave() == handlers.AUTOSAVE_SECONDS
    assert not saved(part, project, 3).any()


def test_a_flood_in_progress_is_kept_or_dropped_and_undone_at_once(project, part, ring):
    scene, relabelling = bpy.context.scene, part("tomoseg_blender.relabelling")
    before = shown(part, 3).copy()
    draft = relabelling.Draft(scene)
    draft.label[30:33, 40:44] = 1
    draft.show(scene)
    assert shown(part, 3)[31, 41] == 1, "it is seen while the mouse is dragged"
    draft.drop(scene)
    assert (shown(part, 3) == before).all() and (saved(part, project, 3) == before).all()
    bpy.ops.ed.undo_push(message="before")
    draft = relabelling.Draft(scene)
    draft.label[30:33, 40:44] = 2
    assert draft.keep(scene) == 12
    bpy.ops.ed.undo_push(message="flood")
    assert (saved(part, project, 3)[30:33, 40:44] == 2).all()
    bpy.ops.ed.undo()
    assert (shown(part, 3) == before).all() and (saved(part, project, 3) == before).all()


def test_a_radius_chosen_on_the_screen_becomes_the_radius_in_voxels(project, part, monkeypatch):
    painting, compat = part("tomoseg_blender.painting"), part("tomoseg_blender.compat")
    brush = bpy.data.brushes.new(compat.BRUSH_NAME, mode="TEXTURE_PAINT")
    context = SimpleNamespace(
        tool_settings=SimpleNamespace(image_paint=SimpleNamespace(brush=brush)), scene=bpy.context.scene
    )
    zoom = [2.0]
    monkeypatch.setattr(painting, "pixels_per_voxel", lambda *_: zoom[0])
    bpy.context.scene.tomoseg.brush_radius = 6.0
    painting.apply_radius(context)
    assert compat.brush_radius(brush) == 12
    zoom[0] = 4.0
    painting.follow_radius(context)
    assert compat.brush_radius(brush) == 24, "zooming keeps the voxels"
    compat.set_brush_radius(brush, 40)  # as F does
    painting.follow_radius(context)
    assert bpy.context.scene.tomoseg.brush_radius == 10.0
