"""Label masks as measuring and surfaces read them: integers on demand, checked once, never whole in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ml.report import Report
from tomo.errors import TomosegError
from tomo.features import PALETTE
from tomo.geometry import Geometry
from tomo.label_table import LabelEntry, check_label_count, entries_for, label_table_path, load_label_table
from tomo.mask_checks import check_label_values, check_numbers
from tomo.mrc import Tomogram
from tomo.names import feature_of, tomogram_name

SLAB_VOXELS = 16 * 2**20
SAMPLED_SLICES = 4
Region = tuple[slice, slice, slice]


@dataclass(frozen=True)
class LabelExtent:
    """One label of a mask. box: [z, y, x] slices that hold all of its voxels. triangles: about how many its outline
    will have, from a sample of slices."""

    entry: LabelEntry
    voxels: int
    box: Region
    triangles: int = 0


@dataclass(frozen=True, eq=False)
class Mask:
    """A label mask, or a map with a threshold, that is read region by region.

    data: [z, y, x], a memory map where the file allows. threshold: None for a mask of integers; for a map, a
    voxel is 1 where it lies strictly above. labels: those that occur, in the order of their integers.
    reach: how far a map's values lie from the threshold at most.
    """

    path: Path
    name: str
    data: NDArray[Any]
    geometry: Geometry
    threshold: float | None = None
    labels: tuple[LabelExtent, ...] = ()
    reach: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """[z, y, x] in voxels."""
        z, y, x = self.data.shape
        return z, y, x

    def read(self, region: Region) -> NDArray[Any]:
        """The integers of one region, [z, y, x] in the machine's byte order."""
        part = self.data[region]
        if self.threshold is not None:
            return (part > self.threshold).astype(np.int8)
        if part.dtype.kind == "f":
            return part.astype(np.int32)
        return np.ascontiguousarray(part, part.dtype.newbyteorder("="))

    def is_label(
        self, z: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64], value: int
    ) -> NDArray[np.bool_]:
        """True for each of these voxels that has this label."""
        # Without memmap's own indexing, which costs more than the look-up.
        found = np.asarray(self.data)[z, y, x]
        return found > self.threshold if self.threshold is not None else found == value


def slab_ranges(shape: tuple[int, int, int], voxels: int = SLAB_VOXELS) -> Iterator[tuple[int, int]]:
    """Yield (z0, z1) of slabs with at most `voxels` voxels each, at least one slice."""
    depth = max(1, voxels // max(1, shape[1] * shape[2]))
    for z0 in range(0, shape[0], depth):
        yield z0, min(z0 + depth, shape[0])


def open_mask(
    path: Path, report: Report, *, threshold: float | None = None, voxel_size: float | None = None, sample: int = 1
) -> Mask:
    """Open a mask (or a map, with a threshold) and check all of its voxels once, slab by slab.

    voxel_size: Å, in place of the file's. sample: take only every so manieth voxel along each axis. Raises
    TomosegError for a mask without labels and for values that cannot be labels (fractions, negative, NaN, too many).
    """
    from ml.volumes import open_any

    tomogram = open_any(path)
    if voxel_size is not None:
        tomogram = replace(tomogram, geometry=tomogram.geometry.with_voxel_size(voxel_size))
    return mask_of(_sampled(tomogram, sample), report, threshold)


def _sampled(tomogram: Tomogram, step: int) -> Tomogram:
    """Every `step`th voxel along each axis, at its place: its centre stays where it was."""
    if step == 1:
        return tomogram
    old = tomogram.geometry
    # A voxel of the new size is centred on the old voxel, so it begins before it.
    x, y, z = (place - (step - 1) / 2 * size for place, size in zip(old.place, old.voxel_size, strict=True))
    new_x, new_y, new_z = (size * step for size in old.voxel_size)
    geometry = Geometry((new_x, new_y, new_z), (x, y, z))
    return replace(tomogram, data=tomogram.data[::step, ::step, ::step], geometry=geometry)


def mask_of(tomogram: Tomogram, report: Report, threshold: float | None = None) -> Mask:
    """The checked mask in an opened file; see `open_mask`."""
    path = tomogram.path
    for note in tomogram.notes:
        report.log(f"{path.name}: {note}")
    mask = Mask(path, tomogram.name, tomogram.data, tomogram.geometry, threshold)
    found, triangles, reach = _find_labels(mask, report)
    if not found:
        raise TomosegError(_nothing_found(mask))
    if threshold is None:
        entries = entries_for(sorted(found), load_label_table(label_table_path(path)))
    else:
        entries = [LabelEntry(1, feature_of(path), PALETTE[0])]
    extents = tuple(LabelExtent(entry, *found[entry.value], triangles.get(entry.value, 0)) for entry in entries)
    return replace(mask, name=_tomogram_of(mask), labels=extents, reach=reach)


def _tomogram_of(mask: Mask) -> str:
    """The tomogram's name: what stands before the last `__` of the file's name, or all of it."""
    name = tomogram_name(mask.path)
    before = name.rpartition("__")[0]
    return before or name


def _nothing_found(mask: Mask) -> str:
    if mask.threshold is not None:
        return f"{mask.path} is nowhere above {mask.threshold:g}: give a lower threshold."
    return f"{mask.path} holds no label (every voxel is 0): merge again with a lower threshold, or choose another mask."


def _find_labels(mask: Mask, report: Report) -> tuple[dict[int, tuple[int, Region]], dict[int, int], float]:
    """For each value above 0 that occurs: its voxels and its box, its triangles; and the mask's `reach`. Reads the
    file once."""
    counts: dict[int, int] = {}
    boxes: dict[int, Region] = {}
    crossings = np.zeros(np.iinfo(np.uint16).max + 1, np.int64)
    reach = 0.0
    for z0, z1 in slab_ranges(mask.shape):
        report.progress(0.05 * z0 / mask.shape[0], f"Reading {mask.path.name}")
        slab = _checked(mask, mask.data[z0:z1])
        crossings += _crossings(slab, len(crossings))
        if mask.threshold is not None:
            raw = mask.data[z0:z1]
            reach = max(reach, float(raw.max()) - mask.threshold, mask.threshold - float(raw.min()))
        for value, box in enumerate(ndimage.find_objects(slab), 1):
            if box is None:
                continue
            counts[value] = counts.get(value, 0) + int(np.count_nonzero(slab[box] == value))
            moved = (slice(box[0].start + z0, box[0].stop + z0), box[1], box[2])
            boxes[value] = _union(boxes[value], moved) if value in boxes else moved
        check_label_count(mask.path, len(counts))
    return {value: (counts[value], boxes[value]) for value in sorted(counts)}, _triangles(crossings), reach


def _crossings(slab: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """How often each label begins or ends along the axes, counted on some slices; int64 (size,)."""
    found = np.zeros(size, np.int64)
    upper = slab[1::SAMPLED_SLICES]
    below = slab[::SAMPLED_SLICES][: len(upper)]
    pairs = [(below, upper), (below[:, 1:], below[:, :-1]), (below[:, :, 1:], below[:, :, :-1])]
    for first, second in pairs:
        differ = first != second
        found += np.bincount(first[differ], minlength=size) + np.bincount(second[differ], minlength=size)
    return found


def _triangles(crossings: NDArray[np.int64]) -> dict[int, int]:
    """Marching cubes gives about two triangles for each side of a voxel that is exposed."""
    return {int(value): int(2 * SAMPLED_SLICES * crossings[value]) for value in np.flatnonzero(crossings)}


def _checked(mask: Mask, slab: NDArray[Any]) -> NDArray[np.int32]:
    """`slab` as the labels that it holds; raises TomosegError where they are none."""
    if mask.threshold is not None:
        check_numbers(mask.path, slab)
        return (slab > mask.threshold).astype(np.int32)
    check_label_values(mask.path, slab, ", or give --threshold")
    high = slab.max() if slab.size else 0
    if high > np.iinfo(np.uint16).max:
        raise TomosegError(f"{mask.path} holds values up to {high:g}, too large for labels: choose a mask.")
    return slab.astype(np.int32)


def _union(first: Region, second: Region) -> Region:
    z, y, x = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return z, y, x
