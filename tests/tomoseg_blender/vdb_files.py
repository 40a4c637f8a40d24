"""What a VDB file holds, for tests: its filled voxels, and where Blender places them."""

from pathlib import Path
from types import ModuleType

import bpy
import numpy as np


def filled_voxels(module: ModuleType, path: Path) -> list[tuple[tuple[float, float, float], float]]:
    """Centres (x, y, z) in the file's own units, and values, in the order of the centres.

    The place is asked of Blender: some builds' own module cannot take a place from Python.
    """
    data = bpy.data.volumes.new("asked for its place")
    data.filepath = str(path)
    assert data.grids.load(), data.grids.error_message
    matrix = np.array(data.grids["density"].matrix_object)
    bpy.data.volumes.remove(data)
    found = []
    for item in module.read(str(path), "density").citerOnValues():
        sides = (high - low + 1 for low, high in zip(item.min, item.max, strict=True))
        for offset in np.ndindex(*sides):
            x, y, z = (matrix @ (*np.add(offset, item.min), 1))[:3].tolist()
            found.append(((x, y, z), item.value))
    return sorted(found)
