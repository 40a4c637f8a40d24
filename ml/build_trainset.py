"""Build the training set of a feature.

With --project it takes the boxes and painted labels of the feature in all tomograms of the project. With --positives,
--labels and --negatives it takes stacks that were made in EMAN2 (_good, _good_seg, _bad; HDF or MRC).
Negative boxes are not needed, but without them a network finds its feature in many places where it is not.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Report
from tomo.boxes import ADVISED_NEGATIVES, ADVISED_POSITIVES, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.labels import annotated_slices, load_label
from tomo.lint import scale_findings
from tomo.mrc import Tomogram
from tomo.preprocessing import Preprocessing, preprocessing_of
from tomo.project import Project
from tomo.reasons import missing_for_trainset
from tomo.words import both_kinds, counted

if TYPE_CHECKING:
    from ml.trainset import Trainset, TrainsetInfo

SUMMARY = "build a training set from boxes and labels"


@dataclass(frozen=True)
class Options:
    """What `tomoseg trainset` takes."""

    feature: str = option(help="the feature that was painted")
    project: Path | None = option(None, help="project folder with boxes and labels", metavar="DIR")
    output: Path | None = option(None, help="the training set to write (default: in the project)", metavar="TRAINSET")
    positives: Path | None = option(None, help="EMAN2 stack of positive boxes (_good)", metavar="STACK")
    labels: Path | None = option(None, help="EMAN2 stack of their labels (_good_seg)", metavar="STACK")
    negatives: Path | None = option(None, help="EMAN2 stack of negative boxes (_bad)", metavar="STACK")
    copies: int = option(10, help="copies of each negative box; positives are copied as often as balances them")
    context: int = option(
        0, help="neighbouring slices that the network sees at once, odd (default: 5, or 1 where slices are far apart)"
    )


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the training set; returns its path and counts. Raises TomosegError, UsageError or Cancelled."""
    _check(options)
    from ml.trainset import check_trainset
    from ml.trainset_file import save_trainset

    if options.project is not None:
        project = Project.open(options.project)
        _check_places(project, options.feature)
        if missing := missing_for_trainset(project, options.feature):
            raise TomosegError(missing)
        trainset = _from_project(project, options, report)
        output = options.output or project.trainset_path(options.feature)
    else:
        from ml.eman2_trainset import trainset_from_stacks

        assert options.positives and options.labels and options.output  # _check saw to it
        trainset = trainset_from_stacks(
            options.feature, options.positives, options.labels, options.negatives, options.copies
        )
        output = options.output
    check_trainset(trainset)
    save_trainset(output, trainset)
    hints = [found.sentence for found in scale_findings(project, options.feature)] if options.project else []
    for hint in hints:
        report.log(hint)
    return {**_result(output, trainset, report), "hints": hints}


def describe(result: dict[str, Any]) -> str:
    """The result in words."""
    boxes = both_kinds(result["positives"], result["negatives"])
    painted = f"{100 * result['painted']:.1f} % of the positive ones painted"
    return f"{boxes} of {result['box_size']} pixels, {painted}.\nWrote {result['trainset']}"


def _check(options: Options) -> None:
    stacks = (options.positives, options.labels)
    if options.project is None and (None in stacks or options.output is None):
        raise UsageError("Name --project, or --positives, --labels and --output for stacks made in EMAN2.")
    if options.project is not None and any((*stacks, options.negatives)):
        raise UsageError("Name --project or stacks, not both.")
    if options.context < 0 or (options.context and options.context % 2 == 0):
        raise UsageError(f"--context is an odd number of slices, not {options.context}.")
    if options.copies < 1:
        raise UsageError(f"--copies is at least 1, not {options.copies}.")


def _check_places(project: Project, feature: str) -> None:
    """Raise TomosegError for a box outside its tomogram, before anyone is told to paint in it."""
    from ml.volumes import open_any

    of_feature = [box for box in project.boxes() if box.feature == feature]
    for entry in project.tomograms():
        boxes = [box for box in of_feature if box.tomogram == entry.name]
        path = project.tomogram_path(entry.name)
        if boxes and path.exists():  # one that is missing is told where it is needed
            check_boxes(boxes, open_any(path).shape, entry.name)


def _from_project(project: Project, options: Options, report: Report) -> "Trainset":
    """The boxes of all tomograms in one set."""
    from ml.trainset import USUAL_CONTEXT, TrainsetInfo, joined, require_memory_for_cutting

    boxes = [box for box in project.boxes() if box.feature == options.feature]
    size = max(box.size for box in boxes)
    info = TrainsetInfo(options.feature, size, context=options.context or USUAL_CONTEXT)
    require_memory_for_cutting(len(boxes), info)
    names = [entry.name for entry in project.tomograms() if any(box.tomogram == entry.name for box in boxes)]
    if unknown := {box.tomogram for box in boxes} - set(names):
        report.log(f"Boxes in {', '.join(sorted(unknown))} are left out: the project has no such tomogram.")
    sets = []
    for number, name in enumerate(names):
        report.progress(number / len(names), f"Cutting the boxes of {options.feature} out of {name}")
        here = _usable(project, name, [box for box in boxes if box.tomogram == name], report)
        if here:
            sets.append(_from_tomogram(project, name, here, size, options))
    if not sets:
        raise TomosegError(f"No box of {options.feature} can be used: place boxes in a tomogram and paint in them.")
    return joined(sets)


def _usable(project: Project, name: str, boxes: list[Box], report: Report) -> list[Box]:
    """Boxes without the positive ones on slices where nothing was painted yet: those would teach nonsense."""
    painted = annotated_slices(project, name, boxes[0].feature)
    usable = [box for box in boxes if box.kind != POSITIVE or box.centre[2] in painted]
    if left_out := len(boxes) - len(usable):
        report.log(f"Left out {counted(left_out, 'positive box')} in {name}: nothing is painted there yet.")
    return usable


def _from_tomogram(project: Project, name: str, boxes: list[Box], size: int, options: Options) -> "Trainset":
    from ml.preprocess import Preprocessed
    from ml.trainset import cut_boxes, usual_context
    from ml.volumes import open_any

    tomogram = open_any(project.tomogram_path(name))
    info = trainset_info(
        tomogram, name, options.feature, size, options.context or usual_context(tomogram.geometry), options.copies
    )
    preprocessed = Preprocessed(tomogram, info.preprocessing)
    shape = tomogram.shape
    return cut_boxes(
        boxes,
        preprocessed.slab,
        lambda z: load_label(project.label_path(name, options.feature, z), shape[1:]),
        shape[0],
        info,
    )


def trainset_info(
    tomogram: Tomogram, name: str, feature: str, box_size: int, context: int, copies: int = 10
) -> "TrainsetInfo":
    """What the boxes of one tomogram, called `name` in the project, share."""
    from ml.trainset import TrainsetInfo

    chain = preprocessing_of(tomogram.labels) or Preprocessing()
    return TrainsetInfo(feature, box_size, tomogram.geometry.voxel_size, chain, context, copies, (name,))


def check_boxes(boxes: list[Box], shape: tuple[int, int, int], name: str) -> None:
    """Raise TomosegError for a box outside the tomogram, or larger than its slices."""
    for box in boxes:
        x, y, z = box.centre
        if box.size > min(shape[1:]):
            raise TomosegError(
                f"A box of {box.size} voxels is larger than the slices of {name} ({shape[1]} × {shape[2]}, y × x): "
                f"use a box size of at most {min(shape[1:])}."
            )
        if not box.touches(shape):
            raise TomosegError(f"The box at x {x}, y {y}, z {z} lies outside {name}: move it inside, or delete it.")


def _result(output: Path, trainset: "Trainset", report: Report) -> dict[str, Any]:
    positives, negatives = trainset.n_positive, len(trainset) - trainset.n_positive
    if positives < ADVISED_POSITIVES or negatives < ADVISED_NEGATIVES:
        report.log(
            f"About {ADVISED_POSITIVES} positive and {ADVISED_NEGATIVES} negative boxes train well; "
            f"these are {positives} and {negatives}."
        )
    labels = trainset.labels[trainset.positive]
    painted = float((labels == 1).sum() / max(1, (labels != 2).sum()))
    return {
        "trainset": str(output),
        "feature": trainset.info.feature,
        "positives": positives,
        "negatives": negatives,
        "box_size": trainset.info.box_size,
        "painted": painted,
        "tomograms": list(trainset.info.tomograms),
    }
