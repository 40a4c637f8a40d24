"""A click on the slice picks the component that the mask has there, where no surface shows it, too."""

import json

import bpy
import numpy as np
import pytest

VOXELS = (8.0, 10.0, 16.0)  # Å along x, y, z: not alike
PLACE = (120.0, -30.0, 50.0)


def volume():
    """Label 1: a bar, a hollow tube of z = 2 to 7 with a core inside, label 2. int8 [z, y, x]."""
    made = np.zeros((9, 40, 56), np.int8)
    made[1:6, 4:16, 6:50] = 1
    made[2:8, 22:36, 30:46] = 1
    made[3:7, 25:33, 34:42] = 0
    made[4:6, 27:31, 36:40] = 2
    return made


@pytest.fixture
def mask(tmp_path, part):
    """A project whose tomogram has a mask, of which nothing is in the scene but the slice; the mask's path."""
    geometry = part("tomo.geometry").Geometry(VOXELS, PLACE)
    part("tomo.mrc").write_mrc(tmp_path / "cell.mrc", volume().astype(np.float32), geometry)
    bpy.ops.tomoseg.create_project(directory=str(tmp_path / "project"))
    bpy.ops.tomoseg.import_tomogram(filepath=str(tmp_path / "cell.mrc"), filter=False)
    bpy.ops.tomoseg.show_tomogram()
    path = tmp_path / "project" / "masks" / "cell__mask.mrc"
    part("tomo.mrc").write_mrc(path, volume(), geometry)
    labels = [{"value": 1, "name": "bar", "colour": "#112233"}, {"value": 2, "name": "core", "colour": "#445566"}]
    path.with_suffix(".json").write_text(json.dumps({"schema": 1, "labels": labels}))
    bpy.ops.tomoseg.reload_project()
    bpy.ops.tomoseg.add_feature(name="bar")
    return path


def settings():
    return bpy.context.scene.tomoseg


def click(x, y, z=4, above=100.0):
    """Look down on the slice z at the voxel (x, y), from `above` it (Blender units)."""
    settings().tomograms["cell"].slice_z = z
    bpy.context.view_layer.update()
    at = [(place + (voxel + 0.5) * size) / 100 for place, voxel, size in zip(PLACE, (x, y, z), VOXELS, strict=True)]
    return bpy.ops.tomoseg.pick_component(origin=(at[0], at[1], at[2] + above), direction=(0, 0, -1))


def surfaces():
    return sorted(one["tomoseg_feature"] for one in bpy.data.objects if one.get("tomoseg_kind") == "surface")


def test_a_click_on_the_slice_finds_the_component_and_shows_it_alone(mask):
    click(31, 23)
    assert settings().masks.picked == "bar, component 2, slices 2 to 7" and surfaces() == ["bar-0002"]
    shown = next(one for one in bpy.data.objects if one.get("tomoseg_feature") == "bar-0002")
    bpy.context.view_layer.update()
    world = np.array([shown.matrix_world @ vertex.co for vertex in shown.data.vertices])
    voxels = (world * 100 - np.array(PLACE)) / np.array(VOXELS)
    np.testing.assert_allclose(voxels.min(0), (30, 22, 2), atol=0.6)
    np.testing.assert_allclose(voxels.max(0), (46, 36, 8), atol=0.6)
    click(38, 29, above=0.01)  # from within the tube, which hides the core
    assert settings().masks.picked.startswith("core, component 1") and surfaces() == ["bar-0002", "core-0001"]


def test_beside_the_label_nothing_is_picked(mask):
    click(31, 23)
    with pytest.raises(RuntimeError, match="No component of a mask is there"):
        click(2, 2)
    assert settings().masks.picked == ""
    with pytest.raises(RuntimeError, match="No component of a mask is there"):
        click(35, 26, above=0.01)  # in the tube's hollow: its wall is behind the slice


def test_what_was_picked_so_is_deleted_undone_and_saved(mask, part):
    click(31, 23)
    bpy.ops.ed.undo_push(message="picked")
    bpy.ops.tomoseg.delete_component()
    assert [(edit.value, edit.component, edit.new) for edit in settings().masks.edits] == [(1, 2, 0)]
    with pytest.raises(RuntimeError, match=r"bar 2 was deleted: Ctrl\+Z or Discard brings it back"):
        click(31, 23)
    bpy.ops.tomoseg.save_mask(smoothing=0)
    saved = np.array(part("tomo.mrc").open_tomogram(mask.with_name("cell__mask_v2.mrc")).data)
    expected = volume()
    expected[2:8, 20:38, 28:48][expected[2:8, 20:38, 28:48] == 1] = 0
    np.testing.assert_array_equal(saved, expected)
    assert surfaces() == ["bar", "core"]  # all of the new version


def test_where_surfaces_are_shown_the_slice_picks_by_them(mask, monkeypatch, part):
    bpy.ops.tomoseg.import_surfaces(smoothing=0)
    monkeypatch.setattr(part("tomoseg_blender.slice_picking").jobs, "start", None)  # no worker is asked
    click(38, 29, above=0.01)  # between the slice and the core's upper side
    assert settings().masks.picked == "core, component 1, slices 4 to 5"
    click(38, 23, above=0.01)
    assert settings().masks.picked == "bar, component 2, slices 2 to 7" and surfaces() == ["bar", "core"]


def test_negative_boxes_of_it_know_the_components_that_are_not_shown(mask):
    click(31, 23)
    settings().box_size = 16
    bpy.ops.tomoseg.component_to_boxes(slices=2)
    path = mask.parent.parent / "boxes.json"
    boxes = json.loads(path.read_text())["boxes"]
    assert [(box["kind"], box["centre"], box["size"]) for box in boxes] == [
        ("negative", [38, 29, z], 16) for z in (3, 6)
    ]
    assert len(settings().masks.edits) == 1
    settings().box_size = 40  # would reach into the bar, of which no surface is shown
    bpy.ops.tomoseg.discard_corrections(smoothing=0)
    for one in list(bpy.data.objects):
        if one.get("tomoseg_kind") == "surface":
            bpy.data.objects.remove(one)
    click(31, 23)
    with pytest.raises(RuntimeError, match="would also hold the feature"):
        bpy.ops.tomoseg.component_to_boxes(slices=1)
    assert json.loads(path.read_text())["boxes"] == boxes and len(settings().masks.edits) == 0


def test_a_click_forgets_the_component_that_was_selected_before(mask):
    bpy.ops.tomoseg.import_surfaces(smoothing=0, split=True)
    first = next(one for one in bpy.data.objects if one.get("tomoseg_feature") == "bar-0001")
    first.select_set(True)
    click(31, 23)
    bpy.ops.tomoseg.delete_component()
    assert [(edit.value, edit.component) for edit in settings().masks.edits] == [(1, 2)]


def test_a_mask_of_another_size_is_not_picked_from(mask, part):
    part("tomo.mrc").write_mrc(mask, volume()[:, 1:], part("tomo.geometry").Geometry(VOXELS, PLACE))
    with pytest.raises(RuntimeError, match="No component of a mask is there"):
        click(31, 23)
