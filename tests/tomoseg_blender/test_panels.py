"""Panels: what they draw exists, in the protocol's order, and drawing opens no file and changes nothing."""

import builtins
import io
import pathlib
from types import SimpleNamespace

import bpy
import pytest


class Layout:
    """Stands in for Blender's layout and refuses what Blender would: unknown properties, operators and lists."""

    def __init__(self, drawn=None):
        self.drawn = [] if drawn is None else drawn

    def _inner(self, **_settings):
        return Layout(self.drawn)

    row = column = box = split = grid_flow = _inner

    def label(self, text="", icon="NONE"):
        self.drawn.append(("label", text))

    def separator(self, **_settings):
        self.drawn.append(("separator", ""))

    def prop(self, data, name, **_settings):
        assert name in data.bl_rna.properties, f"{data} has no {name}"
        self.drawn.append(("prop", name))

    def operator(self, name, **_settings):
        group, _, short = name.partition(".")
        assert short in dir(getattr(bpy.ops, group)), f"there is no operator {name}"
        known = getattr(getattr(bpy.ops, group), short).get_rna_type().properties.keys()
        self.drawn.append(("operator", name))
        return Settings(name, known)

    def prop_search(self, data, name, source, items, **_settings):
        assert name in data.bl_rna.properties and items in source.bl_rna.properties
        self.drawn.append(("prop", name))

    def template_list(self, kind, _name, data, items, index_data, index, **_settings):
        assert hasattr(bpy.types, kind)
        assert items in data.bl_rna.properties and index in index_data.bl_rna.properties
        self.drawn.append(("list", items))

    def menu(self, name, **_settings):
        assert issubclass(getattr(bpy.types, name), bpy.types.Menu)
        self.drawn.append(("menu", name))

    def progress(self, factor, type, text):
        assert 0 <= factor <= 1
        self.drawn.append(("progress", text))


class Settings:
    """An operator's properties in a layout: only those that it has can be set."""

    def __init__(self, name, known):
        object.__setattr__(self, "_known", (name, set(known)))

    def __setattr__(self, name, value):
        assert name in self._known[1], f"{self._known[0]} has no {name}"


def panels():
    found = [getattr(bpy.types, name) for name in dir(bpy.types) if name.startswith("TOMOSEG_PT_")]
    return [panel for panel in found if panel.bl_space_type == "VIEW_3D"]


def draw(panel):
    layout = Layout()
    context = SimpleNamespace(
        scene=bpy.context.scene,
        region=SimpleNamespace(width=280),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),  # 0 in background
        mode=bpy.context.mode,
        active_object=bpy.context.active_object,
        window_manager=bpy.context.window_manager,
    )
    panel.draw(SimpleNamespace(layout=layout), context)
    return layout.drawn


def draw_all():
    return {panel.bl_idname: draw(panel) for panel in panels()}


@pytest.fixture
def no_files(monkeypatch):
    """Opening any file fails the test."""

    def refuse(*arguments, **_settings):
        raise AssertionError(f"a panel opened {arguments[0]}")

    def activate():
        monkeypatch.setattr(builtins, "open", refuse)
        monkeypatch.setattr(io, "open", refuse)
        monkeypatch.setattr(pathlib.Path, "open", refuse)
        monkeypatch.setattr(pathlib.Path, "iterdir", refuse)
        monkeypatch.setattr(pathlib.Path, "is_file", refuse)

    return activate


def test_without_a_project_every_panel_draws_and_offers_to_make_one(no_files):
    no_files()
    drawn = draw_all()
    assert ("operator", "tomoseg.create_project") in drawn["TOMOSEG_PT_project"]
    assert ("label", "Open or create a project folder") in drawn["TOMOSEG_PT_status"]


def test_with_a_project_every_panel_draws_without_opening_a_file(project, no_files):
    bpy.ops.tomoseg.add_box(location=(20, 8, 3), size=16)
    no_files()
    drawn = draw_all()
    assert ("label", "bar: 1 positive of about 10") in drawn["TOMOSEG_PT_boxes"]
    assert ("prop", "slice_z") in drawn["TOMOSEG_PT_view"]
    assert ("label", "56 × 40 × 9 voxels, 10.00 Å") in drawn["TOMOSEG_PT_view"]
    assert ("operator", "tomoseg.paint_slice") in drawn["TOMOSEG_PT_paint"]


def test_a_step_that_cannot_run_yet_says_why_above_its_buttons(project, part):
    def told(panel):
        return " ".join(text for kind, text in draw(panel) if kind == "label")

    for name, reason in (
        ("trainset", "Place at least one positive box on bar first"),
        ("train", "Place at least one positive box on bar first"),
        ("apply", "Place at least one positive box on bar first"),
        ("merge", "Apply the network of a feature to"),
        ("results", "Apply the network of a feature to"),
        ("figure", "Apply the network of a feature to"),
    ):
        assert reason in told(getattr(bpy.types, f"TOMOSEG_PT_{name}")), name
    with part("tomoseg_blender.state").muted():
        bpy.context.scene.tomoseg.masks.file = "imported.mrc"
    assert "Apply the network" not in told(bpy.types.TOMOSEG_PT_results), "an imported mask is enough"


def test_the_panels_come_in_the_protocols_order(part):
    order = [module.__name__.rpartition(".")[2] for module in part("tomoseg_blender.panels")._PARTS]
    steps = ["status", "project", "import_tomogram", "view", "boxes", "paint", "build_trainset", "train", "apply"]
    steps += ["merge", "results", "measure", "figure"]
    assert [name for name in order if name in steps] == steps


def test_a_running_job_shows_its_progress_and_how_to_cancel_it(part):
    handle, jobs = part("tomoseg_blender.worker").HANDLE, part("tomoseg_blender.jobs")
    handle.job = jobs.Job("train", "Training bar", "Scene", None, lambda *_: "", fraction=0.4, seconds_left=130)
    handle.job.message, handle.job.log = "Training bar", ["Iteration 3 of 30: loss 0.2"]
    try:
        drawn = draw_all()
    finally:
        handle.job = None
    for panel in ("TOMOSEG_PT_status", "TOMOSEG_PT_train"):
        assert ("progress", "40 %, 2 min left") in drawn[panel]
        assert ("operator", "tomoseg.cancel_job") in drawn[panel]
    assert ("progress", "40 %, 2 min left") not in drawn["TOMOSEG_PT_apply"]
    assert any("Iteration 3" in text for _, text in drawn["TOMOSEG_PT_status"])


def test_how_a_step_ended_stands_in_its_own_panel(part):
    handle, jobs = part("tomoseg_blender.worker").HANDLE, part("tomoseg_blender.jobs")
    handle.outcome = jobs.Outcome("apply", "Applying bar", True, "The disk is full.", ("note one",))
    try:
        drawn = draw_all()
    finally:
        handle.outcome = None
    assert ("label", "The disk is full.") in drawn["TOMOSEG_PT_apply"]
    assert ("label", "note one") in drawn["TOMOSEG_PT_status"]
    assert ("label", "The disk is full.") not in drawn["TOMOSEG_PT_merge"]


def test_the_measured_table_shows_nm_or_voxels(part, project):
    fill = part("tomoseg_blender.operators.measure").fill_table
    label = {"name": "bar", "components": 3, "voxels": 1234, "volume_nm3": 93956.4, "area_nm2": 12.345}
    result = {"mask": "x/cell__mask.mrc", "csv": ""}
    fill(bpy.context.scene, {**result, "labels": [label]}, "cell")
    drawn = [text for kind, text in draw(bpy.types.TOMOSEG_PT_measure) if kind == "label"]
    assert drawn[-4:] == ["bar", "3", "93956", "12.3"]
    fill(bpy.context.scene, {**result, "labels": [{**label, "volume_nm3": None, "area_nm2": None}]}, "cell")
    drawn = [text for kind, text in draw(bpy.types.TOMOSEG_PT_measure) if kind == "label"]
    assert drawn[-3:] == ["bar", "3", "1234"]


def test_the_menu_draws_every_step(part):
    layout = Layout()
    menus = part("tomoseg_blender.menus")
    menus.TOMOSEG_MT_main.draw(SimpleNamespace(layout=layout), bpy.context)
    below = [name for kind, name in layout.drawn if kind == "menu"]
    assert len(below) == len(menus._STEPS)
    for name in below:
        menu = getattr(bpy.types, name)
        menu.draw(SimpleNamespace(layout=layout, names=menu.names), bpy.context)
    assert ("operator", "tomoseg.train") in layout.drawn and ("operator", "tomoseg.workspace") in layout.drawn
