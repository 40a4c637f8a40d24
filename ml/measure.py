"""Measure the labels of a mask and their components: sizes, places, areas, lengths, thicknesses, distances.

Per label and per component: voxels, volume (nm³), surface area (nm²), centroid, box, length (nm) of filaments along
their middle, thickness (nm; median, and half of what the middle 68 % span). Voxels that touch, up to corners, are
one component. Centroids and boxes in voxels count from 0, which is the centre of the first voxel; in Å they are
where the tomogram's header puts them. Where the volume cuts an object, the cut does not count as its surface.
The CSV holds one row per label, then one per component; the settings are written beside it as JSON, and as a
comment into the STAR file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.geometry import require_voxel_size

if TYPE_CHECKING:
    from ml.components import Components
    from ml.masks import Mask

SUMMARY = "measure labels and components; write CSV and RELION STAR"
CONNECTIVITY = {"6": 1, "18": 2, "26": 3}


@dataclass(frozen=True)
class Options:
    """What `tomoseg measure` takes."""

    mask: Path = option(help="a mask of integers, or a map together with --threshold", positional=True, metavar="MASK")
    csv: Path | None = option(None, help="write labels and components as a table", metavar="FILE")
    star: Path | None = option(None, help="write the components' centroids for RELION", metavar="FILE")
    threshold: float | None = option(None, help="measure a map where it is above this value", metavar="T")
    smallest: float = option(
        0.0,
        help="leave out components smaller than this, in nm³, or in voxels where the voxel size is unknown",
        metavar="NM3",
    )
    features: tuple[str, ...] | None = option(None, help="only these features, by name", metavar="NAME")
    distances_to: tuple[str, ...] | None = option(
        None, help="how far each component is from these features, surface to surface", metavar="NAME"
    )
    thickness: bool = option(True, help="leave out thicknesses (faster)")
    length: bool = option(True, help="leave out the lengths of filaments (faster)")
    connectivity: str = option(
        "26",
        help="voxels of one component share a face (6), an edge (18) or a corner (26, the default)",
        choices=tuple(CONNECTIVITY),
    )
    relion: str = option(
        "both",
        help="coordinates in the STAR file: RELION 4's, RELION 5's or both (default)",
        choices=("4", "5", "both"),
    )
    unbinned_voxel_size: float | None = option(
        None, help="voxel size in Å of the tomogram that RELION knows, where the mask's was shrunk", metavar="Å"
    )
    voxel_size: float | None = option(None, help="voxel size in Å, in place of the file's", metavar="Å")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Measure, write what was asked for, and return it all. Memory does not grow with the tomogram."""
    _check(options)
    from ml.components import find_components
    from ml.masks import open_mask
    from ml.measurements import measure_components
    from ml.tables import Tables, smallest_voxels

    mask = open_mask(options.mask, report, threshold=options.threshold, voxel_size=options.voxel_size)
    _check_voxel_size(options, mask, report)
    targets = _targets(options, mask)
    smallest = smallest_voxels(mask, options.smallest)
    components = find_components(
        mask, Part(report, 0.05, 0.3), smallest=smallest, connectivity=CONNECTIVITY[options.connectivity]
    )
    size = mask.geometry.voxel_size if mask.geometry.voxel_size_known else (1.0, 1.0, 1.0)
    measured = measure_components(
        components, size, Part(report, 0.3, 0.8), thickness=options.thickness, length=options.length
    )
    distances = _distances(components, targets, size, Part(report, 0.8, 1.0))
    tables = Tables(components, measured, distances)
    result = {"mask": str(options.mask), "settings": _settings(options, mask), **tables.rows(options.features)}
    return result | _write(options, mask, components, result)


def describe(result: dict[str, Any]) -> str:
    """A table of the labels, and what was written."""
    lines = [f"{'label':<24}{'components':>12}{'voxels':>14}{'nm³':>16}{'nm²':>16}"]
    for row in result["labels"]:
        sizes = "".join(
            f"{'unknown' if row[key] is None else f'{row[key]:.1f}':>16}" for key in ("volume_nm3", "area_nm2")
        )
        lines.append(f"{row['name']:<24}{row['components']:>12}{row['voxels']:>14}{sizes}")
    return "\n".join(lines + [f"Wrote {result[key]}" for key in ("csv", "star") if result[key]])


def _shown(size: float | None) -> str:
    return "unknown" if size is None else f"{size:.1f}"


def _check(options: Options) -> None:
    if not options.smallest >= 0:
        raise UsageError("--smallest is a volume in nm³, so 0 or more")
    if options.unbinned_voxel_size is not None and not 0 < options.unbinned_voxel_size < float("inf"):
        raise UsageError("--unbinned-voxel-size is a length in Å, so more than 0")
    written = [path for path in (options.csv, options.star) if path is not None]
    if any(path.absolute() == options.mask.absolute() for path in written):
        raise TomosegError(f"{options.mask} is the mask itself: write the table to another file.")


def _check_voxel_size(options: Options, mask: "Mask", report: Report) -> None:
    """Raise TomosegError where Å were asked for and are unknown; say what will be missing where they were not."""
    if mask.geometry.voxel_size_known:
        return
    if (options.star is not None and options.relion == "5") or options.unbinned_voxel_size is not None:
        require_voxel_size(mask.geometry, str(options.mask))
    report.log(
        f"The voxel size of {options.mask} is unknown, so there are counts of voxels only, no nm: "
        "give it with --voxel-size (in Å)."
    )


def _targets(options: Options, mask: "Mask") -> dict[str, int]:
    """The labels to which distances are asked for: name and value."""
    known = {extent.entry.name: extent.entry.value for extent in mask.labels}
    for name in (*(options.distances_to or ()), *(options.features or ())):
        if name not in known:
            raise TomosegError(f"{mask.path} holds no {name!r}: its labels are {', '.join(known)}.")
    return {name: known[name] for name in options.distances_to or ()}


def _distances(
    components: "Components", targets: dict[str, int], size: tuple[float, float, float], report: Report
) -> dict[str, Any]:
    if not targets:
        return {}
    from ml.distances import distances_to

    found = distances_to(components, list(targets.values()), size, report)
    return {name: found[value] for name, value in targets.items()}


def _settings(options: Options, mask: "Mask") -> dict[str, Any]:
    """What chose the components and how they were measured, to be written beside the numbers."""
    known = mask.geometry.voxel_size_known
    return {
        "mask": str(options.mask),
        "threshold": options.threshold,
        "smallest": options.smallest,
        "smallest_unit": "nm3" if known else "voxels",
        "connectivity": int(options.connectivity),
        "features": list(options.features) if options.features else None,
        "voxel_size_angstrom": list(mask.geometry.voxel_size) if known else None,
        "unbinned_voxel_size_angstrom": options.unbinned_voxel_size,
        "shape_xyz": list(mask.shape[::-1]),
        "place_angstrom": list(mask.geometry.place),
    }


def _write(options: Options, mask: "Mask", components: "Components", result: dict[str, Any]) -> dict[str, Any]:
    """Write the files asked for; returns their paths, None where there is none."""
    from ml.tables import write_components_star, write_csv

    if options.csv is not None:
        write_csv(options.csv, result)
    if options.star is not None:
        write_components_star(options.star, mask, result, flavour=options.relion, unbinned=options.unbinned_voxel_size)
    return {
        "csv": None if options.csv is None else str(options.csv),
        "star": None if options.star is None else str(options.star),
    }
