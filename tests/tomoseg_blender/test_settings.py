"""Operators take their steps' options under the same names, and settings, preferences and network facts are read."""

import dataclasses
import importlib.util
import json
import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

from ml.cli import step_module

STEPS = {
    "import": "ImportSettings",
    "trainset": "TrainsetSettings",
    "train": "TrainSettings",
    "apply": "ApplySettings",
}


@pytest.mark.parametrize(("verb", "name"), STEPS.items())
def test_every_property_of_a_step_is_an_option_of_the_same_name_and_default(part, verb, name):
    settings = getattr(part("tomoseg_blender.settings"), name)
    options = {entry.name: entry for entry in dataclasses.fields(step_module(verb).Options)}
    for prop, declared in settings.__annotations__.items():
        assert prop in options, f"{verb} has no option {prop}"
        default, expected = declared.keywords.get("default"), options[prop].default
        if prop not in (
            "flips",
            "recipe",
            "network",
            "device",
        ):  # enumerations, whose values are checked at the request
            assert (default or None) == (expected or None), f"{verb}: {prop}"


def test_choices_kept_in_older_blend_files_stay_what_they_were(part):
    declared = part("tomoseg_blender.settings").ApplySettings.__annotations__
    numbers = {item[0]: item[-1] for name in ("flips", "numbers") for item in declared[name].keywords["items"]}
    assert numbers == {"1": 0, "8": 1, "0": 2, "4": 3, "float32": 0, "int8": 1, "auto": 2}
    assert declared["flips"].keywords["default"] == "0"


def test_surface_options_that_go_to_the_worker_are_options_of_its_step(part):
    wanted = part("tomoseg_blender.operators.results").WORKER_OPTIONS
    assert set(wanted) <= {entry.name for entry in dataclasses.fields(step_module("surface").Options)}


def test_the_interpreter_is_the_chosen_one_then_the_environments_then_a_sentence(part, monkeypatch, tmp_path):
    preferences = part("tomoseg_blender.preferences")
    chosen = tmp_path / "python"
    chosen.write_text("")
    assert preferences.find_python(str(chosen)) == (chosen, "from the preferences")
    monkeypatch.setenv("TOMOSEG_PYTHON", sys.executable)
    assert preferences.find_python("") == (Path(sys.executable), "from TOMOSEG_PYTHON")
    with pytest.raises(part("tomo.errors").TomosegError, match=r"gone .*does not exist: choose another interpreter"):
        preferences.find_python(str(tmp_path / "gone"))
    monkeypatch.delenv("TOMOSEG_PYTHON")
    if importlib.util.find_spec("torch") is not None:  # as where bpy comes from pip
        assert preferences.find_python("")[1] == "this process's own, which has torch"
    monkeypatch.setattr(preferences.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(part("tomo.errors").TomosegError, match="There is no Python with torch for the worker yet"):
        preferences.find_python("")


def test_checking_the_worker_names_packages_and_device():
    bpy.ops.tomoseg.check_worker()
    report = bpy.context.preferences.addons["bl_ext.user_default.tomoseg"].preferences.report
    assert report.startswith("The worker is complete and computes on ")
    assert "torch 2." in report


def test_a_package_that_the_worker_lacks_is_named(part):
    summary = part("tomoseg_blender.operators.status").summary
    lines = summary({"packages": {"torch": None, "numpy": "1.26"}, "python": "3.11.7", "executable": "py"})
    assert lines == ["The worker lacks torch: install them into its Python.", "Python 3.11.7: py", "numpy 1.26"]


def network_file(path: Path, **metadata) -> Path:
    header = json.dumps({"__metadata__": {name: json.dumps(value) for name, value in metadata.items()}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    return path


def test_threshold_and_learning_rate_are_read_from_a_network_without_torch(part, tmp_path):
    facts = part("tomoseg_blender.network_facts").network_facts
    path = network_file(tmp_path / "a.safetensors", threshold=0.65, history=[{"learning_rate": 0.002}])
    assert (facts(path).threshold, facts(path).learning_rate) == (0.65, 0.002)
    untrained = network_file(tmp_path / "b.safetensors", threshold=0.5, history=[])
    assert facts(untrained).learning_rate == 0.0


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, struct.pack("<Q", 4) + b"null", struct.pack("<Q", 2) + b"{}"])
def test_what_is_no_network_is_one_sentence(part, tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(part("tomo.errors").TomosegError, match=r"bad\.safetensors is no network of Tomoseg"):
        part("tomoseg_blender.network_facts").network_facts(path)


def test_a_damaged_network_in_the_project_is_said_in_the_panel(project):
    (project / "networks").mkdir()
    (project / "networks" / "bar.safetensors").write_bytes(b"nonsense")
    bpy.ops.tomoseg.reload_project()
    assert "bar.safetensors is no network" in bpy.context.scene.tomoseg.reasons.next_step


def test_pictures_are_read_anew_when_they_changed(part, tmp_path):
    pictures = part("tomoseg_blender.pictures")
    image = bpy.data.images.new("made", 5, 3)
    image.filepath_raw, image.file_format = str(tmp_path / "p.png"), "PNG"
    image.save()
    assert tuple(pictures.load(tmp_path / "p.png").size) == (5, 3)
    image.scale(7, 3)
    image.save()
    assert tuple(pictures.load(tmp_path / "p.png").size) == (7, 3)
    with pytest.raises(part("tomo.errors").TomosegError, match=r"no picture .*none\.png"):
        pictures.load(tmp_path / "none.png")


def test_this_blender_goes_by_its_own_names(part):
    compat = part("tomoseg_blender.compat")
    assert compat.eevee_engine() == ("BLENDER_EEVEE" if bpy.app.version >= (5, 0, 0) else "BLENDER_EEVEE_NEXT")
    assert compat.volume_shift() == (0.0 if bpy.app.version >= (5, 0, 0) else -0.5)


def test_the_label_brush_is_hard_and_has_the_size_and_colour_asked_for(part, project):
    compat = part("tomoseg_blender.compat")
    bpy.ops.tomoseg.paint_slice()
    brush = bpy.context.scene.tool_settings.image_paint.brush
    assert brush.name == compat.BRUSH_NAME
    assert (brush.strength, brush.use_paint_antialiasing, brush.use_pressure_strength) == (1.0, False, False)
    compat.set_brush_radius(brush, 12.4)
    assert brush.size == (25 if compat.AT_LEAST_5 else 12)  # from 5.0 on a diameter, so twice as exact
    colour = [float(part) for part in bpy.context.scene.tomoseg.features["bar"].colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]  # of sRGB
    assert tuple(brush.color) == pytest.approx(linear if compat.AT_LEAST_5 else colour, abs=2e-3)
    bpy.context.scene.tomoseg.erase = True
    assert brush.blend == "ERASE_ALPHA"


def test_the_preferences_say_which_python_is_in_use_or_what_to_do(part, monkeypatch, tmp_path):
    preferences, lines = part("tomoseg_blender.preferences"), []
    layout = SimpleNamespace(
        prop=lambda *_: None,
        operator=lambda *_, **__: None,
        label=lambda text="", icon="": lines.append((icon, text)),
    )
    owner = SimpleNamespace(layout=layout, worker_python="", report="The worker is complete.\nPython 3.11")
    preferences.TOMOSEG_AP_preferences.draw(owner, bpy.context)
    assert ("CHECKMARK", f"In use: {os.environ['TOMOSEG_PYTHON']} (from TOMOSEG_PYTHON)") in lines
    assert [text for _, text in lines[-2:]] == ["The worker is complete.", "Python 3.11"]
    assert "INFO" not in [icon for icon, _ in lines], "with a worker, what a set-up would need is no news"
    lines.clear()
    owner.worker_python = str(tmp_path / "gone")
    preferences.TOMOSEG_AP_preferences.draw(owner, bpy.context)
    assert lines[0][0] == "ERROR"
    said = " ".join(text for _, text in lines)
    assert "does not exist: choose another interpreter" in said and "Blender may not use the network" in said
