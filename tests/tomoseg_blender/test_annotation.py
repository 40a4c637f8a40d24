"""Boxes and labels: what people make in the scene is in the project at once, and survives undo, saving and loading."""

import json
from pathlib import Path

import bpy
import numpy as np
import pytest


def boxes_in(project: Path) -> list[dict]:
    return json.loads((project / "boxes.json").read_text())["boxes"]


def centres_in(project: Path) -> list[list[int]]:
    return sorted(box["centre"] for box in boxes_in(project))


def box_objects() -> list:
    return [one for one in bpy.context.scene.objects if one.get("tomoseg_kind") == "box"]


def paint(image, columns: slice, rows: slice) -> None:
    """What a stroke leaves: opaque pixels, and an image that is dirty."""
    pixels = np.array(image.pixels[:], np.float32).reshape(image.size[1], image.size[0], 4)
    pixels[rows, columns] = (1, 0, 0, 1)
    image.pixels.foreach_set(pixels.ravel())
    image.update()


def test_a_box_is_in_the_project_and_at_its_place_in_the_scene(project):
    bpy.ops.tomoseg.add_box(location=(20, 8, 3), kind="positive", size=16)
    (box,), (shown,) = boxes_in(project), box_objects()
    assert (box["tomogram"], box["feature"], box["kind"], box["size"]) == ("cell", "bar", "positive", 16)
    assert box["centre"] == [20, 8, 3]
    bpy.context.view_layer.update()
    # 10 Å voxels are 0.1 units, the tomogram begins at (120, -30, 50) Å, and voxel i covers [i, i + 1].
    assert tuple(shown.matrix_world.translation) == pytest.approx((1.2 + 2.0, -0.3 + 0.8, 0.5 + 0.35), abs=1e-5)


def test_without_a_place_a_box_goes_to_the_cursor_on_the_shown_slice(project):
    bpy.context.scene.cursor.location = (1.2 + 2.04, -0.3 + 1.56, 9.9)
    bpy.context.scene.tomoseg.tomograms["cell"].slice_z = 2
    bpy.ops.tomoseg.add_box(size=8, kind="negative")
    assert centres_in(project) == [[20, 15, 2]]


def test_moving_and_deleting_box_objects_changes_the_project(project):
    for x in (12, 30, 44):
        bpy.ops.tomoseg.add_box(location=(x, 20, 3), size=16)
    first = min(box_objects(), key=lambda one: one.location.x)
    first.location.x += 3
    bpy.context.view_layer.update()
    assert centres_in(project) == [[15, 20, 3], [30, 20, 3], [44, 20, 3]]
    last = max(box_objects(), key=lambda one: one.location.x)
    bpy.ops.object.select_all(action="DESELECT")
    last.select_set(True)
    bpy.ops.tomoseg.delete_box()
    assert centres_in(project) == [[15, 20, 3], [30, 20, 3]]


def test_undo_takes_a_box_back_and_redo_brings_it_again(project):
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.tomoseg.add_box("EXEC_DEFAULT", True, location=(20, 8, 3), size=16)
    bpy.ops.tomoseg.add_box("EXEC_DEFAULT", True, location=(30, 8, 3), size=16)
    assert len(boxes_in(project)) == 2
    bpy.ops.ed.undo()
    assert centres_in(project) == [[20, 8, 3]]
    assert len(box_objects()) == 1
    bpy.ops.ed.redo()
    assert centres_in(project) == [[20, 8, 3], [30, 8, 3]]


def test_boxes_of_a_tomogram_that_is_not_shown_are_kept(project, tomogram_file):
    bpy.ops.tomoseg.add_box(location=(20, 8, 3), size=16)
    other = tomogram_file.with_name("other.mrc")
    other.write_bytes(tomogram_file.read_bytes())
    bpy.ops.tomoseg.import_tomogram(filepath=str(other))
    bpy.ops.tomoseg.add_box(tomogram="other", location=(9, 9, 1), size=8)
    assert len(box_objects()) == 1  # "other" is not shown, so its box has no object
    bpy.ops.tomoseg.delete_box(box=boxes_in(project)[0]["id"])
    assert [(box["tomogram"], box["centre"]) for box in boxes_in(project)] == [("other", [9, 9, 1])]


@pytest.mark.parametrize(
    ("place", "size", "words"),
    [
        ((20, 8, 30), 16, "lies outside cell"),
        ((200, 8, 3), 16, "lies outside cell"),
        ((20, 8, 3), 64, "larger than a slice"),
    ],
)
def test_an_impossible_box_is_refused_in_one_sentence(project, place, size, words):
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.tomoseg.add_box(location=place, size=size)
    assert not box_objects()


def test_next_box_goes_round_the_boxes_of_the_feature_slice_by_slice(project):
    for z in (5, 1, 3):
        bpy.ops.tomoseg.add_box(location=(20, 8, z), size=16)
    bpy.context.scene.tomoseg.box_id = ""
    item, visited = bpy.context.scene.tomoseg.tomograms["cell"], []
    for _ in range(4):
        bpy.ops.tomoseg.next_box(step=1)
        visited.append(item.slice_z)
    assert visited == [1, 3, 5, 1]


def test_changing_the_kind_of_selected_boxes(project):
    bpy.ops.tomoseg.add_box(location=(20, 8, 3), kind="positive", size=16)
    bpy.ops.object.select_all(action="DESELECT")
    box_objects()[0].select_set(True)
    bpy.ops.tomoseg.change_kind(kind="negative")
    assert [box["kind"] for box in boxes_in(project)] == ["negative"]


def test_what_is_painted_is_saved_when_the_slice_is_left(project, part):
    group = bpy.context.scene.tomoseg
    group.tomograms["cell"].slice_z = 3
    bpy.ops.tomoseg.paint_slice()
    assert bpy.context.mode == "PAINT_TEXTURE"
    canvas = bpy.context.scene.tool_settings.image_paint.canvas
    paint(canvas, slice(6, 20), slice(4, 12))
    path = project / "labels" / "cell__bar" / "z00003.mrc"
    assert not path.exists()
    bpy.ops.tomoseg.slice_step(step=1)
    expected = np.zeros((40, 56), np.int8)
    expected[4:12, 6:20] = 1
    np.testing.assert_array_equal(part("tomo.labels").load_label(path, (40, 56)), expected)
    # Painting goes on with the image of the new slice: a stroke never lands on the old one.
    assert bpy.context.scene.tool_settings.image_paint.canvas != canvas
    bpy.ops.tomoseg.slice_step(step=-1)
    assert bpy.context.scene.tool_settings.image_paint.canvas == canvas
    bpy.ops.tomoseg.finish_painting()
    assert bpy.context.mode == "OBJECT"


def test_ignore_zones_are_saved_as_2_and_labels_of_features_stay_apart(project, part):
    bpy.ops.tomoseg.add_feature(name="rod")
    group = bpy.context.scene.tomoseg
    group.paint_role = "ignore"
    bpy.ops.tomoseg.paint_slice()
    paint(bpy.context.scene.tool_settings.image_paint.canvas, slice(0, 5), slice(30, 40))
    bpy.ops.tomoseg.finish_painting()
    z = group.tomograms["cell"].slice_z
    label = part("tomo.labels").load_label(project / "labels" / "cell__rod" / f"z{z:05d}.mrc", (40, 56))
    assert set(np.unique(label[30:, :5])) == {2}
    assert np.count_nonzero(label) == 50
    assert not (project / "labels" / "cell__bar").exists()


def test_labels_and_boxes_survive_saving_and_loading_the_blend(project, part, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 4), size=16)
    bpy.context.scene.tomoseg.tomograms["cell"].slice_z = 4
    bpy.ops.tomoseg.paint_slice()
    paint(bpy.context.scene.tool_settings.image_paint.canvas, slice(10, 12), slice(20, 23))
    blend = tmp_path / "work.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    assert bpy.context.scene.tomoseg.folder == "//project"
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    assert len(box_objects()) == 1
    labels = part("tomoseg_blender.scene.labels")
    label = labels.read_slice_label("cell", "bar", 4)
    assert np.count_nonzero(label) == 6
    assert label[20:23, 10:12].all()


def test_after_a_crash_the_project_rules_over_an_older_blend(project, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 4), size=16)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))
    bpy.ops.tomoseg.add_box(location=(30, 8, 4), size=16)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "work.blend"))  # the .blend from before the second box
    assert len(box_objects()) == 2
    assert centres_in(project) == [[20, 8, 4], [30, 8, 4]]


def test_a_project_moved_with_its_blend_is_found_again(project, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 4), size=16)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    project.rename(moved / "project")
    (tmp_path / "work.blend").rename(moved / "work.blend")
    bpy.ops.wm.open_mainfile(filepath=str(moved / "work.blend"))
    assert bpy.context.scene.tomoseg.reasons.project == ""
    assert len(box_objects()) == 1
    bpy.ops.tomoseg.add_box(location=(30, 8, 4), size=16)
    assert len(boxes_in(moved / "project")) == 2


def test_a_project_that_is_gone_is_a_sentence_and_nothing_is_lost(project, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 4), size=16)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))
    project.rename(tmp_path / "hidden")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "work.blend"))
    assert "is no Tomoseg project" in bpy.context.scene.tomoseg.reasons.next_step
    assert len(box_objects()) == 1


def test_labels_that_cannot_be_saved_stay_in_the_blend_and_are_saved_later(project, part, tmp_path, monkeypatch):
    painting = part("tomoseg_blender.painting")
    error = part("tomo.errors").TomosegError("Cannot write z00004.mrc: the disk is full: free some space.")

    def refuse(*_arguments):
        raise error

    bpy.ops.tomoseg.paint_slice()
    paint(bpy.context.scene.tool_settings.image_paint.canvas, slice(10, 12), slice(20, 23))
    with monkeypatch.context() as patched:
        patched.setattr(painting, "save_label", refuse)
        with pytest.raises(RuntimeError, match="disk is full"):
            bpy.ops.tomoseg.save_labels()
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))
    assert not (project / "labels").exists()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "work.blend"))
    z = bpy.context.scene.tomoseg.tomograms["cell"].slice_z
    label = part("tomo.labels").load_label(project / "labels" / "cell__bar" / f"z{z:05d}.mrc", (40, 56))
    assert np.count_nonzero(label) == 6


def test_labels_from_a_volume_fill_only_the_positive_boxes(project, part, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 3), kind="positive", size=16)
    bpy.ops.tomoseg.add_box(location=(40, 30, 7), kind="negative", size=16)
    bpy.ops.tomoseg.label_from_mask(filepath=str(tmp_path / "bar.mrc"))
    folder = project / "labels" / "cell__bar"
    assert [path.name for path in folder.iterdir()] == ["z00003.mrc"]
    label = part("tomo.labels").load_label(folder / "z00003.mrc", (40, 56))
    expected = np.zeros((40, 56), np.int8)
    expected[4:12, 12:28] = 1  # the bar where the box covers it: x from 12 to 28, y from 0 to 16
    np.testing.assert_array_equal(label, expected)


def test_a_volume_of_another_size_gives_no_labels(project, part, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 3), kind="positive", size=16)
    part("tomo.mrc").write_mrc(tmp_path / "small.mrc", np.ones((5, 7, 11), np.int8), part("tomo.geometry").Geometry())
    with pytest.raises(RuntimeError, match="11 × 7 × 5 voxels and cell has 56 × 40 × 9"):
        bpy.ops.tomoseg.label_from_mask(filepath=str(tmp_path / "small.mrc"))


def test_undo_of_a_slice_step_shows_the_old_slice_again(project):
    item = bpy.context.scene.tomoseg.tomograms["cell"]
    item.slice_z = 2
    bpy.ops.ed.undo_push(message="at 2")
    bpy.ops.tomoseg.slice_step("EXEC_DEFAULT", True, step=4)
    plane = next(one for one in bpy.data.objects if one.get("tomoseg_kind") == "slice")
    assert (item.slice_z, plane["tomoseg_index"]) == (6, 6)
    bpy.ops.ed.undo()
    plane = next(one for one in bpy.data.objects if one.get("tomoseg_kind") == "slice")
    assert bpy.context.scene.tomoseg.tomograms["cell"].slice_z == 2
    assert plane["tomoseg_index"] == 2
    assert plane.location.z == pytest.approx(2.5)


def test_another_project_cannot_be_opened_over_the_shown_one(project, tmp_path):
    with pytest.raises(RuntimeError, match="start a new file first"):
        bpy.ops.tomoseg.create_project(directory=str(tmp_path / "second"))
    assert not (tmp_path / "second").exists()


def test_a_tomogram_that_is_here_for_its_surfaces_alone_does_not_lose_its_boxes(project, part, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 4), size=16)
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.tomoseg.open_project(directory=str(project))
    viewing, tomogram = part("tomoseg_blender.viewing"), part("tomoseg_blender.scene.tomogram")
    opened = viewing.data_of(bpy.context.scene, "cell")
    tomogram.ensure_tomogram("cell", opened.shape, opened.geometry)
    bpy.context.view_layer.update()
    bpy.ops.tomoseg.add_box(location=(30, 8, 4), size=16)
    assert not box_objects()
    assert centres_in(project) == [[20, 8, 4], [30, 8, 4]]
    bpy.ops.tomoseg.show_tomogram()
    assert len(box_objects()) == 2


def test_a_folder_that_comes_back_rules_over_the_boxes_of_an_older_blend(project, tmp_path):
    bpy.ops.tomoseg.add_box(location=(20, 8, 4), size=16)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "work.blend"))
    bpy.ops.tomoseg.add_box(location=(30, 8, 4), size=16)
    project.rename(tmp_path / "hidden")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "work.blend"))
    (tmp_path / "hidden").rename(project)
    bpy.context.view_layer.update()
    assert centres_in(project) == [[20, 8, 4], [30, 8, 4]]
    bpy.ops.tomoseg.reload_project()
    assert len(box_objects()) == 2
