"""A mask, also from elsewhere, as the first labels to correct and train from; undo brings back what was there."""

import json

import bpy
import numpy as np
import pytest
import tifffile


def volume():
    made = np.zeros((9, 40, 56), np.int8)
    made[1:6, 4:12, 6:50] = 1
    made[2:5, 30:36, 40:46] = 4
    return made


@pytest.fixture
def mask(project, part, tmp_path):
    """An imported mask with two labels, "er" and "golgi"."""
    path = tmp_path / "cell__organelles.mrc"
    part("tomo.mrc").write_mrc(path, volume(), part("tomo.geometry").Geometry((10.0, 10.0, 10.0)))
    labels = [{"value": 1, "name": "er", "colour": "#112233"}, {"value": 4, "name": "golgi", "colour": "#445566"}]
    path.with_suffix(".json").write_text(json.dumps({"schema": 1, "labels": labels}))
    bpy.ops.tomoseg.open_mask(filepath=str(path), volumes=False)
    return path


def saved(part, project, feature, z):
    path = project / "labels" / f"cell__{feature}" / f"z{z:05d}.mrc"
    return np.array(part("tomo.mrc").open_tomogram(path, single_slice=True).data[0]) if path.exists() else None


def test_one_label_becomes_a_feature_and_its_labels_on_every_second_slice(mask, project, part):
    bpy.ops.tomoseg.label_from_mask(label="golgi", slices="every", step=2)
    feature = bpy.context.scene.tomoseg.features["golgi"]
    assert feature.painted == 1  # slice 3; 1, 5 and 7 hold nothing of it
    np.testing.assert_array_equal(saved(part, project, "golgi", 3), volume()[3] == 4)


def test_the_whole_mask_becomes_the_label_of_the_shown_slice(mask, project, part):
    bpy.context.scene.tomoseg.tomograms["cell"].slice_z = 4
    bpy.ops.tomoseg.label_from_mask(feature="bar", slices="shown")
    np.testing.assert_array_equal(saved(part, project, "bar", 4), volume()[4] != 0)
    assert saved(part, project, "bar", 3) is None


def test_slices_with_boxes_are_labelled_inside_the_boxes(mask, project, part):
    bpy.ops.tomoseg.add_box(location=(10, 8, 2), kind="positive", size=16)
    bpy.ops.tomoseg.label_from_mask(feature="bar", value=1)
    found = saved(part, project, "bar", 2)
    assert found[8, 10] == 1 and found[8, 30] == 0 and found.sum() == 8 * 12


def test_undo_brings_back_what_was_painted(mask, project, part):
    bpy.ops.tomoseg.label_from_mask(feature="bar", value=4, slices="every", step=3)
    before = saved(part, project, "bar", 4)
    assert before[31, 42] == 1
    bpy.ops.ed.undo_push(message="painted")
    bpy.ops.tomoseg.label_from_mask(feature="bar", value=1, slices="every", step=3)
    bpy.ops.ed.undo_push(message="replaced")
    np.testing.assert_array_equal(saved(part, project, "bar", 4), volume()[4] == 1)
    bpy.ops.ed.undo()
    bpy.ops.tomoseg.save_labels()
    np.testing.assert_array_equal(saved(part, project, "bar", 4), before)


def test_a_tiff_goes_through_the_worker(project, part, tmp_path):
    tifffile.imwrite(tmp_path / "cell__er.tif", volume().astype(np.uint8))
    bpy.context.scene.tomoseg.tomograms["cell"].slice_z = 4
    bpy.ops.tomoseg.label_from_mask(filepath=str(tmp_path / "cell__er.tif"), feature="bar", slices="shown")
    np.testing.assert_array_equal(saved(part, project, "bar", 4), volume()[4] != 0)


def test_what_cannot_be_taken_is_said_and_nothing_is_written(mask, project, part, tmp_path):
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0))
    part("tomo.mrc").write_mrc(tmp_path / "cell__map.mrc", volume() * np.float32(0.3), geometry)
    for words, given in (
        ("holds fractions, so it is a map", {"filepath": str(tmp_path / "cell__map.mrc"), "slices": "shown"}),
        ("The mask has no label 'disc': its labels are er, golgi", {"label": "disc", "feature": "bar"}),
        ("bar has no positive box in cell", {"feature": "bar"}),
        ("None of every 9 slices has this label", {"feature": "bar", "value": 7, "slices": "every", "step": 9}),
    ):
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.tomoseg.label_from_mask(**given)
    assert not list((project / "labels").rglob("*.mrc"))
