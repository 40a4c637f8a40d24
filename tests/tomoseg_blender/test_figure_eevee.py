"""EEVEE draws the same figure: hues, greys as written, and a shadow on the slice away from the key light."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import mrcfile
import pytest

from tests.tomoseg_blender.figures import COLOURS, hue, hue_of

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS = 600


@pytest.fixture(scope="module")
def seen():
    """The colours that the child saw, by preset and place; skips where there is no OpenGL."""
    if bpy.app.binary_path:
        pytest.skip("The child imports bpy as a module, which this Blender is not.")
    words = [sys.executable, "-m", "tests.tomoseg_blender.eevee_figure"]
    path = {"PYTHONPATH": str(Path(mrcfile.__file__).parents[1])}  # another Blender's Python has it elsewhere
    done = subprocess.run(
        words, cwd=ROOT, env=os.environ | path, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    if done.returncode < 0:
        pytest.skip("EEVEE needs OpenGL, which this machine has not.")
    told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert done.returncode == 0 and told, (done.stdout + done.stderr)[-2000:]
    return json.loads(told[0].removeprefix("RESULT "))


@pytest.mark.parametrize("preset", ["overview", "cut_open"])
def test_eevee_shows_labels_in_their_hues_and_shadows_on_exact_greys(seen, preset):
    found = seen[preset]
    for name, colour in COLOURS.items():
        assert hue(found[name]) == pytest.approx(hue_of(colour), abs=0.02), name
    assert found["far"] == pytest.approx([0.75] * 3, abs=0.02)
    assert found["lit"] == pytest.approx([0.75] * 3, abs=0.02)
    assert found["shaded"][0] < 0.65
