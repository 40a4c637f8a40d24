"""Writing VDB volumes: one file per label or map, sparse, slab by slab, placed in Å.

Grid axes are (x, y, z), the centre of voxel i at place + (i + 0.5) × voxel size: Blender's shift of half a voxel, which
depends on its version, is made up for on the object (scene/volumes.py), so that files mean the same everywhere.
Files of one mask number their voxels from different starts (their transforms make up for it): VDB stores blocks of
8 voxels, and where blocks of two volumes share faces, Cycles leaves holes in both.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...tomo.errors import TomosegError
from ...tomo.files import replacing
from ...tomo.geometry import Geometry
from .. import compat
from .units import file_voxel_size

GRID = "density"  # the name that volume shaders look for
MAX_VOXELS = 10**9  # more than this and a viewport crawls: the volume is binned
_SLAB_VOXELS = 2**22  # copied in about 50 ms
COPYING = 0.7  # of the whole time; writing takes the rest
_BLOCK = 8
Convert = Callable[[NDArray[Any]], NDArray[np.float32]]


@dataclass(frozen=True)
class VolumeFile:
    """One file to write: its path, the feature it shows, and voxel values to densities (0 stays empty)."""

    path: Path
    feature: str
    convert: Convert


def write_label_vdb(
    mask: NDArray[Any], files: Mapping[int, tuple[str, Path]], geometry: Geometry, half: bool = True
) -> int:
    """Write each label of a mask [z, y, x] to its own VDB: {value: (feature, path)}; returns the binning used.

    Density is 1 on the label, after binning the part of the voxel that the label fills. The mask is read once, slab
    by slab; memory grows with the labelled part only. Raises TomosegError where Blender has no OpenVDB.
    """
    for _fraction in label_vdb_steps(mask, files, geometry, half):
        pass
    return bin_factor(mask.shape)


def label_vdb_steps(
    mask: NDArray[Any],
    files: Mapping[int, tuple[str, Path]],
    geometry: Geometry,
    half: bool = True,
    most: float | None = None,
) -> Iterator[float]:
    """The same in steps of a slab; yields the fraction that is done. most: voxels of a volume that
    is not binned (default: a billion)."""
    volumes = [VolumeFile(path, name, _is_label(value)) for value, (name, path) in files.items()]
    return _write(mask, volumes, geometry, half, most)


def write_map_vdb(
    data: NDArray[Any], path: Path, feature: str, geometry: Geometry, low: float, high: float, half: bool = True
) -> int:
    """Write a map or tomogram [z, y, x] as a VDB: density 0 (empty) up to `low`, 1 from `high` on; returns the binning.

    Raises TomosegError where Blender has no OpenVDB, or if `high` is not above `low`.
    """
    for _fraction in map_vdb_steps(data, path, feature, geometry, low, high, half):
        pass
    return bin_factor(data.shape)


def map_vdb_steps(
    data: NDArray[Any],
    path: Path,
    feature: str,
    geometry: Geometry,
    low: float,
    high: float,
    half: bool = True,
    most: float | None = None,
) -> Iterator[float]:
    """The same in steps of a slab; yields the fraction that is done. most: voxels of a volume that
    is not binned (default: a billion)."""
    if not high > low:
        raise TomosegError(f"A volume from {low:g} to {high:g} is empty: give an upper value above the lower one.")
    return _write(data, [VolumeFile(path, feature, _ramp(low, high))], geometry, half, most)


def bin_factor(shape: tuple[int, ...], most: float | None = None) -> int:
    """The smallest binning with which a volume of `shape` has at most `most` voxels (default: a billion)."""
    factor, most = 1, MAX_VOXELS if most is None else most
    while np.prod([-(-size // factor) for size in shape], dtype=float) > most and factor < max(shape):
        factor += 1
    return factor


def require_vdb() -> ModuleType:
    """Blender's OpenVDB module. Raises TomosegError where this Blender has none."""
    module = compat.vdb_module()
    if module is None:
        raise TomosegError("This Blender has no OpenVDB module, so it cannot make volumes: import meshes instead.")
    return module


def _is_label(value: int) -> Convert:
    return lambda slab: (slab == value).astype(np.float32)


def _ramp(low: float, high: float) -> Convert:
    scale = np.float32(1 / (high - low))
    return lambda slab: np.minimum(np.fmax((slab.astype(np.float32) - np.float32(low)) * scale, 0), 1)


def _write(
    data: NDArray[Any], volumes: list[VolumeFile], geometry: Geometry, half: bool, most: float | None
) -> Iterator[float]:
    """Copy slab by slab, then write file by file; yields the fraction of both that is done."""
    module = require_vdb()
    factor = bin_factor(data.shape, most)
    starts = [number % _BLOCK for number in range(len(volumes))]
    grids = [
        _new_grid(module, volume.feature, geometry, factor, start, half)
        for volume, start in zip(volumes, starts, strict=True)
    ]
    depth = max(1, _SLAB_VOXELS // (data.shape[1] * data.shape[2] * factor)) * factor
    for z in range(0, data.shape[0], depth):
        slab = np.asarray(data[z : z + depth])
        for grid, volume, start in zip(grids, volumes, starts, strict=True):
            _copy(grid, _binned(volume.convert(slab), factor), z // factor, start)
        yield COPYING * min(z + depth, data.shape[0]) / data.shape[0]
    for number, (grid, volume) in enumerate(zip(grids, volumes, strict=True), 1):
        with replacing(volume.path) as temporary:
            module.write(str(temporary), grids=[grid])
        yield COPYING + (1 - COPYING) * number / len(volumes)


def _new_grid(module: ModuleType, feature: str, geometry: Geometry, factor: int, first: int, half: bool) -> Any:
    grid = module.FloatGrid()
    grid.name = GRID
    grid.gridClass = module.GridClass.FOG_VOLUME
    grid.saveFloatAsHalf = half
    x, y, z = (size * factor for size in file_voxel_size(geometry))
    place = [start + (0.5 - first) * size for start, size in zip(geometry.place, (x, y, z), strict=True)]
    rows = [[x, 0, 0, 0], [0, y, 0, 0], [0, 0, z, 0], [*place, 1]]  # the translation is the last row
    grid.transform = module.createLinearTransform(matrix=rows)
    grid["feature"] = feature
    grid["binning"] = factor
    return grid


def _binned(density: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Block means of [z, y, x]; blocks cut off by the border count what is missing as empty."""
    if factor == 1:
        return density
    missing = [(0, -size % factor) for size in density.shape]
    padded = np.pad(density, missing)
    z, y, x = (size // factor for size in padded.shape)
    means: NDArray[np.float32] = padded.reshape(z, factor, y, factor, x, factor).mean(axis=(1, 3, 5), dtype=np.float32)
    return means


def _copy(grid: Any, density: NDArray[np.float32], z0: int, first: int) -> None:
    """Copy a slab [z, y, x] that begins at slice `z0` into the grid; only the box around what is not empty.

    first: the number that the grid gives to voxel 0 on each axis.
    """
    filled = density != 0
    spans = [np.flatnonzero(filled.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    if spans[0].size == 0:
        return
    z, y, x = (slice(int(span[0]), int(span[-1]) + 1) for span in spans)
    # A view with other axis order would be copied wrongly, without a word.
    part = np.ascontiguousarray(density[z, y, x].transpose(2, 1, 0))
    grid.copyFromArray(part, ijk=(x.start + first, y.start + first, z0 + z.start + first), tolerance=0.0)
