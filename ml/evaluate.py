"""Measure how good a network gets: the whole protocol on a labelled tomogram, scored on another one.

An annotator made of the training labels places the boxes and paints in them; the network is trained, applied to the
test tomogram, and compared with the test labels, which nothing reads before. Label values other than 0 are the
feature. Only labels inside the boxes teach; the threshold is the one that training fixed on the boxes.
"""

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.apply_options import AUTO, FLIPS_HELP, NUMBERS, NUMBERS_HELP, check_flips
from ml.options import UsageError, check_seed, option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.words import both_kinds

if TYPE_CHECKING:
    from ml.learning import Learned
    from ml.trainset import Trainset
    from tomo.mrc import Tomogram
    from tomo.preprocessing import Preprocessing

SUMMARY = "train on one labelled tomogram, score on another: Dice, precision, recall, seconds, memory"
FEATURE = "feature"
SLICE_PIXELS = 4096 * 4096


@dataclass(frozen=True)
class Options:
    """What `tomoseg evaluate` takes."""

    train: tuple[Path, Path] = option(help="tomogram to learn from, and its labels", metavar=("TOMOGRAM", "LABELS"))
    test: tuple[Path, Path] = option(help="tomogram to score on, and its labels", metavar=("TOMOGRAM", "LABELS"))
    network: str = option("default", help="default, fast (one U-Net instead of two), or classic for EMAN2's")
    positives: int = option(10, help="positive boxes; at least 3 % of each is feature")
    negatives: int = option(100, help="negative boxes, without any feature; fewer where there are not enough places")
    box_size: int = option(64, help="side of the boxes, voxels")
    seed: int = option(0, help="seed of the boxes and of the training")
    invert: bool = option(False, help="features are dark")
    max_train_seconds: float = option(300.0, help="train for so long at most", metavar="S")
    threads: int = option(0, help="CPU cores to use, 0 for all", metavar="N")
    device: str = option("auto", help="where to compute", choices=("auto", "cuda", "mps", "cpu"))
    cold_start: bool = option(False, help="begin with random weights, not with those learned from simulated cells")
    numbers: str = option(AUTO, help=NUMBERS_HELP, choices=NUMBERS)
    flips: int = option(0, help=FLIPS_HELP, metavar="0|1|4|8")


def run(options: Options, report: Report) -> dict[str, Any]:
    """The whole protocol; returns the scores under the names of shared/design.md. Raises TomosegError, Cancelled."""
    _check(options)
    from ml.memory import PeakMemory

    with PeakMemory() as peak, tempfile.TemporaryDirectory(prefix="tomoseg-evaluate-") as folder:
        result = _protocol(options, Path(folder), report)
    return {**result, "peak_memory_mb": peak.megabytes}


def describe(result: dict[str, Any]) -> str:
    """The scores in words."""
    return (
        f"Network {result['network']}, {both_kinds(result['positives'], result['negatives'])}.\n"
        f"Dice {result['dice']:.3f}, precision {result['precision']:.3f}, recall {result['recall']:.3f} "
        f"at threshold {result['threshold']:.2f}.\n"
        f"Surface Dice {result['surface_dice_1']:.3f} within 1 voxel, {result['surface_dice_2']:.3f} within 2.\n"
        f"Trained in {result['train_seconds']:.0f} s, applied in {result['apply_seconds']:.1f} s "
        f"({result['apply_cpu_seconds_per_4096_slice']:.1f} CPU-seconds per 4096 × 4096 slice), "
        f"at most {result['peak_memory_mb']:.0f} MB."
    )


def _check(options: Options) -> None:
    if options.positives < 1 or options.negatives < 0:
        raise UsageError("--positives is at least 1 and --negatives at least 0.")
    if not 0 < options.max_train_seconds < math.inf:
        raise UsageError("--max-train-seconds is a number above 0.")
    check_flips(options.flips)
    check_seed(options.seed)


def _protocol(options: Options, folder: Path, report: Report) -> dict[str, Any]:
    """Boxes, training, applying, scores."""
    from ml.learning import Request, learn
    from ml.network_file import save_network

    train, labels = open_pair(*options.train)
    test, test_labels = open_pair(*options.test)
    trainset = annotated(train, labels, options, Part(report, 0.0, 0.02))
    request = Request(
        options.network,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        max_seconds=options.max_train_seconds,
        cold_start=options.cold_start,
    )
    learned = learn(trainset, request, Part(report, 0.02, 0.85), lambda network, info: None)
    save_network(folder / "network.safetensors", learned.network.module, learned.network.info)
    applied = _apply(test, folder, options, Part(report, 0.85, 0.97))
    report.progress(0.97, "Comparing with the test labels")
    threshold = learned.network.info.threshold
    return {
        **_scores(Path(applied["map"]), test_labels, threshold),
        "threshold": threshold,
        "train_seconds": learned.outcome.seconds,
        "apply_seconds": applied["seconds"],
        "apply_cpu_seconds_per_4096_slice": applied["cpu_seconds"] * SLICE_PIXELS / math.prod(test.shape),
        **_boxes(learned),
        "network": options.network,
    }


def open_pair(tomogram: Path, labels: Path) -> "tuple[Tomogram, Tomogram]":
    """A tomogram and its label volume; raises TomosegError if their shapes differ."""
    from ml.volumes import open_any

    pair = open_any(tomogram), open_any(labels)
    if pair[0].shape != pair[1].shape:
        shapes = " and ".join(" × ".join(map(str, volume.shape)) for volume in pair)
        raise TomosegError(f"{tomogram} and {labels} differ in shape ({shapes}, z × y × x): name labels that fit.")
    return pair


def annotated(tomogram: "Tomogram", labels: "Tomogram", options: Options, report: Report) -> "Trainset":
    """The training set that an annotator who knows `labels` makes: only what lies inside the boxes gets into it."""
    import numpy as np

    from ml.annotator import draw_boxes
    from ml.preprocess import Preprocessed
    from ml.trainset import TrainsetInfo, cut_boxes, require_memory_for_training, usual_context

    boxes = draw_boxes(
        labels.data, options.positives, options.negatives, options.box_size, options.seed, tomogram.name, FEATURE
    )
    preprocessed = Preprocessed(tomogram, preprocessing_for(options), report)
    info = TrainsetInfo(
        FEATURE,
        options.box_size,
        tomogram.geometry.voxel_size,
        preprocessing_for(options),
        context=1 if options.network == "classic" else usual_context(tomogram.geometry),
        tomograms=(tomogram.name,),
    )
    require_memory_for_training(len(boxes), info)
    return cut_boxes(
        boxes, preprocessed.slab, lambda z: (np.asarray(labels.data[z]) != 0).astype(np.int8), tomogram.shape[0], info
    )


def preprocessing_for(options: Options) -> "Preprocessing":
    """EMAN2's chain, inverted where features are dark; without its low-pass for the networks that learn to smooth."""
    from tomo.preprocessing import Preprocessing

    chain = Preprocessing(invert=options.invert)
    return chain if options.network == "classic" else replace(chain, lowpass=0.0)


def _apply(test: "Tomogram", folder: Path, options: Options, report: Report) -> dict[str, Any]:
    """Apply as `tomoseg apply` does, file to file, to the test tomogram that was preprocessed before."""
    from ml import apply
    from ml.preprocess import Preprocessed
    from tomo.mrc import MrcWriter

    chain = preprocessing_for(options)
    preprocessed = Preprocessed(test, chain, Part(report, 0.0, 0.1))
    path = folder / "test.mrc"
    with MrcWriter(path, test.shape, "float32", test.geometry, [chain.to_label()]) as writer:
        for z in range(test.shape[0]):
            writer.write(z, preprocessed.slab(z, z + 1))
    chosen = apply.Options(
        folder / "network.safetensors",
        (path,),
        folder / "maps",
        threads=options.threads,
        device=options.device,
        numbers=options.numbers,
        flips=options.flips,
    )
    result: dict[str, Any] = apply.run(chosen, Part(report, 0.1, 1.0))["maps"][0]
    return result


def _scores(path: Path, labels: "Tomogram", threshold: float) -> dict[str, float]:
    """Dice, precision, recall and surface Dice of the whole test tomogram."""
    import numpy as np

    from ml.scores import dice, precision_and_recall, surface_dice
    from tomo.mrc import open_tomogram

    found = np.asarray(open_tomogram(path).data) > threshold
    truth = np.asarray(labels.data) != 0
    precision, recall = precision_and_recall(found, truth)
    return {
        "dice": dice(found, truth),
        "precision": precision,
        "recall": recall,
        "surface_dice_1": surface_dice(found, truth, 1.0),
        "surface_dice_2": surface_dice(found, truth, 2.0),
    }


def _boxes(learned: "Learned") -> dict[str, int]:
    trainset = learned.trainer.trainset
    return {"positives": trainset.n_positive, "negatives": len(trainset) - trainset.n_positive}
