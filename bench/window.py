"""Slice steps, clicks and strokes in a real Blender window, as the window tests measure them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

RUN = Path(__file__).resolve().parents[1] / "tests" / "gui" / "run.py"
SKIPPED = 77


def rows(folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    """One row for each timing and each Blender found (in PATH, or set up by blender-gui); quick changes nothing."""
    del quick
    command = [sys.executable, str(RUN), "--out", str(folder), "stage_4_timing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == SKIPPED:
        return [{"name": "in a Blender window: skipped, there is none here"}]
    if done.returncode:
        raise RuntimeError(f"The window could not be timed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return [row for path in sorted(folder.rglob("window_timing.json")) for row in _rows_of(path)]


def _rows_of(path: Path) -> list[dict[str, Any]]:
    report = json.loads(path.read_text(encoding="utf-8"))
    blender = report["machine"]["blender"].split()[0]
    return [_row(blender, row) for row in report["rows"]]


def _row(blender: str, row: dict[str, Any]) -> dict[str, Any]:
    aims = {} if row["aim_ms"] is None else {"seconds": row["aim_ms"] / 1000}
    return {
        "name": f"{blender}: {row['name']}",
        "seconds": round(row["median_ms"] / 1000, 4),
        "best_seconds": round(row["best_ms"] / 1000, 4),
        "aims": aims,
    }
