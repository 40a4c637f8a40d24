"""Delete components of a mask or give them another label; the result is a new file, the mask stays as it is.

Components are those of `measure` and of `surface --split`: voxels that touch up to corners, numbered by size within
their label.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Part, Report
from tomo.errors import TomosegError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.components import Components
    from ml.masks import Mask

SUMMARY = "delete or relabel components of a mask, into a new file"
_EDIT = re.compile(r"(\d+):(\d+)=(\d+)")


@dataclass(frozen=True)
class Options:
    """What the request `correct` takes."""

    mask: Path = option(help="the mask of integers; it is only read", metavar="MASK")
    output: Path = option(help="the mask to write (MRC)", metavar="FILE")
    edits: tuple[str, ...] = option(
        help="LABEL:COMPONENT=NEW each, new label 0 deletes; of two for one component the later counts", metavar="EDIT"
    )


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the corrected mask and its label table. Memory does not grow with the tomogram.

    Raises TomosegError for a component that is not there, and where nothing would be left.
    """
    from ml.components import find_components
    from ml.masks import open_mask

    if options.output.absolute() == options.mask.absolute():
        raise TomosegError(f"{options.mask} is the mask itself: write the corrected one to another file.")
    mask = open_mask(options.mask, Part(report, 0, 0.1))
    components = find_components(mask, Part(report, 0.1, 0.6))
    label_of = new_labels(components, options.edits)
    voxels = _write(options, mask, components, label_of, Part(report, 0.6, 1.0))
    return {"mask": str(options.output), "source": str(options.mask), "labels": voxels, "edits": len(options.edits)}


def describe(result: dict[str, Any]) -> str:
    """What was written."""
    return f"Wrote {result['mask']}"


def new_labels(components: "Components", edits: tuple[str, ...]) -> "NDArray[np.int32]":
    """For each component's id (1 + its row; 0 is the background) the label that it gets, int32.

    Raises TomosegError for an edit that cannot be read or names a component that is not there.
    """
    import numpy as np

    label_of = np.concatenate([[0], components.table.value]).astype(np.int32)
    path = components.mask.path
    for edit in edits:
        if not (found := _EDIT.fullmatch(edit)) or int(found[3]) > np.iinfo(np.int16).max:
            raise TomosegError(f"{edit!r} is no edit: write LABEL:COMPONENT=NEW, such as 1:3=0.")
        value, number, new = (int(part) for part in found.groups())
        rows = np.flatnonzero((components.table.value == value) & (components.number == number))
        if not len(rows):
            raise TomosegError(f"{path} has no component {number} of label {value}: make its surfaces again.")
        label_of[1 + rows] = new
    if not label_of.any():
        raise TomosegError(f"These edits would leave nothing of {path.name}: keep one component at least.")
    return label_of


def _write(
    options: Options, mask: "Mask", components: "Components", label_of: "NDArray[np.int32]", report: Report
) -> dict[str, int]:
    """Write mask and label table; returns the voxels of each label, by its integer as text."""
    import numpy as np

    from tomo.label_table import entries_for, label_table_path, load_label_table, save_label_table
    from tomo.mrc import MrcWriter

    largest = int(label_of.max())
    dtype = "int8" if largest <= 127 else "int16"
    counts = np.zeros(largest + 1, np.int64)
    notes = [f"Tomoseg mask, {len(options.edits)} corrections"]
    with MrcWriter(options.output, mask.shape, dtype, mask.geometry, notes) as writer:
        for z0, ids in components.slabs():
            report.progress(z0 / mask.shape[0], f"Writing {options.output.name}")
            slab = label_of[ids]
            counts += np.bincount(slab.ravel(), minlength=largest + 1)
            writer.write(z0, slab.astype(dtype))
        table = load_label_table(label_table_path(mask.path))
        known = {entry.value for entry in table}
        more = entries_for([value for value in range(1, largest + 1) if counts[value] and value not in known], [])
        save_label_table(label_table_path(options.output), [*table, *more])
    return {str(value): int(counts[value]) for value in range(1, largest + 1) if counts[value]}
