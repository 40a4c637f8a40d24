"""Masks and maps from elsewhere, through the operators and the real worker: into the scene, named, placed, kept."""

import json
import shutil
from pathlib import Path

import bpy
import numpy as np
import pytest

PLACE, SIZE = np.array((1.2, -0.3, 0.5)), 0.1  # of the tomogram "cell" in Blender units: see conftest


def two_bars():
    """Label 1: the bar in one corner; label 4: a small block far from it. int8 [z, y, x]."""
    volume = np.zeros((9, 40, 56), np.int8)
    volume[1:6, 4:12, 6:50] = 1
    volume[2:5, 30:36, 40:46] = 4
    return volume


@pytest.fixture
def write(part, tmp_path):
    def to(name, volume, table=None):
        path = tmp_path / name
        part("tomo.mrc").write_mrc(path, volume, part("tomo.geometry").Geometry((10.0, 10.0, 10.0)))
        if table:
            entries = [{"value": value, "name": label, "colour": colour} for value, label, colour in table]
            path.with_suffix(".json").write_text(json.dumps({"schema": 1, "labels": entries}))
        return str(path)

    return to


TABLE = [(1, "er", "#112233"), (4, "golgi", "#445566")]


def surfaces():
    return {one["tomoseg_feature"]: one for one in bpy.data.objects if one.get("tomoseg_kind") == "surface"}


def extent(surface):
    bpy.context.view_layer.update()
    corners = np.array([surface.matrix_world @ vertex.co for vertex in surface.data.vertices])
    return (corners.min(0) - PLACE) / SIZE, (corners.max(0) - PLACE) / SIZE


def test_each_label_becomes_a_named_coloured_surface_at_its_place(project, write):
    bpy.ops.tomoseg.open_mask(filepath=write("cell__organelles.mrc", two_bars(), TABLE), smoothing=0, volumes=False)
    made = surfaces()
    assert set(made) == {"er", "golgi"}
    low, high = extent(made["golgi"])
    np.testing.assert_allclose(low, (40, 30, 2), atol=0.6)  # never mirrored, and not at the file's own origin 0
    np.testing.assert_allclose(high, (46, 36, 5), atol=0.6)
    labels = bpy.context.scene.tomoseg.masks.labels
    assert [(row.value, row.name) for row in labels] == [(1, "er"), (4, "golgi")]
    assert bpy.context.scene.tomoseg.tomograms["cell"].mask == "cell__organelles.mrc"
    assert made["er"].users_collection[0].name == "Surfaces"


def test_importing_again_keeps_material_name_and_visibility(project, write):
    path = write("cell__organelles.mrc", two_bars(), TABLE)
    bpy.ops.tomoseg.open_mask(filepath=path, smoothing=0, volumes=False)
    shown = surfaces()["er"]
    own = bpy.data.materials.new("Glass")
    shown.data.materials[0] = own
    shown.name = "Reticulum"
    shown.hide_render = True
    shown.hide_set(True)
    moved = np.roll(two_bars(), 2, axis=1)
    bpy.ops.tomoseg.open_mask(filepath=write("cell__organelles.mrc", moved, TABLE), smoothing=0, volumes=False)
    again = surfaces()["er"]
    assert (again.name, again.data.materials[0].name) == ("Reticulum", "Glass")
    assert again.hide_render and again.hide_get() and len(surfaces()) == 2
    assert extent(again)[0][1] == pytest.approx(6, abs=0.6)  # in place, but new


def test_a_label_that_is_gone_from_the_mask_is_gone_from_the_scene(project, write):
    bpy.ops.tomoseg.open_mask(filepath=write("cell__organelles.mrc", two_bars(), TABLE), volumes=False)
    bpy.ops.tomoseg.open_mask(filepath=write("cell__organelles.mrc", two_bars() % 4, TABLE), volumes=False)
    assert set(surfaces()) == {"er"}


def test_a_name_and_a_colour_changed_in_the_list_change_table_and_scene(project, write):
    bpy.ops.tomoseg.open_mask(filepath=write("cell__organelles.mrc", two_bars(), TABLE))
    bpy.ops.tomoseg.add_feature(name="tubules")
    rows = bpy.context.scene.tomoseg.masks.labels
    rows[0].name = "tubules"
    assert set(surfaces()) == {"tubules", "golgi"} and surfaces()["tubules"].name == "tubules"
    rows = bpy.context.scene.tomoseg.masks.labels
    rows[0].colour = (1.0, 0.0, 0.0)
    table = json.loads((project / "masks" / "cell__organelles.json").read_text())["labels"]
    assert [(entry["name"], entry["colour"]) for entry in table] == [("tubules", "#ff0000"), ("golgi", "#445566")]
    assert tuple(surfaces()["tubules"].data.materials[0].diffuse_color)[:3] == pytest.approx((1, 0, 0), abs=1e-3)
    assert json.loads((project / "features.json").read_text())["features"][1]["colour"] == "#ff0000"
    rows = bpy.context.scene.tomoseg.masks.labels
    rows[0].name = "golgi"  # taken
    assert "Another label of cell__organelles.mrc is called golgi" in bpy.context.scene.tomoseg.reasons.next_step
    assert bpy.context.scene.tomoseg.masks.labels[0].name == "tubules"


def test_undo_of_a_colour_reaches_the_table_too(project, write):
    bpy.ops.tomoseg.open_mask(filepath=write("cell__organelles.mrc", two_bars(), TABLE), volumes=False)
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.tomoseg.palette_colours()
    bpy.ops.ed.undo_push(message="after")
    path = project / "masks" / "cell__organelles.json"
    assert json.loads(path.read_text())["labels"][0]["colour"] == "#e69f00"
    bpy.ops.ed.undo()
    assert json.loads(path.read_text())["labels"][0]["colour"] == "#112233"


def test_a_map_becomes_a_feature_with_a_threshold_and_no_labels(project, write):
    strength = np.zeros((9, 40, 56), np.uint16)
    strength[1:6, 4:12, 6:50] = np.linspace(60, 250, 44).astype(np.uint16)
    bpy.ops.tomoseg.open_mask(filepath=write("cell__er.mrc", strength))
    feature = bpy.context.scene.tomoseg.features["er"]
    assert feature.level == pytest.approx(0.5) and feature.has_map
    low, high = extent(surfaces()["er"])
    assert low[0] == pytest.approx(6 + 44 * (127.5 - 60) / 190, abs=1.5) and high[0] == pytest.approx(50, abs=1)
    assert len(bpy.context.scene.tomoseg.masks.labels) == 0
    # Another threshold stays with the project, and the merge uses it.
    feature.level = 0.9
    bpy.context.scene.tomoseg.tomograms["cell"].mask = "cell__older.mrc"
    bpy.ops.tomoseg.merge()
    assert bpy.context.scene.tomoseg.masks.file == "cell__mask.mrc"  # the merged one counts now
    assert [row.name for row in bpy.context.scene.tomoseg.masks.labels] == ["er"]
    mask = np.array(__import__("mrcfile").read(project / "masks" / "cell__mask.mrc"))
    assert mask[2, 5, 48] == 1 and mask[2, 5, 40] == 0
    assert json.loads((project / "features.json").read_text())["features"][1]["threshold"] == pytest.approx(0.9)


def test_a_mask_goes_to_the_tomogram_that_its_name_tells(project, write, tomogram_file):
    other = tomogram_file.with_name("cell_2.mrc")
    shutil.copy(tomogram_file, other)
    bpy.ops.tomoseg.import_tomogram(filepath=str(other))
    bpy.ops.tomoseg.open_mask(filepath=write("cell__er.mrc", two_bars() % 4), volumes=False)
    assert (project / "masks" / "cell__er.mrc").is_file()
    assert surfaces()["er"].parent.name == "Tomogram cell"


def _gone(project, path):
    Path(path).unlink()


def _folder_gone(project, path):
    project.rename(project.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("volume", "before", "words"),
    [
        (two_bars()[:, :, 1:], None, "has 55 × 40 × 9 voxels and cell has 56 × 40 × 9"),
        (np.zeros((9, 40, 56), np.int8), None, "holds no label"),
        (-two_bars(), None, "holds negative values"),
        (np.arange(9 * 40 * 56, dtype=np.float32).reshape(9, 40, 56), None, "more than 1000 different labels"),
        (two_bars(), _gone, "There is no mask"),
        (two_bars(), _folder_gone, "project"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence_and_nothing_in_the_scene(project, write, volume, before, words):
    path = write("cell__odd.mrc", volume)
    if before is not None:
        before(project, path)
    objects, collections = set(bpy.data.objects.keys()), set(bpy.data.collections.keys())
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.tomoseg.open_mask(filepath=path)
    assert set(bpy.data.objects.keys()) == objects and set(bpy.data.collections.keys()) == collections
    assert len(bpy.context.scene.tomoseg.masks.labels) == 0


def test_fractions_where_labels_are_meant_are_refused(project, write):
    with pytest.raises(RuntimeError, match="holds fractions, so it is a map"):
        bpy.ops.tomoseg.open_mask(filepath=write("cell__odd.mrc", two_bars() * np.float32(0.5)), kind="labels")


def test_a_damaged_surface_file_leaves_the_scene_as_it_was(project, part, tmp_path):
    results = part("tomoseg_blender.operators.results")
    good = tmp_path / "good.ply"
    bad = tmp_path / "bad.ply"
    bad.write_bytes(b"ply\nno\nend_header\n")
    shutil.copy(bad, good)
    made = [
        {"path": str(path), "name": path.stem, "feature": path.stem, "value": 1, "component": None, "colour": "#112233"}
        for path in (good, bad)
    ]
    with pytest.raises(part("tomo.errors").TomosegError, match="is damaged or no binary PLY"):
        results.add_surfaces(bpy.context.scene, "cell", made, "cell__mask.mrc", "1-1")
    assert surfaces() == {}
