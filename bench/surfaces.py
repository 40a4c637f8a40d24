"""Surfaces and measures of 1024×1024×512 voxels with 4 labels, in processes of their own, start-up included."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.process import Measured, tomoseg
from tomo.geometry import Geometry
from tomo.label_table import LabelEntry, label_table_path, save_label_table
from tomo.mrc import MrcWriter

SHAPE = (512, 1024, 1024)
FEATURES = ("membrane", "microtubule", "ribosome", "carbon")
DEPTH = 32
AIMS = {"seconds": 60.0, "peak_memory_mb": 2000.0}
MEMORY_AIM = {"peak_memory_mb": 2000.0}


def rows(shape: tuple[int, int, int] = SHAPE) -> list[dict[str, Any]]:
    """One row each for `tomoseg surface` and `tomoseg measure` on a simulated mask, file to file, start-up included."""
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "bench__mask.mrc"
        filled = write_mask(mask, shape)
        what = f"{shape[2]}×{shape[1]}×{shape[0]}, 4 labels, {100 * filled:.1f} % filled"
        outlined = tomoseg("surface", mask, "--output", folder, "--json")
        counted = tomoseg("measure", mask, "--csv", Path(folder) / "table.csv", "--json")
        return [_row(f"surface, {what}", outlined, AIMS), _row(f"measure, {what}", counted, MEMORY_AIM)]


def write_mask(path: Path, shape: tuple[int, int, int], seed: int = 0) -> float:
    """Vesicles, tubes, ribosomes and a carbon edge, as a mask with its label table; the share that is filled."""
    random = np.random.default_rng(seed)
    scale = shape[2] / 1024
    spheres = _spheres(random, shape, scale)
    tubes = [(random.uniform(0, shape[0]), random.uniform(0, shape[1]), random.uniform(-0.3, 0.3)) for _ in range(25)]
    filled = 0
    with MrcWriter(path, shape, np.int8, Geometry((10.0, 10.0, 10.0))) as writer:
        for z0 in range(0, shape[0], DEPTH):
            slab = np.zeros((min(DEPTH, shape[0] - z0), *shape[1:]), np.int8)
            for centre, outer, inner, value in spheres:
                _draw_sphere(slab, z0, centre, outer, inner, value)
            for z, y, slope in tubes:
                _draw_tube(slab, z0, z, y, slope, scale)
            slab[:, :, : int(60 * scale)] = 4
            filled += np.count_nonzero(slab)
            writer.write(z0, slab)
    table = [LabelEntry(i, name, "#e69f00") for i, name in enumerate(FEATURES, 1)]
    save_label_table(label_table_path(path), table)
    return float(filled) / float(np.prod(shape))


def _spheres(
    random: np.random.Generator, shape: tuple[int, int, int], scale: float
) -> list[tuple[np.ndarray[Any, Any], float, float, int]]:
    """(centre, outer radius, inner radius, label) of 60 vesicles and 800 ribosomes."""
    found = []
    for _ in range(60):
        radius = random.uniform(30, 110) * scale
        found.append((random.uniform(0, shape), radius, radius - 6 * scale, 1))
    for _ in range(800):
        found.append((random.uniform(0, shape), 13 * scale, 0.0, 3))
    return found


def _draw_sphere(
    slab: np.ndarray[Any, Any], z0: int, centre: np.ndarray[Any, Any], outer: float, inner: float, value: int
) -> None:
    low = np.maximum(np.floor(centre - outer).astype(int) - [z0, 0, 0], 0)
    high = np.minimum(np.ceil(centre + outer).astype(int) + 1 - [z0, 0, 0], slab.shape)
    if (low >= high).any():
        return
    part = slab[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    z, y, x = np.ogrid[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    square = (z + z0 - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
    part[(square < outer**2) & (square >= inner**2)] = value


def _draw_tube(slab: np.ndarray[Any, Any], z0: int, z: float, y: float, slope: float, scale: float) -> None:
    """A hollow tube through the whole width along x, rising in y by `slope`."""
    outer, inner = 12 * scale, 8 * scale
    low, high = max(0, int(z - outer) - z0), min(len(slab), int(z + outer) + 2 - z0)
    if low >= high:
        return
    x = np.arange(slab.shape[2])
    middle = y + slope * x
    zz, yy = np.ogrid[low:high, : slab.shape[1]]
    for column in range(slab.shape[2]):
        square = (zz + z0 - z) ** 2 + (yy - middle[column]) ** 2
        part = slab[low:high, :, column]
        part[(square < outer**2) & (square >= inner**2)] = 2


def _row(name: str, taken: Measured, aims: dict[str, float]) -> dict[str, Any]:
    surfaces = taken.result.get("surfaces", [])
    return {
        "name": name,
        "seconds": round(taken.seconds, 1),
        "cpu_seconds": round(taken.cpu_seconds, 1),
        "peak_memory_mb": round(taken.peak_memory_mb),
        "triangles": sum(entry["triangles"] for entry in surfaces) or None,
        "aims": aims,
    }
