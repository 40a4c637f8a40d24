# Boxes as objects: what the person moves, copies and deletes is what the project gets.
import bpy
import numpy as np
import pytest


@pytest.fixture
def boxes(part):
    return part("tomoseg_blender.scene.boxes")


@pytest.fixture
def make(part):
    """Box(...) of the extension, on the tomogram "cell" of 10 Å, which is shown."""
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (50.0, 0.0, 0.0))
    part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", (20, 70, 110), geometry)
    box = part("tomo.boxes").Box
    return lambda *centre, size=6, kind="positive", feature="membrane", name="cell": box(
        name, feature, kind, centre, size
    )


@pytest.mark.parametrize("size", [6, 7])
def test_a_box_comes_back_from_its_object_as_it_was(boxes, make, size):
    box = make(10, 20, 3, size=size)
    assert boxes.box_from_object(boxes.add_box_object(box)) == box


def test_the_object_covers_the_box_and_one_slice(boxes, make):
    placed = boxes.add_box_object(make(10, 20, 3))
    bpy.context.view_layer.update()
    half = placed.empty_display_size
    low, high = (placed.matrix_world @ type(placed.location)((sign * half,) * 3) for sign in (-1, 1))
    # Voxels 7 to 12, 17 to 22 and 3; 0.1 units a voxel, the tomogram begins at x = 0.5.
    assert np.array(low) == pytest.approx([1.2, 1.7, 0.3], abs=1e-5)
    assert np.array(high) == pytest.approx([1.8, 2.3, 0.4], abs=1e-5)
    assert tuple(placed.scale) == (1, 1, 1), "Blender 5 warns of an uneven scale in its status bar"


def test_moving_an_object_moves_its_box_by_whole_voxels(boxes, make):
    placed = boxes.add_box_object(make(10, 20, 3))
    placed.location.x += 4.4
    placed.location.z -= 1.9
    assert boxes.box_from_object(placed).centre == (14, 20, 1)


def test_a_copied_object_is_a_box_of_its_own(boxes, make):
    placed = boxes.add_box_object(make(10, 20, 3))
    copy = placed.copy()
    placed.users_collection[0].objects.link(copy)
    copy.location.x += 30
    found = boxes.scene_boxes()
    assert sorted(box.centre[0] for box in found) == [10, 40]
    assert len({box.id for box in found}) == 2 and boxes.scene_boxes() == found


def test_showing_boxes_makes_the_scene_hold_exactly_these(boxes, make):
    first, second, elsewhere = make(10, 20, 3), make(30, 40, 5, kind="negative"), make(1, 1, 1, name="other")
    assert boxes.show_boxes([first, second]) == []
    moved = make(50, 20, 3)
    assert boxes.show_boxes([second, moved, elsewhere]) == [elsewhere]
    assert {box.id for box in boxes.scene_boxes()} == {second.id, moved.id}


def test_boxes_of_tomograms_that_are_not_shown_are_never_lost(boxes, make):
    here, elsewhere = make(10, 20, 3), make(1, 1, 1, name="other")
    boxes.show_boxes([here, elsewhere])
    boxes.delete_box_object(here.id)
    assert boxes.merged_boxes([here, elsewhere]) == [elsewhere]


def test_deleting_says_whether_there_was_such_a_box(boxes, make):
    box = make(10, 20, 3)
    boxes.add_box_object(box)
    assert boxes.delete_box_object(box.id) and not boxes.delete_box_object(box.id)
    assert boxes.find_box_object(box.id) is None and boxes.scene_boxes() == []


def test_only_boxes_near_the_slice_are_seen(boxes, make):
    near, far = boxes.add_box_object(make(10, 20, 3)), boxes.add_box_object(make(10, 20, 9))
    boxes.show_boxes_near(near.parent, 4, reach=1)
    assert not near.hide_viewport and far.hide_viewport
    boxes.show_boxes_near(near.parent, 9)
    assert near.hide_viewport and not far.hide_viewport


def test_each_feature_and_kind_has_a_collection(boxes, make):
    placed = boxes.add_box_object(make(10, 20, 3, kind="negative", feature="carbon"))
    assert placed.users_collection[0].name == "negative"
    assert "carbon" in [one.name for one in bpy.data.collections]


def test_a_box_without_its_tomogram_is_refused(boxes, make, part):
    with pytest.raises(part("tomo.errors").TomosegError, match="Tomogram other is not in this file"):
        boxes.add_box_object(make(1, 1, 1, name="other"))
    with pytest.raises(part("tomo.errors").TomosegError, match="no box"):
        boxes.box_from_object(bpy.data.objects.new("no box", None))
