"""Delete components of a mask, give them another label, or learn from them; the result is a new file beside the mask.

A component is LABEL:NUMBER as in the table of `tomoseg measure`: the label's name or integer, and the component's
number within it. With --negatives it is also covered by negative boxes of its feature in the project, so that the
next training learns what it is not; boxes that would hold another component of the label, or meet a positive box,
are left out. The mask itself is only read, and nothing is overwritten.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Part, Report
from tomo.boxes import DEFAULT_SIZE
from tomo.errors import TomosegError
from tomo.mask_names import next_version
from tomo.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.components import Components
    from ml.masks import Mask

SUMMARY = "delete or relabel components of a mask, or make negative boxes of them"
_EXAMPLE = "such as vesicle:3"


@dataclass(frozen=True)
class Options:
    """What `tomoseg correct` takes."""

    mask: Path = option(help="the mask of integers; it is only read", positional=True, metavar="MASK")
    output: Path | None = option(None, help="mask to write, MRC (default: MASK's next version, _v2)", metavar="FILE")
    delete: tuple[str, ...] | None = option(None, help="take these out of the mask", metavar="LABEL:NUMBER")
    relabel: tuple[str, ...] | None = option(
        None, help="give these another label, known or a new integer", metavar="LABEL:NUMBER=NEW"
    )
    negatives: tuple[str, ...] | None = option(
        None, help="cover these with negative boxes in --project, and take them out", metavar="LABEL:NUMBER"
    )
    keep: bool = option(False, help="leave the components of --negatives in the mask")
    project: Path | None = option(None, help="project folder, for --negatives", metavar="DIR")
    tomogram: str | None = option(
        None, help="the tomogram's name in the project (default: as the mask's name tells)", metavar="NAME"
    )
    box_size: int = option(DEFAULT_SIZE, help="voxels along a box's side", metavar="N")
    slices: int = option(3, help="negative boxes on at most so many slices of a component", metavar="N")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the corrected mask with its label table, and boxes; memory does not grow with the tomogram.

    Raises TomosegError for a component that is not there, where nothing would be left, and where no box can be
    placed; nothing is written then.
    """
    output = _checked_output(options)
    from ml.components import find_components
    from ml.masks import open_mask

    mask = open_mask(options.mask, Part(report, 0, 0.1))
    components = find_components(mask, Part(report, 0.1, 0.5))
    false_rows = [row_of(components, word) for word in options.negatives or ()]
    label_of = new_labels(components, options.delete or (), options.relabel or ())
    label_of[[1 + row for row in false_rows if not options.keep]] = 0
    if not label_of.any():
        raise TomosegError(f"These edits would leave nothing of {mask.path.name}: keep one component at least.")
    boxes: list[Any] = []
    left_out = 0
    if false_rows:
        boxes, left_out = _negatives(options, components, false_rows, Part(report, 0.5, 0.7))
    edits = int((label_of[1:] != components.table.value).sum())
    voxels = _write(output, mask, components, label_of, edits, Part(report, 0.7, 1.0)) if edits else {}
    if boxes and options.project is not None:
        _add_boxes(options.project, boxes)
    written = str(output) if edits else None
    counts = {"labels": voxels, "edits": edits, "negatives": len(boxes), "left_out": left_out}
    return {"mask": written, "source": str(options.mask), **counts}


def describe(result: dict[str, Any]) -> str:
    """What was written."""
    lines = [] if result["mask"] is None else [f"Wrote {result['mask']}"]
    if result["negatives"]:
        left_out = f", left out {result['left_out']} with the feature in them" if result["left_out"] else ""
        lines.append(f"Placed {counted(result['negatives'], 'negative box')}{left_out}")
    return "\n".join(lines) or "Nothing changed: these components have these labels."


def _checked_output(options: Options) -> Path:
    """Where the corrected mask goes; raises UsageError, and TomosegError where something is there already."""
    if not (options.delete or options.relabel or options.negatives):
        raise UsageError("name components to --delete, --relabel or make --negatives of")
    if options.negatives and options.project is None:
        raise UsageError("--negatives places boxes in a project: name its folder with --project")
    if options.slices < 1 or not 2 <= options.box_size <= 4096:
        raise UsageError("--slices is 1 or more, --box-size 2 to 4096")
    if options.output is None:
        return next_version(options.mask)
    if options.output.absolute() == options.mask.absolute():
        raise TomosegError(f"{options.output} is the mask itself: write the corrected one to another file.")
    if options.output.exists():
        raise TomosegError(f"{options.output} is there already, and masks are not overwritten: name another file.")
    return options.output


def new_labels(components: "Components", delete: tuple[str, ...], relabel: tuple[str, ...]) -> "NDArray[np.int32]":
    """For each component's id (1 + its row; 0 is the background) the label that it gets, int32.

    Raises TomosegError for a word that cannot be read or names a component that is not there.
    """
    import numpy as np

    label_of = np.concatenate([[0], components.table.value]).astype(np.int32)
    for word in delete:
        label_of[1 + row_of(components, word)] = 0
    for word in relabel:
        component, given, new = word.rpartition("=")
        if not given:
            raise TomosegError(f"{word!r} names no new label: write LABEL:NUMBER=NEW, {_EXAMPLE}=membrane.")
        label_of[1 + row_of(components, component)] = _label_value(components.mask, new, new_too=True)
    return label_of


def row_of(components: "Components", word: str) -> int:
    """The row of the component LABEL:NUMBER; raises TomosegError where it is not there."""
    import numpy as np

    label, _, number = word.rpartition(":")
    if not label or not (number.isascii() and number.isdigit()):
        raise TomosegError(f"{word!r} names no component: write LABEL:NUMBER as in the measured table, {_EXAMPLE}.")
    value = _label_value(components.mask, label)
    rows = np.flatnonzero((components.table.value == value) & (components.number == int(number)))
    if not len(rows):
        count = int((components.table.value == value).sum())
        raise TomosegError(f"{components.mask.path} has no component {int(number)} of {label}: it has {count} of them.")
    return int(rows[0])


def _label_value(mask: "Mask", label: str, *, new_too: bool = False) -> int:
    """The integer of a label that is named, by its name or its integer; new_too: an integer may be a new label's."""
    from tomo.label_table import LARGEST_VALUE, label_table_path, load_label_table

    entries = [*load_label_table(label_table_path(mask.path)), *(extent.entry for extent in mask.labels)]
    for entry in entries:
        if label in (entry.name, str(entry.value)):
            return entry.value
    if new_too and label.isascii() and label.isdigit() and 1 <= int(label) <= LARGEST_VALUE:
        return int(label)
    known = ", ".join(dict.fromkeys(entry.name for entry in entries))
    raise TomosegError(f"{mask.path} has no label {label!r}: its labels are {known}.")


def _negatives(options: Options, components: "Components", rows: list[int], report: Report) -> tuple[list[Any], int]:
    """Negative boxes over these components, and how many places were left out."""
    from ml.false_boxes import boxes_of_components
    from tomo.project import Project

    assert options.project is not None
    project = Project.open(options.project)
    project.require_writable()
    entry = project.tomogram(options.tomogram or components.mask.name)
    return boxes_of_components(components, rows, project, entry, options.box_size, options.slices, report)


def _add_boxes(folder: Path, boxes: list[Any]) -> None:
    from tomo.project import Project

    project = Project.open(folder)
    project.save_boxes([*project.boxes(), *boxes])


def _write(
    output: Path, mask: "Mask", components: "Components", label_of: "NDArray[np.int32]", edits: int, report: Report
) -> dict[str, int]:
    """Write mask and label table; returns the voxels of each label, by its integer as text."""
    import numpy as np

    from tomo.label_table import entries_for, label_table_path, load_label_table, save_label_table
    from tomo.mrc import MrcWriter

    largest = int(label_of.max())
    dtype = "int8" if largest <= 127 else "int16"
    counts = np.zeros(largest + 1, np.int64)
    notes = [f"Tomoseg mask, {counted(edits, 'correction')}"]
    with MrcWriter(output, mask.shape, dtype, mask.geometry, notes) as writer:
        for z0, ids in components.slabs():
            report.progress(z0 / mask.shape[0], f"Writing {output.name}")
            slab = label_of[ids]
            counts += np.bincount(slab.ravel(), minlength=largest + 1)
            writer.write(z0, slab.astype(dtype))
        table = load_label_table(label_table_path(mask.path))
        known = {entry.value for entry in table}
        more = entries_for([value for value in range(1, largest + 1) if counts[value] and value not in known], [])
        save_label_table(label_table_path(output), [*table, *more])
    return {str(value): int(counts[value]) for value in range(1, largest + 1) if counts[value]}
