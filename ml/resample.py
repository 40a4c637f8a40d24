"""Resample a map or mask to the size of another tomogram, or by a factor, as EMAN2's math.fft.resample does.

Use it to unbin: a feature was segmented on a shrunk tomogram, and its map is to be merged with maps of the full one.
Maps are resampled in Fourier space, masks (whole numbers) take the nearest voxel. Every voxel keeps its place in space.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.label_table import label_table_path, load_label_table, save_label_table
from tomo.mrc import MrcWriter, Tomogram
from tomo.preprocessing import preprocessing_of

if TYPE_CHECKING:
    from ml.resampling import Plan

SUMMARY = "resample a map or mask to another tomogram's size (unbin)"
FOURIER, NEAREST, AUTO = "fourier", "nearest", "auto"


@dataclass(frozen=True)
class Options:
    """Options of `tomoseg resample`."""

    map: Path = option(help="map or mask to resample", positional=True, metavar="MAP")
    output: Path = option(help="MRC file to write", metavar="FILE")
    like: Path | None = option(None, help="bring it to the size and place of this tomogram", metavar="TOMOGRAM")
    factor: float | None = option(None, help="or make each side this many times as long, 4 to undo a shrink by 4")
    method: str = option(AUTO, help="auto: nearest for whole numbers, else fourier", choices=(AUTO, FOURIER, NEAREST))


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the resampled volume; memory does not grow with it. Raises TomosegError, UsageError or Cancelled."""
    if (options.like is None) == (options.factor is None):
        raise UsageError("name either --like TOMOGRAM or --factor F")
    from ml.resampling import plan_for
    from ml.volumes import open_any

    tomogram = open_any(options.map)
    reference = open_any(options.like) if options.like else enlarged(tomogram, options.factor or 0.0)
    if options.output.is_dir() or options.output.resolve() in {tomogram.path.resolve(), reference.path.resolve()}:
        raise TomosegError(f"{options.output} is a folder or one of the files to read: choose another output.")
    method = _method(tomogram) if options.method == AUTO else options.method
    if options.method == AUTO and method == NEAREST:
        report.log(f"{options.map.name} holds whole numbers: each voxel is taken from the nearest (as for masks).")
    _write(tomogram, reference, plan_for(tomogram, reference), method, options.output, report)
    if method == NEAREST and (table := load_label_table(label_table_path(tomogram.path))):
        save_label_table(label_table_path(options.output), table)
    return {
        "output": str(options.output),
        "shape": list(reference.shape),
        "voxel_size": list(reference.geometry.voxel_size),
        "method": method,
    }


def describe(result: dict[str, Any]) -> str:
    """Size and place of the output."""
    z, y, x = result["shape"]
    return f"{x} × {y} × {z} voxels ({result['method']})\nWrote {result['output']}"


@contextmanager
def resampled_beside(
    output: Path, maps: list[Tomogram], reference: Tomogram, report: Report
) -> Iterator[list[Tomogram]]:
    """The maps at the size of `reference`, in nameless scratch files on the disk of `output`; for merging.

    Maps that have the size already are passed on as they are.
    """
    from ml.resampling import fourier_slices, plan_for
    from ml.scratch import scratch_array

    fitted = []
    for number, single in enumerate(maps):
        part = Part(report, number / len(maps), (number + 1) / len(maps))
        if single.shape == reference.shape:
            fitted.append(single)
            continue
        plan = plan_for(single, reference)
        data = scratch_array(reference.shape, "float32", output.parent)
        for z, plane in enumerate(fourier_slices(single, plan, part, output.parent)):
            data[z] = plane
        fitted.append(replace(single, data=data, geometry=placed_like(single, reference, plan)))
    yield fitted


def enlarged(tomogram: Tomogram, factor: float) -> Tomogram:
    """A stand-in for the tomogram at `factor` times its size: shape and geometry, without voxels of its own."""
    import numpy as np

    if not (math.isfinite(factor) and 0 < factor <= 64) or min(tomogram.shape) * factor < 1:
        raise TomosegError(f"{tomogram.path} cannot be resampled by {factor:g}: give a factor that leaves voxels.")
    shape = tuple(max(1, round(side * factor)) for side in tomogram.shape)
    old = tomogram.geometry
    x, y, z = (size / factor for size in old.voxel_size)
    i, j, k = (round(start * factor) for start in old.nstart)
    exact = (i, j, k) == tuple(start * factor for start in old.nstart)
    geometry = Geometry((x, y, z), old.origin, (i, j, k)) if exact else Geometry((x, y, z), old.place)
    return replace(tomogram, data=np.broadcast_to(np.float32(0), shape), geometry=geometry)


def placed_like(tomogram: Tomogram, reference: Tomogram, plan: "Plan") -> Geometry:
    """The reference's geometry; where its voxel size is unknown and the map's is known, that divided by the scale."""
    if reference.geometry.voxel_size_known or not tomogram.geometry.voxel_size_known:
        return reference.geometry
    x, y, z = (
        size * used / covered
        for size, used, covered in zip(tomogram.geometry.voxel_size, plan.used[::-1], plan.covered[::-1], strict=True)
    )
    return replace(reference.geometry, voxel_size=(x, y, z))


def _method(tomogram: Tomogram) -> str:
    return NEAREST if tomogram.data.dtype.kind in "iu" else FOURIER


def _write(tomogram: Tomogram, reference: Tomogram, plan: "Plan", method: str, output: Path, report: Report) -> None:
    import numpy as np

    from ml.resampling import fourier_slices, nearest_slices

    stored = {"int8": "int8", "uint8": "int16", "int16": "int16", "uint16": "uint16", "float16": "float16"}
    dtype = stored.get(tomogram.data.dtype.newbyteorder("=").name, "float32") if method == NEAREST else "float32"
    labels = [label for label in tomogram.labels if preprocessing_of([label]) is None]
    with MrcWriter(output, reference.shape, dtype, placed_like(tomogram, reference, plan), labels) as writer:
        if method == NEAREST:
            slices: Iterator[Any] = nearest_slices(tomogram, plan, report)
        else:
            slices = fourier_slices(tomogram, plan, report, output.parent)
        for z, plane in enumerate(slices):
            writer.write(z, np.asarray(plane)[np.newaxis])
