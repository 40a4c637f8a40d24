"""Turn each label of a mask into a surface: DIR/<tomogram>__<feature>.ply, in Å at the tomogram's place.

Marching cubes outline the label, Taubin smoothing takes away the terraces of voxels and keeps the volume, and
where there are more triangles than asked for they are merged. With --threshold the file is a map (1 = as strong
as on the training labels) and is outlined at that value. With --split each component gets a file of its own,
numbered by size as in the table of `tomoseg measure`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.geometry import require_voxel_size
from tomo.names import result_name, safe_tomogram_name

if TYPE_CHECKING:
    from ml.components import Components
    from ml.masks import LabelExtent, Mask
    from ml.mesh import Mesh

SUMMARY = "turn each label of a mask into a surface (PLY in Å)"
CUBIC_ANGSTROM_PER_NM3 = 1000.0
MOST_SPLIT = 10_000
ROUGHLY = 2.5  # times the triangles asked for are outlined at most: merging more takes minutes and gigabytes


@dataclass(frozen=True)
class Options:
    """What `tomoseg surface` takes."""

    mask: Path = option(help="a mask of integers, or a map together with --threshold", positional=True, metavar="MASK")
    output: Path = option(help="folder for the surfaces", metavar="DIR")
    threshold: float | None = option(None, help="outline a map at this value instead", metavar="T")
    smoothing: int = option(10, help="Taubin iterations; 0 leaves the terraces of voxels (default: 10)", metavar="N")
    triangles: int = option(
        2_000_000, help="at most about so many triangles per surface; 0: all (default: 2000000)", metavar="N"
    )
    smallest: float = option(0.0, help="leave out components smaller than this, in nm³ (default: 0)", metavar="NM3")
    split: bool = option(False, help="one surface per component instead of one per label")
    open_border: bool = option(False, help="leave objects open where the volume cuts them, instead of capping them")
    number: bool = option(False, help="write into each vertex which component of its label it belongs to")
    features: tuple[str, ...] | None = option(None, help="only these features, by name", metavar="NAME")
    sample: int = option(
        1, help="use every Nth voxel along each axis: a fast preview of a coarse surface (default: 1)", metavar="N"
    )
    voxel_size: float | None = option(None, help="voxel size in Å, in place of the file's", metavar="Å")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the surfaces; returns their files, triangles, areas and volumes. Memory grows with the surface only."""
    _check(options)
    from ml.components import find_components
    from ml.masks import open_mask

    mask = open_mask(
        options.mask,
        Part(report, 0, 0.1),
        threshold=options.threshold,
        voxel_size=options.voxel_size,
        sample=options.sample,
    )
    components = None
    if options.split or options.number or options.smallest > 0:
        smallest = voxels_of(options.smallest, mask)
        components = find_components(mask, Part(report, 0.1, 0.3), smallest=smallest)
        _check_components(options, components)
    require_voxel_size(mask.geometry, str(options.mask))
    labels = chosen_labels(mask, options.features)
    surfaces: list[dict[str, Any]] = []
    for index, extent in enumerate(labels):
        part = Part(report, 0.3 + 0.7 * index / len(labels), 0.3 + 0.7 * (index + 1) / len(labels))
        surfaces += _write_label(options, mask, extent, components, part)
    return {"mask": str(options.mask), "voxel_size": list(mask.geometry.voxel_size), "surfaces": surfaces}


def describe(result: dict[str, Any]) -> str:
    """One line per surface."""
    lines = [
        f"{entry['triangles']:>9} triangles  {entry['area_nm2']:>14.1f} nm²  {entry['path']}"
        for entry in result["surfaces"]
    ]
    return "\n".join(lines) or "No component is large enough: nothing was written."


def voxels_of(nm3: float, mask: "Mask") -> int:
    """The fewest voxels that fill `nm3` nm³. Raises TomosegError where the voxel size is unknown."""
    if nm3 <= 0:
        return 1
    x, y, z = require_voxel_size(mask.geometry, str(mask.path))
    return max(1, round(nm3 * CUBIC_ANGSTROM_PER_NM3 / (x * y * z) + 0.499))


def chosen_labels(mask: "Mask", names: tuple[str, ...] | None) -> "list[LabelExtent]":
    """The labels with these names, or all; raises TomosegError for a name that the mask does not hold."""
    known = [extent.entry.name for extent in mask.labels]
    if unknown := [name for name in names or () if name not in known]:
        raise TomosegError(f"{mask.path} holds no {unknown[0]!r}: its labels are {', '.join(known)}.")
    return [extent for extent in mask.labels if names is None or extent.entry.name in names]


def _check(options: Options) -> None:
    if options.smoothing < 0 or options.triangles < 0 or not options.smallest >= 0:
        raise UsageError("--smoothing, --triangles and --smallest are numbers from 0 up")
    if options.sample < 1:
        raise UsageError(f"--sample takes every Nth voxel, so 1 or more, not {options.sample}")


def _check_components(options: Options, components: "Components") -> None:
    if options.split and len(components) > MOST_SPLIT:
        raise TomosegError(
            f"{options.mask} holds {len(components)} components, more than the {MOST_SPLIT} files that --split "
            "writes at most: leave out small ones with --smallest."
        )


def _write_label(
    options: Options, mask: "Mask", extent: "LabelExtent", components: "Components | None", report: Report
) -> list[dict[str, Any]]:
    import numpy as np

    from ml.mesh import smooth, split
    from ml.surfaces import label_surface, to_angstrom

    outline = label_surface(
        mask,
        extent,
        Part(report, 0, 0.6),
        components=components,
        closed=not options.open_border,
        most=round(ROUGHLY * options.triangles),
    )
    if len(outline.faces) == 0:
        report.log(f"{extent.entry.name}: no component is large enough, so it gets no surface.")
        return []
    report.progress(0.6, f"Smoothing {extent.entry.name}")
    outline = to_angstrom(smooth(outline, options.smoothing), mask.geometry, str(mask.path))
    if components is not None:
        outline.owner = components.number[outline.owner].astype(np.int32)
    if not options.split or components is None:
        return [_write_one(options, mask, extent, outline, None)]
    parts = split(outline)
    results = []
    for done, (number, part) in enumerate(parts.items()):
        report.progress(0.7 + 0.3 * done / len(parts), f"Writing {extent.entry.name}")
        results.append(_write_one(options, mask, extent, part, number))
    return results


def outline_alone(options: Options, components: "Components", report: Report) -> dict[str, Any]:
    """Write the surface of a single component (`Components.only`); returns its entry."""
    from ml.mesh import smooth
    from ml.surfaces import label_surface, to_angstrom

    mask, table = components.mask, components.table
    extent = next(one for one in mask.labels if one.entry.value == table.value[0])
    z, y, x = (slice(int(low), int(high)) for low, high in zip(table.low[0], table.high[0], strict=True))
    extent = replace(extent, voxels=int(table.voxels[0]), box=(z, y, x))
    outline = label_surface(mask, extent, report, components=components)
    outline = to_angstrom(smooth(outline, options.smoothing), mask.geometry, str(mask.path))
    number = int(components.number[0])
    outline.owner[:] = number
    return _write_one(options, mask, extent, outline, number)


def surface_file(folder: Path, mask: str, name: str) -> Path:
    """Where the surface of a label goes. Label tables come from anywhere: a name must not lead out of the folder."""
    return folder / f"{result_name(mask, safe_tomogram_name(name))}.ply"


def _write_one(
    options: Options, mask: "Mask", extent: "LabelExtent", outline: "Mesh", number: int | None
) -> dict[str, Any]:
    from ml.mesh import area, decimate, volume, with_owners_of
    from ml.ply import write_ply

    entry = extent.entry
    name = entry.name if number is None else f"{entry.name}-{number:04d}"
    path = surface_file(options.output, mask.name, name)
    # Measured before triangles are merged: fewer triangles cut corners.
    size_nm2, size_nm3 = area(outline) / 100, volume(outline) / CUBIC_ANGSTROM_PER_NM3
    fewer = decimate(outline, options.triangles)
    outline = with_owners_of(outline, fewer) if options.number else fewer
    comments = ["Tomoseg surface, coordinates in angstrom", f"feature {name}", f"colour {entry.colour}"]
    write_ply(path, outline, comments, numbered=options.number)
    return {
        "path": str(path),
        "name": name,
        "feature": entry.name,
        "value": entry.value,
        "colour": entry.colour,
        "component": number,
        "vertices": len(outline.vertices),
        "triangles": len(outline.faces),
        "area_nm2": size_nm2,
        "volume_nm3": size_nm3,
    }
