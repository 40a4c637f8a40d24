"""Without a window: each operator that makes results finishes, and every other one finishes or says one sentence."""

import json

import bpy
import numpy as np
import pytest

SHAPE = (9, 40, 56)
SMALL = {"width": 96, "height": 64, "samples": 1}
FILM = {**SMALL, "seconds": 0.2, "rate": 10}
# Above the second bar's upper side, in Blender units; see `finished`.
ABOVE = {"origin": (1.2 + 0.1 * 43, -0.3 + 0.1 * 33, 50.0), "direction": (0, 0, -1)}
# In this order, each on what those before it left; all of them must finish.
MAKES = (
    ("outline_map", {"feature": "bar"}),
    ("merge", {"threshold": 0.5}),
    ("import_mask", {"smoothing": 0}),
    ("import_surfaces", {"smoothing": 0}),
    ("import_volumes", {}),
    ("import_density", {}),
    ("import_maps", {}),
    ("measure", {}),
    ("export_star", {}),
    ("show_part", {"index": 1}),
    ("add_label", {"name": "other"}),
    ("pick_component", ABOVE),
    ("relabel_component", {"label": "other"}),
    ("pick_component", ABOVE),
    ("delete_component", {}),
    ("discard_corrections", {}),
    ("pick_component", ABOVE),
    ("component_to_boxes", {"slices": 1}),
    ("save_mask", {"smoothing": 0}),
    ("palette_colours", {}),
    ("label_from_mask", {"slices": "shown", "label": "bar", "inside_boxes": False}),
    ("figure", SMALL),
    ("figure", {**SMALL, "preset": "cut_open", "slice_axis": "z", "background": "dark"}),
    ("figure", {**SMALL, "preset": "single", "features": "bar", "transparent": True}),
    ("add_view", {"middle": (4.0, 2.0, 0.5), "width": 8.0}),
    ("add_view", {"middle": (4.0, 2.0, 0.5), "turn": (0.9, 0.3, 0.1, 0.1), "width": 4.0}),
    ("move_view", {"index": 0, "direction": "down"}),
    ("go_to_view", {"index": 0}),
    ("film", {**FILM, "kind": "turntable"}),
    ("film", {**FILM, "kind": "slices"}),
    ("film", {**FILM, "kind": "views"}),
    ("remove_view", {"index": 0}),
)
# Not tried: these change Python environments, take a network or the whole file away.
LEFT_OUT = {"install_worker", "repair_worker", "remove_worker"}
QUICK = {
    "train": {"iterations": 1, "batch_size": 2},
    "continue_training": {"iterations": 1, "batch_size": 2},
    "figure": SMALL,
    "film": FILM,
    "live": {},
}


@pytest.fixture
def finished(project, part):
    """The project with a map of its feature: two bars, the second a small one in a corner."""
    strength = np.zeros(SHAPE, np.float32)
    strength[1:6, 4:16, 6:50] = 1
    strength[2:5, 30:36, 40:46] = 1
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    part("tomo.mrc").write_mrc(project / "segmentations" / "cell__bar.mrc", strength, geometry)
    bpy.ops.tomoseg.reload_project()
    bpy.context.scene.tomoseg.box_size = 10
    return project


@pytest.mark.usefixtures("openvdb")
def test_every_step_from_the_map_to_the_film_finishes(finished):
    for name, given in MAKES:
        bpy.context.view_layer.update()
        assert getattr(bpy.ops.tomoseg, name)(**given) == {"FINISHED"}, name
    made = {
        "masks": ("cell__mask.mrc", "cell__mask_v2.mrc", "cell__mask.csv", "cell__mask.star"),
        "surfaces": ("cell__bar.ply",),
        "volumes": ("cell__bar.vdb", "cell__bar_map.vdb", "cell__tomogram_density.vdb"),
        "figures": ("cell.png", "cell_turntable.mp4", "cell_slices.mp4", "cell_views.mp4"),
    }
    missing = [name for folder, names in made.items() for name in names if not (finished / folder / name).is_file()]
    assert not missing, missing
    boxes = json.loads((finished / "boxes.json").read_text())["boxes"]
    assert [box["kind"] for box in boxes] == ["negative"]


def test_every_operator_finishes_or_says_one_sentence(finished):
    bpy.ops.tomoseg.merge(threshold=0.5)
    odd = {}
    for name in sorted(set(dir(bpy.ops.tomoseg)) - LEFT_OUT):
        bpy.context.view_layer.update()
        try:
            ended = getattr(bpy.ops.tomoseg, name)(**QUICK.get(name, {}))
        except RuntimeError as error:
            told = str(error).strip()
            if "\n" in told or "context is incorrect" in told or len(told) < 20:
                odd[name] = told
            continue
        if ended not in ({"FINISHED"}, {"CANCELLED"}, {"PASS_THROUGH"}):  # the last: there is no mouse
            odd[name] = ended
    assert not odd, odd
