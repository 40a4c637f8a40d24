"""Editing `scene.tomoseg`, in the panel or from Python: the project and the scene follow."""

import json
import shutil

import bpy
import numpy as np
import pytest


def features_in(project):
    return json.loads((project / "features.json").read_text())["features"]


def plane():
    return next(one for one in bpy.data.objects if one.get("tomoseg_kind") == "slice" and not one.hide_viewport)


def test_a_new_colour_is_kept_by_the_project(project):
    feature = bpy.context.scene.tomoseg.features["bar"]
    feature.colour = (1.0, 0.0, 0.5)
    assert features_in(project) == [{"name": "bar", "colour": "#ff0080"}]


def test_typing_a_slice_number_shows_that_slice_and_too_large_ones_the_last(project):
    item = bpy.context.scene.tomoseg.tomograms["cell"]
    item.slice_z = 6
    assert plane()["tomoseg_index"] == 6
    item.slice_z = 500
    assert item.slice_z == 8
    assert plane()["tomoseg_index"] == 8


def test_contrast_changes_what_is_shown(project):
    item = bpy.context.scene.tomoseg.tomograms["cell"]
    image = next(one for one in bpy.data.images if one.get("tomoseg_kind") == "slice image")
    item.low, item.high = -1e6, -1e5
    assert np.array(image.pixels[:]).min() == 1.0  # all voxels are above white
    item.invert = True
    assert np.array(image.pixels[:]).reshape(-1, 4)[:, :3].max() == 0.0
    bpy.ops.tomoseg.automatic_contrast()
    assert -10 < item.low < item.high < 10


def test_the_other_axes_are_shown_when_they_are_stepped(project):
    group = bpy.context.scene.tomoseg
    group.axis = "x"
    bpy.ops.tomoseg.slice_step(step=-3)
    planes = {one["tomoseg_axis"]: one for one in bpy.data.objects if one.get("tomoseg_kind") == "slice"}
    assert set(planes) == {"z", "x"}
    assert group.tomograms["cell"].slice_x == 28 - 3
    assert planes["x"].location.x == pytest.approx(25.5)


def test_each_tomogram_keeps_its_slice_and_contrast(project, tomogram_file):
    other = tomogram_file.with_name("other.mrc")
    shutil.copy(tomogram_file, other)
    bpy.ops.tomoseg.import_tomogram(filepath=str(other))
    group = bpy.context.scene.tomoseg
    group.tomograms["cell"].slice_z = 2
    bpy.ops.tomoseg.next_tomogram(step=1)
    assert group.shown == "other"
    group.tomograms["other"].slice_z = 7
    bpy.ops.tomoseg.next_tomogram(step=1)
    assert (group.shown, plane()["tomoseg_index"]) == ("cell", 2)
    group.tomogram_index = 1
    assert (group.shown, plane()["tomoseg_index"]) == ("other", 7)


def test_removing_a_feature_keeps_its_files(project):
    bpy.ops.tomoseg.add_box(location=(20, 8, 3), size=16)
    bpy.ops.tomoseg.remove_feature(feature="bar")
    assert features_in(project) == []
    assert len(json.loads((project / "boxes.json").read_text())["boxes"]) == 1


@pytest.mark.parametrize(("name", "words"), [("bar", "cannot be told apart"), ("a/b", "cannot be a feature's name")])
def test_a_name_that_makes_no_file_or_is_taken_is_refused(project, name, words):
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.tomoseg.add_feature(name=name)
    assert len(features_in(project)) == 1


def test_several_files_are_imported_at_once_and_shrunk(tomogram_file):
    folder = tomogram_file.parent
    shutil.copy(tomogram_file, folder / "second.mrc")
    bpy.ops.tomoseg.create_project(directory=str(folder / "project"))
    names = [{"name": "cell.mrc"}, {"name": "second.mrc"}]
    bpy.ops.tomoseg.import_tomogram(directory=str(folder), files=names, shrink=2)
    items = bpy.context.scene.tomoseg.tomograms
    assert len(items) == 2
    assert [tuple(item.shape) for item in items] == [(4, 20, 28)] * 2
    assert items[0].voxel_size == pytest.approx(20.0)


def test_a_map_of_another_bin_comes_to_the_size_of_the_tomogram(project, part, tmp_path):
    mrc, geometry = part("tomo.mrc"), part("tomo.geometry").Geometry((20.0, 20.0, 20.0), (120.0, -30.0, 50.0))
    small = np.zeros((4, 20, 28), np.float32)
    small[1:3, 2:6, 3:9] = 1
    mrc.write_mrc(tmp_path / "cell_bin2__bar.mrc", small, geometry)
    bpy.ops.tomoseg.resample(filepath=str(tmp_path / "cell_bin2__bar.mrc"))
    made = mrc.open_tomogram(project / "segmentations" / "cell__bar.mrc")
    assert made.shape == (9, 40, 56)
    z, y, x = np.indices(made.shape)[:, np.array(made.data) > 0.7].mean(axis=1)
    assert (z, y, x) == pytest.approx((3.5, 7.5, 11.5), abs=0.7)  # the middle of voxels 2-5, 4-11, 6-17


def test_a_denoised_variant_belongs_to_the_family_of_its_tomogram(project, tomogram_file):
    shutil.copy(tomogram_file, tomogram_file.with_name("smooth.mrc"))
    bpy.ops.tomoseg.import_tomogram(
        filepath=str(tomogram_file.with_name("smooth.mrc")), name="cell", variant="denoised", filter=False
    )
    entries = json.loads((project / "project.json").read_text())["tomograms"]
    assert len({entry["name"] for entry in entries}) == 2
    assert {entry["family"] for entry in entries} == {"cell"}
    assert [entry["variant"] for entry in entries] == ["raw", "denoised"]
    assert "low=0 high=0" in entries[1]["preprocessing"]
