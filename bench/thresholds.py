"""How soon a moved threshold is seen: the outline on a slice, and the coarse surface that a running worker makes."""

import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.latency import ask, start_worker
from tomo.geometry import Geometry
from tomo.mrc import MrcWriter

SIDE = 512
PREVIEW_SIDE = 144  # as the window asks for it: tomoseg_blender/thresholding.py
REPEATS = 5
AIMS = {"outline": 0.016, "surface": 2.0}  # seconds
OUTLINE = Path(__file__).resolve().parents[1] / "tomoseg_blender" / "scene" / "outline.py"


def rows(folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    """A row for the outline at 1024², and one for the coarse surface of a map, of 512³ voxels unless `quick`."""
    side = 96 if quick else SIDE
    path = write_map(folder / "bench__vesicle.mrc", side)
    return [_outline_row(), _surface_row(path, folder, side)]


def write_map(path: Path, side: int) -> Path:
    """A map of shells in noise, float16 [z, y, x]: one cube of at most 128³ repeated, strength 1 on them."""
    part = min(side, 128)
    z, y, x = np.ogrid[:part, :part, :part]
    cube = np.abs(np.random.default_rng(0).normal(0, 0.1, (part,) * 3))
    for centre, radius in (((40, 44, 50), 26), ((95, 90, 90), 18), ((100, 30, 28), 12)):
        at_z, at_y, at_x = (place * part / 128 for place in centre)
        away = np.sqrt((z - at_z) ** 2 + (y - at_y) ** 2 + (x - at_x) ** 2) - radius * part / 128
        cube = np.maximum(cube, np.exp(-((away / 3) ** 2)))
    with MrcWriter(path, (side,) * 3, np.float16, Geometry((10.0, 10.0, 10.0))) as writer:
        for z0 in range(0, side, part):
            count = side // part
            writer.write(z0, np.tile(cube.astype(np.float16), (1, count, count)))
    return path


def _outline_row() -> dict[str, Any]:
    """The median time for one outline of a slice of 1024² that crosses it some 20,000 times."""
    spec = importlib.util.spec_from_file_location("outline", OUTLINE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # by itself: its package needs a Blender
    y, x = np.mgrid[:1024, :1024].astype(np.float32)
    plane = np.sin(x / 15) * np.sin(y / 15) + np.float32(0.3) * np.sin(x / 61 + y / 37)
    taken, used = [], []
    for number in range(4 * REPEATS + 1):
        began, busy = time.perf_counter(), time.thread_time()
        count = len(module.outline(plane, 0.4 + 0.01 * number))
        taken.append(time.perf_counter() - began)
        used.append(time.thread_time() - busy)
    seconds, cpu = (round(sorted(one[1:])[2 * REPEATS], 4) for one in (taken, used))
    name = f"outline of a slice of 1024×1024, {count} segments"
    return {"name": name, "seconds": seconds, "cpu_seconds": cpu, "aims": _aim("outline")}


def _surface_row(path: Path, folder: Path, side: int) -> dict[str, Any]:
    """The median time from the request to the coarse surface's file, after a first one."""
    worker = start_worker()
    params = {"mask": str(path), "output": str(folder), "sample": max(1, -(-side // PREVIEW_SIDE))}
    params |= {"smoothing": 4, "triangles": 0}
    process = psutil.Process(worker.pid)
    taken, used = [], []
    for number in range(REPEATS + 1):
        before = sum(process.cpu_times()[:2])
        taken.append(ask(worker, number, "surface", {**params, "threshold": 0.5 + 0.05 * number}))
        used.append(sum(process.cpu_times()[:2]) - before)
    worker.communicate()
    row = {
        "name": f"coarse surface of a map of {side}³ voxels at a threshold",
        "seconds": round(sorted(taken[1:])[REPEATS // 2], 2),
        "cpu_seconds": round(sorted(used[1:])[REPEATS // 2], 2),
    }
    return {**row, "first_seconds": round(taken[0], 2), "aims": _aim("surface")}


def _aim(what: str) -> dict[str, float]:
    return {"seconds": AIMS[what]}
