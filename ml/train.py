"""Train a network on a training set.

Shows the loss and the learning rate of each iteration, keeps the network so far at any moment (also when you cancel),
and stops by itself once the held-out boxes get no better in the second half. Beside the network it writes the triplet
sheet (box, label, output), the same as an MRC stack, a score for each box, and the curve of the losses.
With --project and --feature it takes the training set from the project and leaves the network there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Report
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.project import Project
from tomo.reasons import missing_for_training
from tomo.words import counted, judged_on

if TYPE_CHECKING:
    from ml.learning import Learned

SUMMARY = "train a network on a training set"


@dataclass(frozen=True)
class Options:
    """What `tomoseg train` takes."""

    trainset: Path | None = option(None, help="the training set (.npz)", positional=True, metavar="TRAINSET")
    output: Path | None = option(None, help="the network to write (.safetensors)", metavar="NETWORK")
    project: Path | None = option(None, help="project folder, instead of TRAINSET and --output", metavar="DIR")
    feature: str = option("", help="the feature to train, with --project")
    triplets: Path | None = option(None, help="the triplet sheet to write (default: beside the network)", metavar="PNG")
    network: str = option("default", help="default, fast (one U-Net instead of two), or classic for EMAN2's")
    recipe: str = option("", help="for classic: today (the default) or 2017")
    iterations: int = option(0, help="iterations (epochs) at most (default: the recipe's)")
    learning_rate: float = option(0.0, help="learning rate (default: the recipe's, or the last one when going on)")
    batch_size: int = option(0, help="boxes per step (default: the recipe's)")
    seed: int = option(0, help="seed of all random choices")
    device: str = option("auto", help="where to compute", choices=("auto", "cuda", "mps", "cpu"))
    from_trained: Path | None = option(None, help="go on from this trained network", metavar="NETWORK")
    max_seconds: float = option(0.0, help="stop after so many seconds (default: no limit)", metavar="S")
    threads: int = option(0, help="CPU cores to use (default: all)")
    cold_start: bool = option(False, help="begin with random weights, not with those learned from simulated cells")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Train; returns where the files are and the scores. Raises TomosegError, UsageError or Cancelled."""
    source, output, sheet = _places(options)
    from ml.learning import learn, request_of
    from ml.network_file import keep_network, load_network
    from ml.trainset_file import load_trainset

    trainset = load_trainset(source)
    start = load_network(options.from_trained) if options.from_trained else None
    learned = learn(trainset, request_of(options), report, lambda *best: keep_network(output, *best), start)
    keep_network(output, learned.network.module, learned.network.info)
    report.progress(1.0, "Writing the triplets")
    return write_results(output, learned, sheet)


def describe(result: dict[str, Any]) -> str:
    """The result in words."""
    low = ", ".join(f"{box['id']} ({box['dice']:.2f})" for box in result["lowest_boxes"])
    iterations = counted(result["iterations"], "iteration")
    return (
        f"Trained {result['feature']} in {result['seconds']:.0f} s and {iterations} "
        f"({result['stopped']}), beginning with {result['began_with']}.\n"
        f"Dice {result['dice']:.3f} on {judged_on(result['held_out'])}; amplitude {result['amplitude']:.3f}, "
        f"threshold {result['threshold']:.2f}, learning rate at the end {result['learning_rate']:.2g}.\n"
        f"Boxes to check first (lowest Dice): {low}\n"
        f"Look at the triplets: {result['triplets']}\n"
        f"Wrote {result['network']}"
    )


def _places(options: Options) -> tuple[Path, Path, Path]:
    """(training set, network, triplet sheet)."""
    if options.project is None:
        if options.trainset is None or options.output is None:
            raise UsageError("Name the training set and --output, or --project and --feature.")
        return (
            options.trainset,
            options.output,
            options.triplets or options.output.with_name(f"{options.output.stem}_triplets.png"),
        )
    project = Project.open(options.project)
    if not options.feature:
        raise UsageError("Name the --feature to train, with --project.")
    if missing := missing_for_training(project, options.feature):
        raise TomosegError(missing)
    return (
        options.trainset or project.trainset_path(options.feature),
        options.output or project.network_path(options.feature),
        options.triplets or project.triplets_path(options.feature),
    )


def write_results(output: Path, learned: "Learned", sheet: Path) -> dict[str, Any]:
    """Write the triplets of a finished network, which is in `output`; returns what the step answers."""
    from ml.box_scores import first_triplets, score_boxes
    from ml.triplets import write_triplets

    info, outcome = learned.network.info, learned.outcome
    scores = score_boxes(learned)
    stack, positive = first_triplets(learned)
    places = write_triplets(sheet, stack, positive, scores, outcome.rows, Geometry(info.voxel_size))
    history = info.history[-1]
    with_feature = [box for box in scores if box["kind"] == "positive"]
    return {
        "feature": info.feature,
        "network": str(output),
        **places,
        "dice": history["held_out_dice"],
        "held_out": history["held_out"],
        "amplitude": info.amplitude,
        "threshold": info.threshold,
        "iterations": len(outcome.rows),
        "stopped": outcome.stopped,
        "began_with": history["began_with"],
        "learning_rate": history["learning_rate"],
        "seconds": outcome.seconds,
        "lowest_boxes": sorted(with_feature, key=lambda box: box["dice"])[:3],
        "boxes": scores,
    }
