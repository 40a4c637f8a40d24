"""Checking an annotation before training: what the protocol's tips warn of, each with the place to look at.

The checks are pure functions on `Sample`s, in `lint_checks`; this file reads a project and puts their findings
into one list, the worst first.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import POSITIVE, Box
from .errors import TomosegError
from .files import read_json
from .labels import FEATURE, annotated_slices, crop, load_label
from .lint_checks import CHECKS, STRONG, Finding, Sample, stray_paint, worst_scores
from .mrc import Tomogram, open_tomogram
from .project import Project
from .scale import known_part, scale_hint, width_of


def check_annotation(project: Project, feature: str) -> list[Finding]:
    """All findings on a feature's boxes and labels, problems before hints. Reads the boxes' slices only.

    Raises TomosegError where a file of the project is damaged or gone.
    """
    reader = _Reader(project, feature)
    boxes = [box for box in project.boxes() if box.feature == feature]
    boxes.sort(key=lambda box: (box.tomogram, box.centre[2], box.centre[1], box.centre[0]))
    samples = [reader.sample(box) for box in boxes]
    findings = [finding for check in CHECKS for finding in check(samples)]
    findings += _stray(reader, boxes)
    findings += scale_findings(project, feature)
    findings += worst_scores(samples, read_scores(project.triplets_path(feature).with_suffix(".json")))
    return sorted(findings, key=lambda finding: not finding.problem)


def scale_findings(project: Project, feature: str) -> list[Finding]:
    """For each tomogram in which the painted objects are too large or too small for their boxes: another bin."""
    boxes = [box for box in project.boxes() if box.feature == feature]
    found = []
    for entry in project.tomograms():
        here = [box for box in boxes if box.tomogram == entry.name and box.kind == POSITIVE]
        slices = annotated_slices(project, entry.name, feature) if here else []
        size, widths = max((box.size for box in here), default=0), []
        for z in slices:
            painted = load_label(project.label_path(entry.name, feature, z), entry.shape[1:]) == FEATURE
            known = known_part(painted, [box for box in here if box.centre[2] == z])
            if (width := width_of(painted, known, 4 * size)) is not None:
                widths.append(width)
        if sentence := scale_hint(feature, entry.name, widths, size, entry.shrink):
            found.append(Finding(sentence, "another bin", entry.name, slices[0], problem=False))
    return found


def _stray(reader: "_Reader", boxes: list[Box]) -> list[Finding]:
    found = []
    for entry in reader.project.tomograms():
        for z in annotated_slices(reader.project, entry.name, reader.feature):
            label = load_label(reader.project.label_path(entry.name, reader.feature, z), entry.shape[1:])
            here = [box for box in boxes if box.tomogram == entry.name and box.centre[2] == z]
            found += stray_paint(entry.name, z, label, here)
    return found


def read_scores(path: Path) -> dict[str, float]:
    """Dice by box id, from the scores that training wrote beside its triplets; empty where there are none.

    Raises TomosegError if the file is damaged.
    """
    if not path.is_file():
        return {}
    entries = read_json(path)
    try:
        return {str(entry["id"]): float(entry["dice"]) for entry in entries["boxes"]}
    except (KeyError, TypeError, ValueError) as error:
        raise TomosegError(f"{path} is damaged: train the network again.") from error


@dataclass
class _Reader:
    """Opens each tomogram, map and label file of a check once."""

    project: Project
    feature: str
    opened: dict[Path, Tomogram] = field(default_factory=dict)
    labels: dict[Path, NDArray[np.int8]] = field(default_factory=dict)

    def sample(self, box: Box) -> Sample:
        tomogram = self._open(self.project.tomogram_path(box.tomogram))
        depth, height, width = tomogram.shape
        z = min(max(box.centre[2], 0), depth - 1)
        path = self.project.label_path(box.tomogram, self.feature, z)
        if path not in self.labels:
            self.labels = {path: load_label(path, (height, width))}  # boxes come slice by slice, and slices are large
        picture = crop(tomogram.data[z], box, 0).astype(np.float32)
        picture[crop(np.broadcast_to(np.int8(1), (height, width)), box, 0) == 0] = np.nan
        known = tomogram.geometry.voxel_size_known
        return Sample(
            box,
            picture,
            crop(self.labels[path], box, 0),
            self._predicted(box, z),
            tomogram.shape,
            tomogram.geometry.voxel_size[0] if known else 0.0,
        )

    def _predicted(self, box: Box, z: int) -> NDArray[np.float32] | None:
        path = self.project.segmentation_path(box.tomogram, self.feature)
        if not path.is_file():
            return None
        found: Any = self._open(path)
        return crop(found.data[z], box, 0).astype(np.float32) if z < found.shape[0] else None

    def _open(self, path: Path) -> Tomogram:
        if path not in self.opened:
            self.opened[path] = open_tomogram(path)
        return self.opened[path]


def painted_or_predicted(project: Project, box: Box) -> bool:
    """True if the box's feature is painted in it, or its map is above the merging threshold there."""
    label = project.label_path(box.tomogram, box.feature, box.centre[2])
    if label.is_file() and (crop(open_tomogram(label, single_slice=True).data[0], box, 0) == FEATURE).any():
        return True
    path = project.segmentation_path(box.tomogram, box.feature)
    if not path.is_file():
        return False
    found = open_tomogram(path)
    return box.centre[2] < found.shape[0] and bool((crop(found.data[box.centre[2]], box, 0) > STRONG).any())
