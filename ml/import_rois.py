"""Bring boxes and painted labels made in EMAN2 into a project, so that the work goes on here.

Takes stacks that tell where their boxes lie (_good with _good_seg, _bad) and info files (info/*_info.json). Labels are
painted into the tomogram's slices; what was painted there before stays.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Report
from tomo.boxes import KINDS, NEGATIVE, POSITIVE, Box
from tomo.labels import BACKGROUND, FEATURE, load_label, save_label
from tomo.project import Project
from tomo.words import both_kinds, counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "bring boxes and labels made in EMAN2 into a project"


@dataclass(frozen=True)
class Options:
    """What this step takes."""

    project: Path = option(help="project folder", metavar="DIR")
    tomogram: str = option(help="the tomogram's name in the project, of the bin that was boxed")
    feature: str = option(help="the feature; added if it is new")
    positives: Path | None = option(None, help="stack of positive boxes (_good)", metavar="STACK")
    labels: Path | None = option(None, help="stack of their labels (default: _good_seg beside it)", metavar="STACK")
    negatives: Path | None = option(None, help="stack of negative boxes (_bad)", metavar="STACK")
    info: Path | None = option(None, help="EMAN2's info file with boxes, instead of stacks", metavar="JSON")
    only: str | None = option(None, help="the class of the info file to take, by name or number")
    kind: str = option(POSITIVE, help="what the info file's boxes are", choices=KINDS)
    shrink: int = option(1, help="by how much the tomogram was shrunk since the boxes of an old info file")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Add boxes and labels to the project; raises TomosegError, and then nothing was added."""
    if not (options.positives or options.negatives or options.info):
        raise UsageError("name --positives, --negatives or --info")
    from ml.eman2_stacks import boxes_of_info, boxes_of_stack, companions, read_labels, read_stack

    project = Project.open(options.project)
    entry = project.tomogram(options.tomogram)
    boxes: list[Box] = []
    painted: dict[str, NDArray[np.int8]] = {}
    if options.positives:
        stack = read_stack(options.positives)
        boxes += boxes_of_stack(stack, entry, options.feature, POSITIVE)
        if labels := options.labels or companions(options.positives)[0]:
            painted = dict(zip([box.id for box in boxes], read_labels(labels, stack), strict=True))
    if options.negatives:
        boxes += boxes_of_stack(read_stack(options.negatives), entry, options.feature, NEGATIVE)
    if options.info:
        only, shrink = options.only, max(1, options.shrink)
        boxes += boxes_of_info(options.info, entry, options.feature, options.kind, only=only, shrink=shrink)
    if all(feature.name != options.feature for feature in project.features()):
        project.add_feature(options.feature)
    new = _new(boxes, project.boxes())
    slices = _paint(project, options, new, painted)
    project.save_boxes([*project.boxes(), *new])
    report.log(f"{counted(len(new), 'box')} added, {len(boxes) - len(new)} there before.")
    counts = {kind: sum(box.kind == kind for box in new) for kind in KINDS}
    return {"added": len(new), "present": len(boxes) - len(new), "slices": slices, **counts}


def describe(result: dict[str, Any]) -> str:
    """What was added."""
    return (
        f"{both_kinds(result[POSITIVE], result[NEGATIVE])} added, {result['present']} there "
        f"before; labels painted on {counted(len(result['slices']), 'slice')}."
    )


def _new(boxes: Iterable[Box], present: list[Box]) -> list[Box]:
    known = {(box.tomogram, box.feature, box.kind, box.centre, box.size) for box in present}
    return [box for box in boxes if (box.tomogram, box.feature, box.kind, box.centre, box.size) not in known]


def _paint(project: Project, options: Options, boxes: list[Box], painted: "dict[str, NDArray[np.int8]]") -> list[int]:
    """Paint the new boxes' labels into the slices' label files; the slices written."""
    from ml.volumes import open_any

    tomogram = open_any(project.tomogram_path(options.tomogram))
    slices = sorted({box.centre[2] for box in boxes if box.id in painted})
    for z in slices:
        path = project.label_path(options.tomogram, options.feature, z)
        label = load_label(path, tomogram.shape[1:])
        for box in boxes:
            if box.centre[2] == z and box.id in painted:
                paste(label, box, painted[box.id])
        save_label(path, label, tomogram.geometry)
    return slices


def paste(label: "NDArray[np.int8]", box: Box, patch: "NDArray[np.int8]") -> None:
    """Paint `patch` [size, size] into a slice [y, x] where the box lies; only what was background changes."""
    x, y = box.corner
    y0, x0 = max(y, 0), max(x, 0)
    target = label[y0 : y + box.size, x0 : x + box.size]
    part = patch[y0 - y :, x0 - x :][: target.shape[0], : target.shape[1]]
    target[(target == BACKGROUND) & (part == FEATURE)] = FEATURE
