"""Merge the maps of several features into one mask of integers.

The maps compete voxel by voxel: a map takes part where it is strictly above its own threshold (0.8 where none
is given; 1 is as strong as on the training labels), the largest value wins, ties go to the map named first.
0 in the mask is nothing, i is the i-th map. A JSON file beside the mask names each label.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.features import check_colour
from tomo.names import feature_of, tomogram_name
from tomo.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomo.mrc import Tomogram

SUMMARY = "let the maps of several features compete; write one mask of integers"
DEFAULT_THRESHOLD = 0.8
MOST_INT8_LABELS, MOST_LABELS = 127, 32767
SLAB_VOXELS = 4 * 2**20  # per thread: small enough for the cache's sake, large enough for the disk's
THREADS = 2


@dataclass(frozen=True)
class Options:
    """What `tomoseg merge` takes."""

    maps: tuple[Path, ...] = option(
        help="maps of one tomogram, two or more; their order gives the integers",
        positional=True,
        metavar="MAP",
    )
    output: Path = option(help="the mask to write (MRC)", metavar="MASK")
    threshold: tuple[float, ...] | None = option(
        None, help="one threshold for all maps, or one per map in their order (default: 0.8)", metavar="T"
    )
    resample: bool = option(False, help="bring maps of other bins to the size of the largest one first")
    alone: bool = option(False, help="make the mask of one map: 1 where it is above its threshold")
    like: Path | None = option(None, help="bring all maps to the size of this tomogram first", metavar="TOMOGRAM")
    colours: tuple[str, ...] | None = option(
        None, help="one colour per map for the label table, as #rrggbb", metavar="COLOUR"
    )


def run(options: Options, report: Report) -> dict[str, Any]:
    """Merge the maps, slab by slab. Memory does not grow with the tomogram; time does, linearly.

    Raises UsageError for one map only or a wrong number of thresholds, TomosegError for maps that do not fit.
    """
    thresholds = thresholds_for(options)
    _check_output(options)
    from ml.volumes import open_any

    maps = [open_any(path) for path in options.maps]
    reference = _reference(options, maps)
    if reference is None:
        _check_shapes(options, maps)
        return _merge(options, maps, thresholds, report)
    from ml.resample import resampled_beside

    with resampled_beside(options.output, maps, reference, Part(report, 0.0, 0.7)) as fitted:
        return _merge(options, fitted, thresholds, Part(report, 0.7, 1.0))


def describe(result: dict[str, Any]) -> str:
    """The labels and their voxels, one line each."""
    lines = [f"{label['value']:>5}  {label['name']:<24} {label['voxels']:>14} voxels" for label in result["labels"]]
    return "\n".join([*lines, f"Wrote {result['mask']}"])


def thresholds_for(options: Options) -> list[float]:
    """One threshold per map; raises UsageError where their number, or that of the colours, does not fit.

    Raises TomosegError for what is no colour.
    """
    count = len(options.maps)
    if count < 2 and not options.alone:
        raise UsageError(
            "merging needs two maps or more: name the map of each feature, or add --alone for a mask of one"
        )
    if count > MOST_LABELS:
        raise UsageError(f"at most {MOST_LABELS} maps can be merged into one mask, not {count}")
    given = options.threshold or (DEFAULT_THRESHOLD,)
    if len(given) not in (1, count):
        raise UsageError(f"give one threshold for all maps or one each for {counted(count, 'map')}, not {len(given)}")
    if options.colours and len(options.colours) != count:
        raise UsageError(f"give one colour each for {counted(count, 'map')}, not {len(options.colours)}")
    for colour in options.colours or ():
        check_colour(colour)
    if any(math.isnan(threshold) for threshold in given):
        raise UsageError("a threshold is a number, such as 0.8")
    return list(given) * (count if len(given) == 1 else 1)


def merge_slab(slabs: "Sequence[NDArray[Any]]", thresholds: Sequence[float], dtype: Any) -> "NDArray[Any]":
    """The mask of one slab, of `dtype` and the slabs' shape.

    slabs: maps of one shape in any real dtype, amplitude-normalised. A NaN never wins.
    """
    import numpy as np

    winner = np.zeros(slabs[0].shape, dtype)
    best: NDArray[np.float32] | None = None
    for value, (slab, threshold) in enumerate(zip(slabs, thresholds, strict=True), 1):
        # Compared as float32 with a float32 threshold: a voxel stored as 0.8 is not above 0.8.
        strength = _as_float32(slab)
        wins = strength > np.float32(threshold)
        if best is None:
            # -inf where the first map does not compete, so that only thresholds decide there.
            best = np.where(wins, strength, np.float32(-np.inf))
        else:
            wins &= strength > best
            np.copyto(best, strength, where=wins)
        np.copyto(winner, np.asarray(value, dtype), where=wins)
    return winner


@cache
def _float16_values() -> "NDArray[np.float32]":
    import numpy as np

    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _as_float32(slab: "NDArray[Any]") -> "NDArray[np.float32]":
    """A copy of `slab` as float32, exact for every type that a map can have."""
    import numpy as np

    if slab.dtype == np.float16 and slab.dtype.isnative:
        # Looking the 65536 values up takes 2.3 ns a voxel, numpy's own conversion 5.5.
        return _float16_values()[slab.view(np.uint16)]
    return slab.astype(np.float32)


def label_names(paths: Sequence[Path]) -> list[str]:
    """The features' names from the file names; a name that comes twice gets a number, as each label has its own."""
    names: list[str] = []
    for path in paths:
        name, number = feature_of(path), 2
        while name in names:
            name, number = f"{feature_of(path)} {number}", number + 1
        names.append(name)
    return names


def _check_output(options: Options) -> None:
    if options.output.is_dir():
        raise TomosegError(
            f"{options.output} is a folder: name the mask's file, such as {options.output / 'mask.mrc'}."
        )
    named = {path.resolve() for path in (*options.maps, *([options.like] if options.like else []))}
    if options.output.resolve() in named:
        raise TomosegError(f"{options.output} is one of the files to read: give the mask a name of its own.")


def _reference(options: Options, maps: "list[Tomogram]") -> "Tomogram | None":
    """The tomogram whose size the maps are brought to; None where they are taken as they are."""
    from ml.volumes import open_any

    if options.like is not None:
        return open_any(options.like)
    if options.resample and any(single.shape != maps[0].shape for single in maps):
        return max(maps, key=lambda single: single.data.size)
    return None


def _check_shapes(options: Options, maps: "list[Tomogram]") -> None:
    from tomo.mask_checks import size_words

    for path, single in zip(options.maps, maps, strict=True):
        if single.shape != maps[0].shape:
            raise TomosegError(
                f"{path} has {size_words(single.shape)} voxels (x × y × z), but {options.maps[0]} has "
                f"{size_words(maps[0].shape)}: merge maps of one tomogram, or bring other bins to one size with "
                "--resample."
            )


def _tell_differences(options: Options, maps: "list[Tomogram]", report: Report) -> None:
    """Log what was repaired in a map, and maps of one shape that seem to lie elsewhere in space."""
    first = maps[0].geometry
    for path, single in zip(options.maps, maps, strict=True):
        for note in single.notes:
            report.log(f"{path}: {note}")
        if single.geometry != first:
            report.log(f"{path} has another voxel size or origin than {options.maps[0]}, whose place the mask gets.")


def _merge(options: Options, maps: "list[Tomogram]", thresholds: list[float], report: Report) -> dict[str, Any]:
    from tomo.features import PALETTE
    from tomo.label_table import LabelEntry, label_table_path, save_label_table
    from tomo.mrc import MrcWriter

    _tell_differences(options, maps, report)
    names = label_names(options.maps)
    dtype = "int8" if len(maps) <= MOST_INT8_LABELS else "int16"
    notes = [f"Tomoseg mask of {counted(len(maps), 'feature')}"]
    with MrcWriter(options.output, maps[0].shape, dtype, maps[0].geometry, notes) as writer:
        voxels = _write_slabs(writer, maps, thresholds, dtype, report)
        colours = options.colours or [PALETTE[i % len(PALETTE)] for i in range(len(maps))]
        entries = [LabelEntry(i, name, colour) for i, (name, colour) in enumerate(zip(names, colours, strict=True), 1)]
        table = label_table_path(options.output)
        save_label_table(table, entries)
    labels = [
        {"value": entry.value, "name": entry.name, "colour": entry.colour, "threshold": threshold, "voxels": count}
        for entry, threshold, count in zip(entries, thresholds, voxels, strict=True)
    ]
    return {"mask": str(options.output), "label_table": str(table), "shape": list(maps[0].shape), "labels": labels}


def _write_slabs(writer: Any, maps: "list[Tomogram]", thresholds: list[float], dtype: str, report: Report) -> list[int]:
    """Write the mask; returns the number of voxels of each label. Two slabs are in work at a time."""
    import numpy as np

    slices, rows, columns = maps[0].shape
    depth = max(1, SLAB_VOXELS // (rows * columns))
    counts = np.zeros(len(maps) + 1, np.int64)
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, slices, THREADS * depth):
            report.progress(first / slices, f"Merging {tomogram_name(maps[0].path)}")
            starts = range(first, min(first + THREADS * depth, slices), depth)
            tasks = [pool.submit(_merge_at, maps, thresholds, dtype, z, min(z + depth, slices)) for z in starts]
            for z, task in zip(starts, tasks, strict=True):
                mask, count = task.result()
                writer.write(z, mask)
                counts += count
    report.progress(1.0, "Merged")
    return [int(count) for count in counts[1:]]


def _merge_at(
    maps: "list[Tomogram]", thresholds: list[float], dtype: str, start: int, stop: int
) -> "tuple[NDArray[Any], NDArray[np.int64]]":
    """The mask of slices start to stop, and how many voxels each value from 0 on has."""
    import numpy as np

    mask = merge_slab([single.data[start:stop] for single in maps], thresholds, dtype)
    counted = [int(np.count_nonzero(mask == value)) for value in range(1, len(maps) + 1)]
    return mask, np.array([mask.size - sum(counted), *counted], np.int64)
