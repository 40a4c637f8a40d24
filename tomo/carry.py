"""Carrying boxes and painted labels from one bin or variant of a tomogram to another of its family."""

import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .boxes import POSITIVE, Box
from .errors import TomosegError
from .labels import BACKGROUND, FEATURE, IGNORE, annotated_slices, load_label, save_label
from .mrc import open_tomogram
from .project import Project, TomogramEntry

_LARGEST_TERM = 64  # of the fraction between two bins; 3/2 and 1/16 are usual
_SHAPE_TOLERANCE = 2  # voxels of the coarser of the two: shrinking cuts off what does not fill a block
_SIZE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Carried:
    """What was carried. slices: z in the target that were written. kept: z painted before, left as they were."""

    boxes: list[Box]
    slices: list[int]
    kept: list[int]


def carry(project: Project, source: str, target: str, feature: str) -> Carried:
    """Copy the boxes and labels of `feature` from tomogram `source` to `target`, and save both.

    Doing it again moves the copies and adds none. A slice that is painted already is never touched.
    Raises TomosegError where the two are no bins or variants of one tomogram.
    """
    given, wanted = project.tomogram(source), project.tomogram(target)
    if given.name == wanted.name:
        raise TomosegError(f"{source} cannot be carried to itself: choose another bin or variant.")
    scale = scale_between(given, wanted)
    own = [box for box in project.boxes() if box.tomogram == source and box.feature == feature]
    copies = [carry_box(box, scale, target) for box in own]
    # Labels first: were the disk full, no box would stand on a slice without its label.
    slices, kept = _carry_labels(project, (source, target), feature, scale, own)
    identities = {box.id for box in copies}
    project.save_boxes([*(box for box in project.boxes() if box.id not in identities), *copies])
    return Carried(copies, slices, kept)


def scale_between(source: TomogramEntry, target: TomogramEntry) -> Fraction:
    """How many voxels of `target` one voxel of `source` spans along each axis: 1/4 from raw to bin 4.

    From the voxel sizes where both are known, else from how far each was shrunk. Raises TomosegError
    where families or shapes differ.
    """
    if source.family != target.family:
        raise TomosegError(f"{source.name} and {target.name} are no bins or variants of one tomogram.")
    sizes = (source.voxel_size[0], target.voxel_size[0])
    scale = Fraction(source.shrink, target.shrink)
    if all(size not in (0.0, 1.0) for size in sizes):
        ratio = sizes[0] / sizes[1]
        simple = min((_nearest(ratio, term) for term in range(1, 13)), key=lambda each: abs(float(each) / ratio - 1))
        scale = simple if abs(float(simple) / ratio - 1) <= _SIZE_TOLERANCE else scale
    _require_shapes(source, target, scale)
    return scale


def _nearest(ratio: float, denominator: int) -> Fraction:
    return Fraction(max(1, round(ratio * denominator)), denominator)


def _require_shapes(source: TomogramEntry, target: TomogramEntry, scale: Fraction) -> None:
    if max(scale.numerator, scale.denominator) > _LARGEST_TERM:
        raise TomosegError(f"The voxels of {source.name} and {target.name} are in no simple ratio ({scale}).")
    if not (all(source.shape) and all(target.shape)):
        return
    for ours, theirs in zip(source.shape, target.shape, strict=True):
        if abs(ours * scale - theirs) > _SHAPE_TOLERANCE * max(scale, Fraction(1)):
            raise TomosegError(
                f"{target.name} {target.shape} is not {source.name} {source.shape} at {scale} of its size "
                "(z, y, x): they are no bins or variants of one tomogram."
            )


def carry_box(box: Box, scale: Fraction, target: str) -> Box:
    """The same square in the voxels of tomogram `target`; its id follows from the old one's."""
    size = max(2, round(box.size * scale))
    middle = ((corner + Fraction(box.size, 2)) * scale for corner in box.corner)
    x, y = (round(value - Fraction(size, 2)) + size // 2 for value in middle)
    identity = hashlib.sha256(f"{box.id} in {target}".encode()).hexdigest()[:12]
    return replace(box, tomogram=target, centre=(x, y, carry_slice(box.centre[2], scale)), size=size, id=identity)


def carry_slice(z: int, scale: Fraction) -> int:
    """The slice of the target that holds the middle of slice `z`."""
    return int((z + Fraction(1, 2)) * scale)


def carry_label(label: NDArray[np.int8], scale: Fraction, shape_yx: tuple[int, int]) -> NDArray[np.int8]:
    """A painted slice [y, x] at another bin: repeated voxels, then the majority of each block (ties to the feature).

    What the source does not cover becomes "ignore", since nobody annotated it.
    """
    up, down = scale.numerator, scale.denominator
    height, width = (side * down for side in shape_yx)
    fine = np.repeat(np.repeat(label, up, axis=0), up, axis=1)[:height, :width]
    missing = ((0, height - fine.shape[0]), (0, width - fine.shape[1]))
    blocks = np.pad(fine, missing, constant_values=IGNORE).reshape(shape_yx[0], down, shape_yx[1], down)
    ranked = (FEATURE, IGNORE, BACKGROUND)
    counts = np.stack([np.count_nonzero(blocks == value, axis=(1, 3)) for value in ranked])
    return np.array(ranked, np.int8)[counts.argmax(axis=0)]


def _carry_labels(
    project: Project, names: tuple[str, str], feature: str, scale: Fraction, boxes: list[Box]
) -> tuple[list[int], list[int]]:
    """Write the target's label files that are not there yet; returns (written, kept) slices."""
    source, target = (open_tomogram(project.tomogram_path(name)) for name in names)
    painted = set(annotated_slices(project, names[1], feature))
    groups: dict[int, list[int]] = {}
    for z in annotated_slices(project, names[0], feature):
        groups.setdefault(carry_slice(z, scale), []).append(z)
    groups = {z: group for z, group in groups.items() if z < target.shape[0]}
    for z in sorted(groups.keys() - painted):
        labels = {each: load_label(project.label_path(names[0], feature, each), source.shape[1:]) for each in groups[z]}
        carried = carry_label(_composed(labels, boxes), scale, target.shape[1:])
        save_label(project.label_path(names[1], feature, z), carried, target.geometry)
    return sorted(groups.keys() - painted), sorted(groups.keys() & painted)


def _composed(labels: dict[int, NDArray[np.int8]], boxes: list[Box]) -> NDArray[np.int8]:
    """One slice of several that fall together: the one with most boxes, and in each box its own slice's label."""
    positives = {z: [box for box in boxes if box.kind == POSITIVE and box.centre[2] == z] for z in labels}
    order = sorted(labels, key=lambda z: (len(positives[z]), -z))
    result = labels[order[-1]].copy()
    for z in order:  # the slice with most boxes last, so that its boxes are whole
        for box in positives[z]:
            x, y = box.corner
            part = (slice(max(y, 0), max(y + box.size, 0)), slice(max(x, 0), max(x + box.size, 0)))
            result[part] = labels[z][part]
    return result
