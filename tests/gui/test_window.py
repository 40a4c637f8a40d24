"""The window tests as part of the whole: run where a Blender was named, reported as skipped elsewhere."""

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
