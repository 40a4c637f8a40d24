"""Bring boxes and labels of an Ais training set (.scnt) into a project, so that the work goes on here.

Boxes of the tomogram and the feature are taken, by their names in Ais. Labels are painted into the tomogram's slices;
what was painted there before stays. Ais' boxes say where they lie in the tomogram that was boxed: import the same file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Report
from tomo.boxes import KINDS, NEGATIVE, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.labels import BACKGROUND, FEATURE, IGNORE, load_label, save_label
from tomo.names import tomogram_name
from tomo.project import Project, TomogramEntry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.scnt import Scnt, ScntBox

SUMMARY = "bring boxes and labels of an Ais training set into a project"


@dataclass(frozen=True)
class Options:
    """What `tomoseg import-scnt` takes."""

    scnt: Path = option(help="training set that Ais wrote (.scnt)", positional=True, metavar="SCNT")
    project: Path = option(help="project folder", metavar="DIR")
    tomogram: str = option(help="the tomogram's name in the project", metavar="NAME")
    feature: str = option(help="the feature; added if it is new", metavar="NAME")
    named: str | None = option(None, help="the tomogram's name in Ais (default: the same)", metavar="NAME")
    only: str | None = option(None, help="the feature's name in Ais (default: the same)", metavar="NAME")
    shrink: int = option(
        0,
        help="by how much the tomogram was shrunk since Ais boxed it (default: as at its import)",
        metavar="N",
    )


def run(options: Options, report: Report) -> dict[str, Any]:
    """Add boxes and labels to the project; raises TomosegError, and then nothing was added."""
    from ml.scnt import open_scnt
    from ml.volumes import open_any

    project = Project.open(options.project)
    entry = project.tomogram(options.tomogram)
    tomogram = open_any(project.tomogram_path(options.tomogram))
    known = {_place(box) for box in project.boxes()}
    new: list[tuple[Box, NDArray[np.int8]]] = []
    with open_scnt(options.scnt) as scnt:
        chosen = _chosen(scnt, options, entry)
        for number, source in enumerate(chosen):
            report.progress(number / len(chosen), f"Reading the boxes of {options.scnt.name}")
            box, label = _taken(scnt, source, options, options.shrink or max(1, entry.shrink))
            if not box.touches(tomogram.shape):
                raise TomosegError(
                    f"A box of {options.scnt} at x, y, z {source.centre} lies outside {options.tomogram}: name the "
                    "tomogram that Ais boxed, and --shrink."
                )
            if _place(box) not in known:
                new.append((box, label))
    if all(feature.name != options.feature for feature in project.features()):
        project.add_feature(options.feature)
    slices = sorted({box.centre[2] for box, _ in new})
    for z in slices:
        path = project.label_path(options.tomogram, options.feature, z)
        here = [(box, label) for box, label in new if box.centre[2] == z]
        save_label(path, _painted(load_label(path, tomogram.shape[1:]), here), tomogram.geometry)
    project.save_boxes([*project.boxes(), *(box for box, _ in new)])
    counts = {kind: sum(box.kind == kind for box, _ in new) for kind in KINDS}
    return {"added": len(new), "present": len(chosen) - len(new), "slices": slices, **counts}


def describe(result: dict[str, Any]) -> str:
    """What was added."""
    from ml.import_rois import describe as describe_import

    return describe_import(result)


def _place(box: Box) -> tuple[Any, ...]:
    return box.tomogram, box.feature, box.centre, box.size


def _chosen(scnt: "Scnt", options: Options, entry: TomogramEntry) -> "list[ScntBox]":
    """The boxes that are meant; raises TomosegError, with the names that there are, where there are none."""
    names = {options.named} if options.named else {entry.name, entry.family, tomogram_name(Path(entry.source))}
    feature = options.only or options.feature
    chosen = [box for box in scnt.boxes if box.tomogram in names and box.feature == feature]
    if not chosen:
        there = sorted({f"{box.feature} in {box.tomogram}" for box in scnt.boxes})
        more = ", …" if len(there) > 5 else ""
        raise TomosegError(
            f"{scnt.path} has no box of {feature} in {options.named or entry.name}, but of {', '.join(there[:5])}{more}"
            ": give these names as --only and --named."
        )
    return chosen


def _taken(scnt: "Scnt", source: "ScntBox", options: Options, shrink: int) -> "tuple[Box, NDArray[np.int8]]":
    """A box in voxels of the project's tomogram, and its label [size, size]."""
    import numpy as np

    label = scnt.label(source)
    size = max(4, round(source.side / shrink))
    rows, columns = (((np.arange(size) + 0.5) * side / size).astype(int) for side in label.shape)
    label = label[np.ix_(rows, columns)]
    x, y, z = source.centre
    kind = POSITIVE if (label == FEATURE).any() and not source.negative else NEGATIVE
    centre = (round(x / shrink), round(y / shrink), z // shrink)
    return Box(options.tomogram, options.feature, kind, centre, size), label


def _painted(slice_label: "NDArray[np.int8]", boxes: "list[tuple[Box, NDArray[np.int8]]]") -> "NDArray[np.int8]":
    """The label of a slice [y, x] with the boxes' labels in it. Ignored is what no other box has annotated."""
    import numpy as np

    feature, annotated, ignored = (np.zeros(slice_label.shape, bool) for _ in range(3))
    for box, label in boxes:
        x, y = box.corner
        y0, x0 = max(y, 0), max(x, 0)
        here = (slice(y0, max(y + box.size, 0)), slice(x0, max(x + box.size, 0)))
        part = label[y0 - y :, x0 - x :][: feature[here].shape[0], : feature[here].shape[1]]
        feature[here] |= part == FEATURE
        annotated[here] |= part != IGNORE
        ignored[here] |= part == IGNORE
    free = slice_label == BACKGROUND
    slice_label[free & ignored & ~annotated] = IGNORE
    slice_label[free & feature] = FEATURE
    return slice_label
