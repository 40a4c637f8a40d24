"""The window tests as part of the whole: run where a Blender was named, reported as skipped elsewhere."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
BLENDER = os.environ.get("TOMOSEG_GUI_BLENDER", "")


@pytest.mark.skipif(not BLENDER, reason="needs a window: make test-gui BLENDER=..., or set TOMOSEG_GUI_BLENDER")
def test_annotation_in_a_real_window(tmp_path):
    done = subprocess.run(
        [sys.executable, RUN, "--blender", BLENDER, "--out", tmp_path], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_blender_the_window_tests_say_that_they_were_skipped(tmp_path):
    environment = {**os.environ, "TOMOSEG_SHARED": str(tmp_path)}
    words = [sys.executable, RUN, "--blender", str(tmp_path / "no-blender"), "--out", tmp_path / "out"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 77
    assert "skipped: there is no Blender here" in done.stdout


def test_a_stage_that_fails_is_repeated_once_from_the_state_before_it(tmp_path, monkeypatch, capsys):
    specification = importlib.util.spec_from_file_location("gui_run", RUN)
    run = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(run)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "boxes.json").write_text("before")
    seen, answers = [], [1, 0, 1, 1]

    def stage(*_arguments):
        seen.append((tmp_path / "project" / "boxes.json").read_text())
        (tmp_path / "project" / "boxes.json").write_text("changed by the stage")
        (tmp_path / "work.blend").write_text("made by the stage")
        return answers.pop(0)

    monkeypatch.setattr(run, "run_stage", stage)
    assert run.run_twice("blender", {}, Path("stage_1.py"), tmp_path, 1.0) == 0
    assert seen == ["before", "before"]
    assert "stage_1: passed when it was repeated" in capsys.readouterr().out
    assert run.run_twice("blender", {}, Path("stage_1.py"), tmp_path, 1.0) == 1
    assert "failed again" in capsys.readouterr().out
