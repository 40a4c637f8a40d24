"""One threshold with one meaning: the outline, the surface and the merge use the feature's own."""

import json

import bpy
import mrcfile
import numpy as np
import pytest


def ring(radius, size=41):
    """A plane that falls off from 2 in the middle, 1 at `radius`; float32 [y, x]."""
    y, x = np.mgrid[:size, :size]
    return (2 - np.hypot(y - 20, x - 20) / radius).astype(np.float32)


@pytest.fixture
def outline(part):
    return part("tomoseg_blender.scene.outline").outline


def test_the_outline_runs_between_voxels_where_the_map_crosses(outline):
    segments = outline(ring(10), 1.0)
    away = np.hypot(*(segments.reshape(-1, 2) - 20.5).T)  # centres of voxels lie at + 0.5
    assert len(segments) > 40 and np.abs(away - 10).max() < 0.1
    wider = np.hypot(*(outline(ring(10), 0.5).reshape(-1, 2) - 20.5).T)
    assert np.abs(wider - 15).max() < 0.1


def test_the_outline_is_closed_and_never_mirrored(outline):
    plane = np.zeros((7, 11), np.float32)
    plane[1:3, 6:10] = 2  # in one corner
    segments = outline(plane, 1.0)
    assert segments.reshape(-1, 2).min(0) == pytest.approx((6, 1)) and segments.reshape(-1, 2).max(0) == pytest.approx(
        (10, 3)
    )
    ends, counts = np.unique(segments.reshape(-1, 2).round(4), axis=0, return_counts=True)
    assert len(ends) and set(counts) == {2}


@pytest.mark.parametrize("case", range(16))
def test_each_cell_is_divided_as_its_corners_say(outline, case):
    plane = np.zeros((2, 2), np.float32)
    for corner, (y, x) in enumerate(((0, 0), (0, 1), (1, 1), (1, 0))):
        plane[y, x] = float(case >> corner & 1)
    changes = sum(plane.ravel()[a] != plane.ravel()[b] for a, b in ((0, 1), (1, 3), (3, 2), (2, 0)))
    segments = outline(plane, 0.5)
    assert len(segments) == changes / 2  # an end on each side of the cell that is crossed
    assert len(np.unique(segments.reshape(-1, 2), axis=0)) == changes


@pytest.fixture
def maps(project, part):
    """Maps of "bar" and "rod" that fall off along x; the project's folder."""
    bpy.ops.tomoseg.add_feature(name="rod")
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    falling = np.broadcast_to(np.linspace(1.1, 0, 56, dtype=np.float32), (9, 40, 56)).copy()
    falling[:, :20] = 0
    rising = np.zeros((9, 40, 56), np.float32)
    rising[:, :20] = np.linspace(0, 1.1, 56)
    for name, strength in (("bar", falling), ("rod", rising)):
        part("tomo.mrc").write_mrc(project / "segmentations" / f"cell__{name}.mrc", strength, geometry)
    bpy.ops.tomoseg.reload_project()
    return project


def test_the_merge_takes_each_features_own_threshold(maps):
    features = bpy.context.scene.tomoseg.features
    features["bar"].level, features["rod"].level = 0.31, 1.0
    bpy.ops.tomoseg.merge()
    mask = np.array(mrcfile.read(maps / "masks" / "cell__mask.mrc"))
    assert [int((mask == value)[2].sum(1).max()) for value in (1, 2)] == [40, 5]  # 1.1 / 55 = 0.02 a voxel
    saved = {
        entry["name"]: entry.get("threshold") for entry in json.loads((maps / "features.json").read_text())["features"]
    }
    assert saved == {"bar": pytest.approx(0.31), "rod": pytest.approx(1.0)}
    bpy.ops.tomoseg.merge(threshold=0.5)  # one for all, where a script asks for that
    assert (np.array(mrcfile.read(maps / "masks" / "cell__mask.mrc")) == 2)[2].sum(1).max() == 30


def test_undo_of_a_threshold_reaches_the_project(maps):
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.tomoseg.features["bar"].level = 0.3
    bpy.ops.ed.undo_push(message="after")
    assert '"threshold": 0.3' in (maps / "features.json").read_text()
    bpy.ops.ed.undo()
    assert bpy.context.scene.tomoseg.features["bar"].level == pytest.approx(0.8)
    assert "threshold" not in (maps / "features.json").read_text()


def test_the_surface_lies_where_the_map_crosses_the_threshold(maps):
    for level in (0.3, 0.7):
        bpy.context.scene.tomoseg.features["bar"].level = level
        bpy.ops.tomoseg.outline_map(feature="bar")
        surface = next(one for one in bpy.data.objects if one.get("tomoseg_feature") == "bar" and one.type == "MESH")
        reach = max(vertex.co.x for vertex in surface.data.vertices)
        assert reach == pytest.approx(55 * (1.1 - level) / 1.1 + 0.5, abs=0.7)


def test_the_outlines_are_those_of_the_shown_slice_at_the_level(maps, part):
    outlining = part("tomoseg_blender.outlining")
    scene = bpy.context.scene
    scene.tomoseg.features["bar"].level = 0.5
    found = dict(outlining.outlines(scene))
    assert set(found) == {"bar", "rod"}
    assert found["bar"][..., 0].max() == pytest.approx(55 * 0.6 / 1.1 + 0.5, abs=0.05)
    assert found["bar"][..., 1].min() == pytest.approx(20, abs=0.5) and found["rod"][..., 1].max() == pytest.approx(
        20, abs=0.5
    )
    scene.tomoseg.masks.outlines = False
    assert outlining.outlines(scene) == []


def test_a_map_of_another_size_or_a_damaged_one_is_not_outlined(maps, part):
    outlining = part("tomoseg_blender.outlining")
    (maps / "segmentations" / "cell__bar.mrc").write_bytes(b"nothing")
    geometry = part("tomo.geometry").Geometry((20.0, 20.0, 20.0))
    part("tomo.mrc").write_mrc(maps / "segmentations" / "cell__rod.mrc", np.ones((4, 20, 28), np.float32), geometry)
    assert outlining.outlines(bpy.context.scene) == []


def test_a_threshold_that_was_trained_is_taken_by_its_button_only(maps):
    with pytest.raises(RuntimeError, match="bar was not trained here"):
        bpy.ops.tomoseg.use_trained_threshold(feature="bar")
    with pytest.raises(RuntimeError, match="There is no map of disc in cell"):
        bpy.ops.tomoseg.add_feature(name="disc")
        bpy.ops.tomoseg.outline_map(feature="disc")


def test_a_map_nowhere_above_the_threshold_is_told(maps):
    bpy.context.scene.tomoseg.features["bar"].level = 3
    with pytest.raises(RuntimeError, match="is nowhere above 3"):
        bpy.ops.tomoseg.outline_map(feature="bar")
