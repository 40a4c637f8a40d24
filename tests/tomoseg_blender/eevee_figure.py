"""Run in a Python of its own by test_figure_eevee: a figure by EEVEE, and the colours at places of it as JSON.

Where there is no OpenGL at all, Blender takes the whole process down.
"""

import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

from demo import blender
from tests.tomoseg_blender import figures

GREY = 0.75


def main(folder: Path) -> None:
    """Render it into `folder`, and print one line: RESULT and the colours, (r, g, b) each."""
    blender.start(folder / "resources")
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (0.0, 200.0, 0.0))
    cell = part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", figures.SHAPE, geometry)
    standing = {**figures.PLACES, "membrane": ((2, 2, 0.6), (14, 10, 11))}  # one of them on the slice
    for name, (low, high) in standing.items():
        show = part("tomoseg_blender.scene.meshes").show_surface
        show(*figures.block(low, high), cell, name, figures.COLOURS[name])
    part("tomoseg_blender.scene.slices").show_slice(cell, "z", 0, np.full(figures.SHAPE, GREY, np.float32), 0.0, 1.0)
    found = {}
    for preset in ("overview", "cut_open"):
        view = {"engine": "eevee", "slice_axis": "z", "azimuth": 0.0, "cut_position": 0.9, "preset": preset}
        built, pixels = figures.render(part("tomoseg_blender.scene.figure"), cell, folder, 8, **view)
        spots = {"membrane": (8, 6, 10.8), "microtubule": (48, 8, 10), "carbon": (12, 31, 9)}
        spots |= {"lit": (0.6, 6, 0.5), "shaded": (15.4, 6, 0.5), "far": (50, 36, 0.5)}
        found[preset] = {name: figures.at(built, pixels, spot)[:3].tolist() for name, spot in spots.items()}
    print("RESULT", json.dumps(found), flush=True)
    blender.stop()


def part(name: str) -> ModuleType:
    """The extension's own copy of a module."""
    return import_module(f"{blender.PACKAGE}.{name}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(Path(folder))
    sys.stdout.flush()
