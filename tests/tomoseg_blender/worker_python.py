"""What a test needs of the worker's modules, in the worker's own Python: Blender's has no torch."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def worker_python(*words: str) -> str:
    """What that Python prints for these words; its failure is the test's."""
    command = [os.environ["TOMOSEG_PYTHON"], *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
