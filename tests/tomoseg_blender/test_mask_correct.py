"""Correcting a mask component by component: seen at once, undone, saved under a new version, the file untouched."""

import json

import bpy
import numpy as np
import pytest

from tests.tomoseg_blender.worker_python import worker_python

SIZE = 0.1


def volume():
    """Label 1: a bar and a small block; label 2: a rod. int8 [z, y, x], each in its own corner."""
    made = np.zeros((9, 40, 56), np.int8)
    made[1:6, 4:16, 6:50] = 1
    made[2:5, 30:36, 40:46] = 1
    made[3:7, 20:24, 4:30] = 2
    return made


@pytest.fixture
def mask(project, part):
    """The project's own merged mask, its surfaces in the scene; its path."""
    path = project / "masks" / "cell__mask.mrc"
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    part("tomo.mrc").write_mrc(path, volume(), geometry)
    labels = [{"value": 1, "name": "bar", "colour": "#112233"}, {"value": 2, "name": "rod", "colour": "#445566"}]
    path.with_suffix(".json").write_text(json.dumps({"schema": 1, "labels": labels}))
    bpy.ops.tomoseg.reload_project()
    bpy.ops.tomoseg.import_surfaces(smoothing=0)
    return path


def surface(name):
    return next(one for one in bpy.data.objects if one.get("tomoseg_feature") == name and one.type == "MESH")


def numbers(name):
    mesh = surface(name).data
    found = np.empty(len(mesh.vertices), np.int32)
    mesh.attributes["component"].data.foreach_get("value", found)
    return sorted(set(found.tolist()))


def click(x, y):
    """Look down on the voxel (x, y) from above all."""
    bpy.context.view_layer.update()
    origin = (1.2 + SIZE * (x + 0.5), -0.3 + SIZE * (y + 0.5), 100.0)
    return bpy.ops.tomoseg.pick_component(origin=origin, direction=(0, 0, -1))


def picked():
    return bpy.context.scene.tomoseg.masks.picked


def edits():
    return [(edit.value, edit.component, edit.new) for edit in bpy.context.scene.tomoseg.masks.edits]


def saved(part, path):
    return np.array(part("tomo.mrc").open_tomogram(path).data)


def test_a_click_picks_the_component_of_the_measured_table(mask):
    click(42, 33)
    assert picked() == "bar, component 2, slices 2 to 4"
    click(30, 8)
    assert picked() == "bar, component 1, slices 1 to 5"
    with pytest.raises(RuntimeError, match="No component of a mask is there"):
        click(55, 39)
    assert picked() == ""
    bpy.ops.tomoseg.measure()
    rows = [row for row in bpy.context.scene.tomoseg.measures if row.name == "bar"]
    assert rows and numbers("bar") == [1, 2]


def test_a_row_of_the_measured_table_is_the_component_that_corrections_act_on(mask):
    bpy.ops.tomoseg.measure()
    group = bpy.context.scene.tomoseg
    rows = [(row.name, row.number) for row in group.parts]
    group.part_index = rows.index(("bar", 2))
    assert picked() == "bar, component 2, slices 2 to 4"
    bpy.ops.tomoseg.delete_component()
    assert edits() == [(1, 2, 0)] and numbers("bar") == [1]
    bpy.ops.tomoseg.show_part(index=rows.index(("bar", 2)))
    assert picked() == "", "what is deleted is not picked again"


def test_a_deleted_component_goes_at_once_and_comes_back_by_undo(mask):
    click(42, 33)
    bpy.ops.ed.undo_push(message="picked")
    bpy.ops.tomoseg.delete_component()
    bpy.ops.ed.undo_push(message="deleted")
    assert numbers("bar") == [1] and edits() == [(1, 2, 0)]
    with pytest.raises(RuntimeError, match="No component is picked"):
        bpy.ops.tomoseg.delete_component()
    bpy.ops.ed.undo()
    assert numbers("bar") == [1, 2] and edits() == []
    bpy.ops.ed.redo()
    assert numbers("bar") == [1] and edits() == [(1, 2, 0)]


def test_saving_writes_the_next_version_and_leaves_the_mask_alone(mask, part):
    before, table = mask.read_bytes(), mask.with_suffix(".json").read_bytes()
    click(42, 33)
    bpy.ops.tomoseg.delete_component()
    click(10, 21)
    bpy.ops.tomoseg.relabel_component(label="bar")
    assert numbers("bar") == [1] and len(surface("rod").data.vertices) == 0
    assert not mask.with_name("cell__mask_v2.mrc").exists()
    bpy.ops.tomoseg.save_mask(smoothing=0)
    assert mask.read_bytes() == before and mask.with_suffix(".json").read_bytes() == table
    expected = volume()
    expected[2:5, 30:36, 40:46] = 0
    expected[expected == 2] = 1
    second = mask.with_name("cell__mask_v2.mrc")
    np.testing.assert_array_equal(saved(part, second), expected)
    assert json.loads(second.with_suffix(".json").read_text()) == json.loads(table)
    group = bpy.context.scene.tomoseg
    assert edits() == [] and group.tomograms["cell"].mask == group.masks.file == "cell__mask_v2.mrc"
    # What is shown now is the new version: two components of one label, and no rod.
    assert numbers("bar") == [1, 2]
    assert not [one for one in bpy.data.objects if one.get("tomoseg_feature") == "rod" and one.type == "MESH"]
    click(30, 8)
    bpy.ops.tomoseg.delete_component()
    bpy.ops.tomoseg.save_mask(smoothing=0)
    assert mask.with_name("cell__mask_v3.mrc").is_file()


def test_a_single_component_object_is_corrected_by_selecting_it(mask):
    bpy.ops.tomoseg.import_surfaces(smoothing=0, split=True)
    block = surface("bar-0002")
    assert {"bar-0001", "bar-0002", "rod-0001"} == {
        one["tomoseg_feature"] for one in bpy.data.objects if one.get("tomoseg_kind") == "surface"
    }
    for one in bpy.context.selected_objects:
        one.select_set(False)
    block.select_set(True)
    bpy.ops.tomoseg.delete_component()
    assert edits() == [(1, 2, 0)] and len(surface("bar-0002").data.vertices) == 0


def test_a_false_component_becomes_negative_boxes_on_its_slices(mask, project):
    click(42, 33)
    bpy.context.scene.tomoseg.box_size = 10
    bpy.ops.tomoseg.component_to_boxes(slices=2)
    boxes = json.loads((project / "boxes.json").read_text())["boxes"]
    assert [(box["kind"], box["feature"], box["centre"], box["size"]) for box in boxes] == [
        ("negative", "bar", [43, 33, 2], 10),
        ("negative", "bar", [43, 33, 4], 10),
    ]
    assert edits() == [(1, 2, 0)] and numbers("bar") == [1]


def test_the_command_line_places_the_same_boxes_and_writes_the_same_mask(mask, project, part):
    click(42, 33)
    bpy.context.scene.tomoseg.box_size = 10
    bpy.ops.tomoseg.component_to_boxes(slices=2)
    bpy.ops.tomoseg.save_mask(smoothing=0)
    before = [(box["kind"], box["centre"], box["size"]) for box in boxes_of(project)]
    (project / "boxes.json").unlink()
    other = project / "masks" / "by_hand.mrc"
    words = f"correct {mask} --negatives bar:2 --project {project} --box-size 10 --slices 2 --output {other}"
    worker_python("-m", "ml", *words.split())
    assert [(box["kind"], box["centre"], box["size"]) for box in boxes_of(project)] == before and len(before) == 2
    np.testing.assert_array_equal(saved(part, other), saved(part, mask.with_name("cell__mask_v2.mrc")))


def boxes_of(project):
    return json.loads((project / "boxes.json").read_text())["boxes"]


def test_no_negative_box_is_placed_over_the_feature_itself(mask, project):
    click(42, 33)
    bpy.context.scene.tomoseg.box_size = 40  # would reach into the bar
    with pytest.raises(RuntimeError, match="would also hold the feature itself: choose a smaller box size"):
        bpy.ops.tomoseg.component_to_boxes()
    assert not (project / "boxes.json").exists() or not json.loads((project / "boxes.json").read_text())["boxes"]
    assert edits() == [] and numbers("bar") == [1, 2]


def test_corrections_are_shown_again_on_new_surfaces_and_can_be_discarded(mask):
    click(42, 33)
    bpy.ops.tomoseg.delete_component()
    bpy.ops.tomoseg.import_surfaces(smoothing=3)
    assert numbers("bar") == [1] and edits() == [(1, 2, 0)]
    bpy.ops.tomoseg.discard_corrections(smoothing=0)
    assert numbers("bar") == [1, 2] and edits() == []
    with pytest.raises(RuntimeError, match=r"Nothing of cell__mask\.mrc was corrected"):
        bpy.ops.tomoseg.save_mask()


def test_a_mask_that_changed_in_the_meantime_is_not_corrected_blindly(mask, part):
    click(42, 33)
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    part("tomo.mrc").write_mrc(mask, np.roll(volume(), 1, axis=2), geometry)
    with pytest.raises(RuntimeError, match="changed since its surfaces were made: import the mask again"):
        bpy.ops.tomoseg.delete_component()
    mask.unlink()
    with pytest.raises(RuntimeError, match="is gone"):
        bpy.ops.tomoseg.delete_component()
    assert edits() == [] and numbers("bar") == [1, 2]


def test_a_new_label_can_be_added_and_given(mask, part):
    bpy.ops.tomoseg.add_label(name="vesicle")
    click(42, 33)
    bpy.ops.tomoseg.relabel_component()  # the one just added is chosen
    assert edits() == [(1, 2, 3)] and numbers("vesicle") == [2]
    click(42, 33)
    assert picked().startswith("vesicle, component 2")
    bpy.ops.tomoseg.relabel_component(label="bar")  # back: nothing to save
    assert edits() == [] and numbers("bar") == [1, 2]


@pytest.mark.parametrize(
    ("x", "size", "expected"), [((0, 8), 10, 1), ((0, 30), 10, 4), ((0, 14), 10, 2)], ids=["one", "many", "two"]
)
def test_squares_cover_a_long_shape(part, x, size, expected):
    cover = part("tomo.false_boxes").cover
    line = np.stack([np.arange(*x), np.arange(*x) / 9, np.zeros(x[1])], 1).astype(np.float32)
    centres = cover(line, size)
    assert 1 <= len(centres) <= 4 and len(centres) >= min(expected, 2)
    if expected < 4:
        inside = [(np.abs(line[:, :2] - centre) <= size / 2 + 1).all(1) for centre in centres]
        assert np.any(inside, axis=0).all()
