"""From a training set to a finished network: build it, train it, measure its amplitude and its threshold."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.augment import Batch
from ml.devices import choose_device, use_threads
from ml.eight_bits import eight_bit_form, has_eight_bit_form, supported, watched
from ml.fitting import Limits, Outcome, fit
from ml.network_file import EightBits, LoadedNetwork, NetworkInfo
from ml.networks import SegmentationNetwork, build_network, preset, preset_name
from ml.options import check_seed
from ml.recipes import Recipe, recipe_for
from ml.report import Report
from ml.scores import best_dice, dice
from ml.training import RANDOM, Trainer, initialise, upscaled
from ml.trainset import (
    Trainset,
    check_trainset,
    differing_voxel_sizes,
    hold_out,
    narrowed,
    require_memory_for_training,
)
from ml.warm_start import warm_up
from tomo.errors import TomosegError
from tomo.words import both_kinds, counted

HELD_OUT_SHARE = 0.1
SURE_TOLERANCE, CAP_TOLERANCE = 0.01, 0.15  # of Dice on the boxes, see place_threshold
CONTINUED_LEARNING_RATE = 0.001
WEAKEST = 1e-3  # amplitude of a network that has learned something

Keep = Callable[[SegmentationNetwork, NetworkInfo], None]


@dataclass(frozen=True)
class Request:
    """What a user may choose; 0 and "" mean the recipe's own. max_seconds: 0 is no limit.

    cold_start: begin with random weights, not with those learned from simulated cells (ml/warm_start.py).
    Raises TomosegError for numbers that no training can use.
    """

    network: str = "default"
    recipe: str = ""
    iterations: int = 0
    learning_rate: float = 0.0
    batch_size: int = 0
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    max_seconds: float = 0.0
    cold_start: bool = False

    def __post_init__(self) -> None:
        """Checked here, before anything is built from them."""
        if self.batch_size < 0 or self.iterations < 0 or self.learning_rate < 0 or self.max_seconds < 0:
            raise TomosegError(
                "Iterations, learning rate, batch size and seconds must be above 0: correct these options."
            )
        if not math.isfinite(self.learning_rate):
            raise TomosegError(f"A learning rate of {self.learning_rate} is impossible: try 0.001.")
        if not math.isfinite(self.max_seconds):
            raise TomosegError(f"Training cannot end after {self.max_seconds} seconds: give a number, or leave it out.")
        check_seed(self.seed)


def request_of(options: Any) -> Request:
    """What the options of a step ask for: those of Request's names that they have."""
    found: dict[str, Any] = {entry.name: getattr(options, entry.name, entry.default) for entry in fields(Request)}
    return Request(**found)


@dataclass(frozen=True)
class Learned:
    """A finished network, and all that tells how it came about."""

    network: LoadedNetwork
    outcome: Outcome
    trainer: Trainer


@dataclass(frozen=True)
class Calibration:
    """amplitude: mean output inside the training labels. threshold: in amplitude units. dice: on the held-out boxes,
    or, where no positive one was held out, on all boxes. judged: how many held-out boxes it is of, 0 for all boxes.
    """

    amplitude: float
    threshold: float
    dice: float
    judged: int


def learn(
    trainset: Trainset, request: Request, report: Report, keep: Keep, start: LoadedNetwork | None = None
) -> Learned:
    """Train on the boxes; `keep` is called with the network so far after each iteration that is worth keeping.

    start: go on from this trained network. Raises TomosegError for boxes or settings that cannot be trained on.
    """
    check_trainset(trainset)
    use_threads(request.threads)
    chosen = request.network != Request.network  # the default may stand for no choice
    if start is not None and chosen and (difference := goes_on_as(start, request.network)):
        report.log(difference)
    seen = narrowed(trainset, context_for(request, trainset, start))
    require_memory_for_training(len(seen), seen.info, held=len(seen))
    trainer, info = trainer_for(seen, request, start)
    trainer.use(hold_out(trainer.trainset, HELD_OUT_SHARE, request.seed, len(trainer.network.members)))
    return finish(trainer, info, limits_for(request, trainer.recipe, start), request, report, keep)


def context_for(request: Request, trainset: Trainset, start: LoadedNetwork | None) -> int:
    """Slices to see at once: EMAN2's network sees one; one that goes on sees as many as it learned with."""
    return start.context if start else 1 if request.network == "classic" else trainset.info.context


def goes_on_as(start: LoadedNetwork, asked: str) -> str | None:
    """A sentence where a trained network that is to go on is another than the one asked for: it stays what it is.

    Raises TomosegError where no network is called `asked`.
    """
    preset(asked)
    name = preset_name(start.info.architecture, start.info.settings)
    return None if name == asked else f"It goes on as the network that it is, {name}, not {asked}: begin anew for that."


def trainer_for(trainset: Trainset, request: Request, start: LoadedNetwork | None) -> tuple[Trainer, NetworkInfo]:
    """A trainer for these boxes, not one step done, and what is known of its network. Raises TomosegError."""
    architecture, settings = _architecture(request, trainset, start)
    network = start.module if start else build_network(architecture, **settings)
    device = choose_device(request.device)
    recipe = _recipe(request, architecture)
    began_with = _begin(network, request, recipe, start)
    fresh = began_with == RANDOM
    trainer = Trainer(network, trainset, recipe, seed=request.seed, device=device, fresh=fresh, began_with=began_with)
    return trainer, _info(trainset, architecture, settings, start)


def _begin(network: SegmentationNetwork, request: Request, recipe: Recipe, start: LoadedNetwork | None) -> str:
    """Give a new network what is known from simulated cells, where that fits it; tells what it begins with."""
    if start is not None:
        return "a trained network"
    initialise(network, recipe, request.seed)
    return RANDOM if request.cold_start or not warm_up(network) else "simulated cells"


def finish(
    trainer: Trainer, info: NetworkInfo, limits: Limits, request: Request, report: Report, keep: Keep
) -> Learned:
    """Train until the limits or the plateau, from the trainer's present weights; then measure the network kept."""
    trainset = trainer.trainset
    boxes = both_kinds(trainset.n_positive, len(trainset) - trainset.n_positive)
    report.log(
        f"{trainset.info.feature}: {boxes}, "
        f"{int((trainset.held_out > 0).sum())} held out for validation; learning rate {limits.learning_rate:g}."
    )
    outcome = fit(trainer, limits, report, lambda best: keep(best.network, _finished(info, best, trainer, request)))
    network = LoadedNetwork(outcome.network.eval().to("cpu"), _finished(info, outcome, trainer, request))
    complete = replace(network.info, eight_bits=try_eight_bits(network, trainer))
    return Learned(replace(network, info=complete), outcome, trainer)


def calibrate(network: SegmentationNetwork, trainer: Trainer) -> Calibration:
    """Amplitude from the training labels, threshold from all boxes: two held-out ones are too few to place it."""
    trainset = trainer.trainset
    batch, shown = maps_of(network, trainer, np.flatnonzero(trainset.positive & (trainset.held_out == 0)))
    inside = (batch.target > 0.5) & (batch.known > 0)
    amplitude = float(shown[inside].mean()) if inside.any() else 1.0
    if not amplitude > WEAKEST:
        amplitude = 1.0  # it has learned nothing; dividing by next to nothing would turn noise into a feature
    batch, shown = maps_of(network, trainer, np.arange(len(trainset)))
    strength = shown.clamp(min=0).numpy() / amplitude
    truth, known = batch.target.numpy() > 0.5, batch.known.numpy() > 0
    threshold = threshold_for(network, amplitude, strength, truth, known)
    held_out = trainset.held_out > 0
    honest = bool((held_out & trainset.positive).any())
    batch, shown = honest_maps_of(network, trainer, np.flatnonzero(held_out | (not honest)))
    judged, found = batch.known > 0, shown > threshold * amplitude
    reached = dice(found[judged].numpy(), (batch.target > 0.5)[judged].numpy())
    return Calibration(amplitude, threshold, reached, int(held_out.sum()) if honest else 0)


def try_eight_bits(network: LoadedNetwork, trainer: Trainer) -> EightBits | None:
    """The ranges of a finished network's layers on all boxes, and what 8-bit numbers change there.

    None for a network without such a form, and on a processor that cannot compute with them.
    """
    if not has_eight_bit_form(network.module) or not supported():
        return None
    module, numbers = network.for_applying(torch.device("cpu")).module, np.arange(len(trainer.trainset))
    with watched(module) as largest:
        batch, exact = maps_of(module, trainer, numbers)
    shown = maps_of(eight_bit_form(module, largest), trainer, numbers)[1]
    known, threshold = batch.known > 0, network.info.threshold * network.info.amplitude
    truth = (batch.target > 0.5)[known].numpy()
    after, before = (dice((strength > threshold)[known].numpy(), truth) for strength in (shown, exact))
    return EightBits(tuple(largest), after - before)


def threshold_for(
    network: SegmentationNetwork,
    amplitude: float,
    strength: NDArray[np.float32],
    truth: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> float:
    """Where `place_threshold` puts it within the bounds of this network's map. strength: in amplitude units."""
    lowest, highest = network.lowest_threshold / amplitude, network.highest_threshold / amplitude
    return place_threshold(strength, truth, known, lowest, highest)


def place_threshold(
    strength: NDArray[np.float32], truth: NDArray[np.bool_], known: NDArray[np.bool_], lowest: float, highest: float
) -> float:
    """The threshold for `strength` (all arrays of one shape), low on its plateau.

    New places are always found with less confidence than the boxes: so it is the lowest threshold whose Dice on the
    known pixels is within 0.01 of the best one (but not below `lowest` where others are as good), and not above
    `highest`: the best threshold of a true probability is half the Dice that it reaches (Lipton, Elkan and
    Naryanaswamy, 2014). But `highest` holds only while it costs no more than 0.15 on the boxes: a network that was
    trained too briefly is no true probability. One that was trained long is surer of the boxes than of anything else,
    and `highest` costs up to 0.1 there (docs/accuracy.md).
    """
    sure = best_dice(strength, truth, known, SURE_TOLERANCE, lowest)[1]
    return min(sure, max(highest, best_dice(strength, truth, known, CAP_TOLERANCE)[1]))


def maps_of(network: SegmentationNetwork, trainer: Trainer, numbers: Any) -> tuple[Batch, Tensor]:
    """The boxes as they are and what `network` shows for them at full resolution, (n, 1, y, x)."""
    batch, output = trainer.outputs(numbers, network)
    return batch, upscaled(network.to_map(output), network.shrink)


def honest_maps_of(network: SegmentationNetwork, trainer: Trainer, numbers: NDArray[np.int64]) -> tuple[Batch, Tensor]:
    """The same, but of a box that is held out what the network of an ensemble shows that did not train on it."""
    batch, output = trainer.honest_outputs(numbers, network)
    return batch, upscaled(network.to_map(output), network.shrink)


def _architecture(request: Request, trainset: Trainset, start: LoadedNetwork | None) -> tuple[str, dict[str, Any]]:
    if start is None:
        architecture, settings = preset(request.network)
        return architecture, {**settings, "context": trainset.info.context}
    info, feature = start.info, trainset.info.feature
    if start.context != trainset.info.context:
        raise TomosegError(
            f"The trained network takes {counted(start.context, 'slice')} at once, the training set has "
            f"{trainset.info.context}: build the training set of {feature} with --context {start.context}."
        )
    if differing_voxel_sizes(info.voxel_size, trainset.info.voxel_size):
        raise TomosegError(
            f"The trained network knows voxels of {info.voxel_size[0]:g} Å, the training set has "
            f"{trainset.info.voxel_size[0]:g} Å: train a new network, or import the tomogram at the same size."
        )
    if info.preprocessing != trainset.info.preprocessing:
        raise TomosegError(
            f"The trained network and the training set of {feature} were preprocessed in different ways: "
            "train a new network, or import the tomogram in the same way."
        )
    return info.architecture, info.settings


def _recipe(request: Request, architecture: str) -> Recipe:
    recipe = recipe_for(architecture, request.recipe)
    return replace(recipe, batch_size=request.batch_size or recipe.batch_size)


def limits_for(request: Request, recipe: Recipe, start: LoadedNetwork | None) -> Limits:
    """When to stop, and the highest learning rate: the request's, or the last one of `start`, or the recipe's."""
    rate = recipe.learning_rate
    if start is not None:
        rate = start.info.learning_rate or CONTINUED_LEARNING_RATE
    iterations = request.iterations or recipe.iterations
    return Limits(iterations, request.learning_rate or rate, request.max_seconds or math.inf)


def _info(trainset: Trainset, architecture: str, settings: dict[str, Any], start: LoadedNetwork | None) -> NetworkInfo:
    info = trainset.info
    return NetworkInfo(
        info.feature,
        architecture,
        settings,
        info.voxel_size,
        info.box_size,
        info.preprocessing,
        history=start.info.history if start else (),
    )


def _finished(info: NetworkInfo, outcome: Outcome, trainer: Trainer, request: Request) -> NetworkInfo:
    """The network's metadata with amplitude, threshold and this training's history."""
    calibration = calibrate(outcome.network, trainer)
    trainset = trainer.trainset
    entry = {
        "iterations": len(outcome.rows),
        "best_iteration": outcome.best_iteration,
        "learning_rate": outcome.learning_rate or request.learning_rate or trainer.recipe.learning_rate,
        "batch_size": trainer.recipe.batch_size,
        "seed": request.seed,
        "began_with": trainer.began_with,
        "device": trainer.device.type,
        "positives": trainset.n_positive,
        "negatives": len(trainset) - trainset.n_positive,
        "tomograms": list(trainset.info.tomograms),
        "stopped": outcome.stopped,
        "steps": outcome.steps,
        "seconds": round(outcome.seconds, 1),
        "held_out_dice": calibration.dice,
        "held_out": calibration.judged,
        "losses": outcome.rows,
    }
    return replace(
        info, amplitude=calibration.amplitude, threshold=calibration.threshold, history=(*info.history, entry)
    )
