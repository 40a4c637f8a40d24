"""Checking an annotation before training: what the protocol's tips warn of, each with the place to look at.

The checks are pure functions on `Sample`s, in `lint_checks`; this file reads a project and puts their findings
into one list, the worst first.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import NEGATIVE, POSITIVE, Box
from .errors import TomosegError
from .files import read_json
from .labels import FEATURE, annotated_slices, crop, load_label
from .lint_checks import CHECKS, STRONG, Finding, Sample, stray_paint, worst_scores
from .mrc import Tomogram, open_tomogram
from .project import Project

UNKNOWN = np.nan


def check_annotation(project: Project, feature: str) -> list[Finding]:
    """All findings on a feature's boxes and labels, problems before hints. Reads the boxes' slices only.

    Raises TomosegError where a file of the project is damaged or gone.
    """
    reader = _Reader(project, feature)
    boxes = [box for box in project.boxes() if box.feature == feature]
    samples = [reader.sample(box) for box in boxes if box.kind in (POSITIVE, NEGATIVE)]
    findings = [finding for check in CHECKS for finding in check(samples)]
    findings += _stray(reader, boxes)
    findings += worst_scores(samples, read_scores(project.triplets_path(feature).with_suffix(".json")))
    return sorted(findings, key=lambda finding: not finding.problem)


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
            self.labels[path] = load_label(path, (height, width))
        known = tomogram.geometry.voxel_size_known
        return Sample(
            box,
            crop(np.asarray(tomogram.data[z], np.float32), box, UNKNOWN),
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
        return crop(np.asarray(found.data[z], np.float32), box, 0.0) if z < found.shape[0] else None

    def _open(self, path: Path) -> Tomogram:
        if path not in self.opened:
            self.opened[path] = open_tomogram(path)
        return self.opened[path]


def painted_or_predicted(project: Project, tomogram: str, feature: str, z: int) -> NDArray[np.bool_] | None:
    """Where the feature is painted, or its map is above the merging threshold, on a slice; None if nothing is known."""
    entry = project.tomogram(tomogram)
    label_path, map_path = project.label_path(tomogram, feature, z), project.segmentation_path(tomogram, feature)
    known = None
    if label_path.is_file():
        known = load_label(label_path, entry.shape[1:]) == FEATURE
    if map_path.is_file():
        found = open_tomogram(map_path)
        if found.shape == entry.shape:
            strong = np.asarray(found.data[z]) > STRONG
            known = strong if known is None else known | strong
    return known
