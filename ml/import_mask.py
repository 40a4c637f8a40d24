"""Bring a label mask or a map of another program into a project, in its tomogram's geometry.

A mask of integers becomes masks/<tomogram>__<name>.mrc with a label table; a map becomes
segmentations/<tomogram>__<feature>.mrc, in units in which 1 is the feature for certain.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.mask_names import MaskName, read_mask_name

if TYPE_CHECKING:
    from ml.masks import Mask
    from tomo.label_table import LabelEntry
    from tomo.mrc import Tomogram
    from tomo.project import Project

SUMMARY = "bring a mask or map of another program into a project"
AUTO, LABELS, MAP = "auto", "labels", "map"
IMPORTED = "Tomoseg import of "  # begins the MRC label of a file that may be replaced by the next import
GENERIC = ("mask", "labels", "label", "segmentation", "seg")  # names that tell no feature


@dataclass(frozen=True)
class Options:
    """What the request `import_mask` takes."""

    source: Path = option(help="the mask or map (MRC, HDF, TIFF)", metavar="FILE")
    project: Path = option(help="project folder", metavar="DIR")
    tomogram: str = option(help="the tomogram's name in the project", metavar="NAME")
    kind: str = option(AUTO, help="what the file holds", choices=(AUTO, LABELS, MAP))


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the mask or map; returns its kind, path, labels and threshold. Memory does not grow with the file.

    Raises TomosegError for a file of another size than the tomogram, and for values that are neither.
    """
    from ml.mask_kinds import holds_map
    from ml.volumes import open_any
    from tomo.label_table import label_table_path, load_label_table
    from tomo.mask_checks import check_same_size
    from tomo.project import Project

    project = Project.open(options.project)
    names = [entry.name for entry in project.tomograms()]
    source, tomogram = open_any(options.source), open_any(project.tomogram_path(options.tomogram))
    cure = "choose the mask of this tomogram, or bring it to the same size first"
    check_same_size(options.source, source.shape, options.tomogram, tomogram.shape, cure)
    _tell(options, source, tomogram, report)
    name = read_mask_name(options.source, names)
    table = load_label_table(label_table_path(options.source))
    if options.kind == LABELS or (options.kind == AUTO and (table or not holds_map(source.data))):
        return _import_labels(project, options, source, tomogram, name, report)
    return _import_map(project, options, source, tomogram, name, report)


def describe(result: dict[str, Any]) -> str:
    """What was written."""
    return f"Wrote {result['path']} ({result['kind']})"


def _tell(options: Options, source: "Tomogram", tomogram: "Tomogram", report: Report) -> None:
    """Log what was repaired, and a voxel size that does not fit: the tomogram's rules."""
    for note in source.notes:
        report.log(f"{options.source.name}: {note}")
    theirs, ours = source.geometry, tomogram.geometry
    pairs = zip(theirs.voxel_size, ours.voxel_size, strict=True)
    if theirs.voxel_size_known and ours.voxel_size_known and any(abs(a - b) > 0.05 * b for a, b in pairs):
        report.log(
            f"{options.source.name} says voxels of {theirs.voxel_size[0]:g} Å and {options.tomogram} of "
            f"{ours.voxel_size[0]:g} Å: the tomogram's are used."
        )


def clean_name(name: str) -> str:
    """A name that files can carry, as near as possible to one from elsewhere; "imported" where nothing is left."""
    import re

    from tomo.names import check_feature_name

    cleaned = re.sub(r"[^\w .+-]+", " ", name)
    cleaned = re.sub(r"_{2,}", "_", cleaned).strip("_-+. ")[:64].strip("_-+. ")
    return check_feature_name(cleaned or "imported")


def free_path(path: Path) -> Path:
    """`path`, or the same with a number where something lies there that was not imported."""
    number, found = 2, path
    while found.exists() and not _was_imported(found):
        found, number = path.with_name(f"{path.stem}-{number}{path.suffix}"), number + 1
    return found


def _was_imported(path: Path) -> bool:
    from tomo.mrc import open_tomogram

    try:
        return any(label.startswith(IMPORTED) for label in open_tomogram(path).labels)
    except TomosegError:
        return False  # damaged or of something else: not ours to replace


def _import_labels(
    project: "Project",
    options: Options,
    source: "Tomogram",
    tomogram: "Tomogram",
    name: MaskName,
    report: Report,
) -> dict[str, Any]:
    from ml.masks import mask_of, slab_ranges
    from tomo.label_table import label_table_path, save_label_table
    from tomo.mrc import MrcWriter
    from tomo.names import result_name

    mask = mask_of(source, Part(report, 0, 0.5))
    feature = clean_name(name.feature)
    path = free_path(project.folder / "masks" / f"{result_name(options.tomogram, feature)}.mrc")
    entries = _entries(project, mask, feature)
    dtype = "int8" if entries[-1].value <= 127 else "int16"
    if entries[-1].value > 32767:
        raise TomosegError(f"{options.source} holds values up to {entries[-1].value}, too large for labels: renumber.")
    with MrcWriter(path, mask.shape, dtype, tomogram.geometry, [_made_of(options.source)]) as writer:
        for z0, z1 in slab_ranges(mask.shape):
            report.progress(0.5 + 0.5 * z0 / mask.shape[0], f"Writing {path.name}")
            writer.write(z0, mask.read((slice(z0, z1), slice(None), slice(None))).astype(dtype))
        save_label_table(label_table_path(path), entries)
    voxels = {extent.entry.value: extent.voxels for extent in mask.labels}
    labels = [
        {"value": entry.value, "name": entry.name, "colour": entry.colour, "voxels": voxels[entry.value]}
        for entry in entries
    ]
    return {"kind": LABELS, "path": str(path), "tomogram": options.tomogram, "labels": labels}


def _entries(project: "Project", mask: "Mask", feature: str) -> "list[LabelEntry]":
    """The labels with names and colours: from the table, or from the file's name where there is one label only."""
    from dataclasses import replace

    from tomo.features import next_colour
    from tomo.label_table import label_table_path, load_label_table

    entries = [extent.entry for extent in mask.labels]
    features = project.features()
    if load_label_table(label_table_path(mask.path)):
        return _with_clean_names(entries)
    if len(entries) == 1 and feature not in GENERIC:
        known = next((one.colour for one in features if one.name == feature), None)
        return [replace(entries[0], name=feature, colour=known or next_colour(features))]
    return entries


def _with_clean_names(entries: "list[LabelEntry]") -> "list[LabelEntry]":
    """Labels with names that become parts of file names, each its own: a table from elsewhere may hold any text."""
    from dataclasses import replace

    taken: set[str] = set()
    cleaned = []
    for entry in entries:
        name = clean_name(entry.name)
        name = f"{name} {entry.value}" if name in taken else name
        taken.add(name)
        cleaned.append(replace(entry, name=name))
    return cleaned


def _import_map(
    project: "Project",
    options: Options,
    source: "Tomogram",
    tomogram: "Tomogram",
    name: MaskName,
    report: Report,
) -> dict[str, Any]:
    from ml.mask_kinds import scaling
    from ml.masks import slab_ranges
    from tomo.mrc import MrcWriter

    convert, threshold, note = scaling(source, name, Part(report, 0, 0.4))
    feature = clean_name(name.feature)
    path = project.segmentation_path(options.tomogram, feature)
    if path.exists() and not _was_imported(path):
        raise TomosegError(
            f"{path} is a map of {feature} that was made here: rename {options.source.name} so that another feature "
            "follows its '__'."
        )
    if note:
        report.log(note)
    with MrcWriter(path, source.shape, "float16", tomogram.geometry, [_made_of(options.source)]) as writer:
        for z0, z1 in slab_ranges(source.shape):
            report.progress(0.4 + 0.6 * z0 / source.shape[0], f"Writing {path.name}")
            writer.write(z0, convert(source.data[z0:z1]))
    return {
        "kind": MAP,
        "path": str(path),
        "tomogram": options.tomogram,
        "feature": feature,
        "threshold": threshold,
        "labels": [],
    }


def _made_of(source: Path) -> str:
    return f"{IMPORTED}{source.name}".encode("ascii", "replace").decode()[:80]
