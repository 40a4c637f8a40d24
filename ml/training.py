"""The one training loop of Tomoseg, driven step by step: batch training and live training both use it."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.augment import NOTHING, Batch, cut
from ml.faults import out_of_gpu_memory
from ml.losses import shrink_known, shrink_label
from ml.networks import SegmentationNetwork
from ml.networks.base import initialise_glorot, initialise_truncated_normal
from ml.recipes import Recipe
from ml.scores import best_dice
from ml.trainset import Trainset
from tomo.errors import TomosegError
from tomo.words import counted

URGENT_LOOKS = 60
EMPHASIS = 2.0  # times as much does a pixel count that was corrected (docs/live.md)
RANDOM = "random weights"
EXPLODED = 50.0  # losses of all recipes stay below 10 unless the weights grow without bound


class ExplodedError(TomosegError):
    """The loss grew without bound; what was learned before is still there."""


@dataclass(frozen=True)
class Validation:
    """How well held-out boxes are found. dice: at the best threshold, None where no box was held out."""

    loss: float
    dice: float | None
    threshold: float | None


class Trainer:
    """Trains one network, or those of an ensemble in turn, one step at a call; boxes may come and go between steps.

    first_only: of an ensemble only the first network learns, until this is changed.

    trainset: may be replaced at any time by `use`. The weights to keep are those of `averaged`, a running mean.
    fresh: begin with random weights. Otherwise the network's own means and deviations (batch normalisation) stay as
    they are: those of a few boxes, varied as they are and most of them full of feature, fit no whole slice.
    began_with: what the network knew before, for its history. notes: what the user should know, until it is told.
    The same seed, boxes and steps give the same weights on the CPU.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        trainset: Trainset,
        recipe: Recipe,
        *,
        seed: int = 0,
        device: torch.device | None = None,
        fresh: bool = True,
        began_with: str = RANDOM,
    ) -> None:
        self.recipe, self.device, self.began_with = recipe, device or torch.device("cpu"), began_with
        self.random = torch.Generator().manual_seed(seed)
        self._order = np.random.default_rng(seed)
        if fresh:
            initialise(network, recipe, seed)
        self.network = network.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        if not fresh:
            keep_normalisation(self.network)
        self.averaged: SegmentationNetwork = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = _optimiser(self.network, recipe)
        self.first_only = False
        self.steps = [0 for _ in self.network.members]
        self.notes: list[str] = []
        self.use(trainset)

    def use(self, trainset: Trainset, urgent: Sequence[int] = ()) -> None:
        """Train on these boxes from the next step on.

        urgent: numbers of boxes that have just changed, which come first (`hurry`). Among a hundred boxes, a new one
        would else be met once in many seconds (docs/live.md).
        """
        self.trainset = trainset
        self._images, self._labels = torch.from_numpy(trainset.images), torch.from_numpy(trainset.labels)
        self._copies = [
            balanced_copies(
                trainset.positive, trainset.held_out == number, trainset.info.copies, self.recipe.negative_share
            )
            for number in range(1, len(self.network.members) + 1)
        ]
        self._queues: list[list[int]] = [[] for _ in self._copies]
        self.emphasise({})
        self.hurry(urgent)

    def hurry(self, urgent: Sequence[int]) -> None:
        """Half of the next batches is these boxes', until each was seen `URGENT_LOOKS` times."""
        self._urgent = [number for number in urgent if not self.trainset.held_out[number]] * URGENT_LOOKS

    def emphasise(self, pixels: Mapping[int, Tensor]) -> None:
        """Let these pixels of some boxes count more, and all others alike, until the boxes change.

        pixels: (y, x) bool of a box's number, in the middle of its crop, as `outputs` gives its map.
        """
        self._weights = {number: self._weight(chosen) for number, chosen in pixels.items() if chosen.any()}

    def _weight(self, chosen: Tensor) -> Tensor:
        """(y, x) float32 of a whole crop, which may be narrower than its map."""
        edge = (self._labels.shape[-1] - chosen.shape[-1]) // 2
        return 1 + (EMPHASIS - 1) * functional.pad(chosen.float(), (edge,) * 4)

    def _weights_of(self, numbers: Sequence[int]) -> Tensor | None:
        """(n, y, x) of some boxes; None where all their pixels count alike."""
        if not any(number in self._weights for number in numbers):
            return None
        alike = torch.ones(self._labels.shape[1:])
        return torch.stack([self._weights.get(number, alike) for number in numbers])

    @property
    def hurries(self) -> bool:
        """Are there boxes that still have to be seen more often than the others?"""
        return bool(self._urgent)

    @property
    def steps_per_iteration(self) -> int:
        """Steps after which the recipe calls it one iteration."""
        each = self.recipe.steps or max(1, math.ceil(len(self._copies[0]) / self.recipe.batch_size))
        return each if self.first_only else each * len(self.steps)

    @property
    def steps_done(self) -> int:
        """Of all networks together."""
        return sum(self.steps)

    @property
    def _turn(self) -> int:
        """Which network of an ensemble learns in the next step: one after the other, each from boxes of its own."""
        return 0 if self.first_only else self.steps_done % len(self.steps)

    @property
    def patch(self) -> int:
        """Width of the patches, pixels: a multiple of the network's stride."""
        stride = self.network.stride
        return stride * math.ceil(self.recipe.patch * self.trainset.info.box_size / stride)

    def step(self, learning_rate: float) -> float:
        """One training step; returns its loss. Raises ExplodedError where it is no number any more, or huge.

        Where a graphics card lacks the memory for a batch, batches are smaller from then on; `notes` says so.
        """
        while True:
            try:
                return self._step(learning_rate)
            except RuntimeError as error:
                if not out_of_gpu_memory(error) or self.recipe.batch_size < 2:
                    raise
            self.optimiser.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            self.recipe = replace(self.recipe, batch_size=self.recipe.batch_size // 2)
            boxes = counted(self.recipe.batch_size, "box")
            self.notes.append(f"The graphics card's memory is too small: going on with {boxes} per step.")

    def _step(self, learning_rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        turn = self._turn
        chosen = self._next(self.recipe.batch_size, turn)
        boxes, weights = (self._images[chosen], self._labels[chosen]), self._weights_of(chosen)
        batch = cut(*boxes, self.patch, self.recipe.augmentation, self.random, weights)
        loss = self._loss(self.network.members[turn], batch)
        cost = float(loss.detach())
        if not math.isfinite(cost) or abs(cost) > EXPLODED:
            raise ExplodedError(
                f"The loss exploded at step {self.steps_done + 1} ({cost:g}): lower the learning rate and train again."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.steps[turn] += 1
        self._average(turn)
        return cost

    def validate(self) -> Validation:
        """Loss and Dice of the averaged network on the held-out boxes; on all boxes where none is held out.

        Each network of an ensemble is asked about those that it does not know.
        """
        held_out = np.flatnonzero(self.trainset.held_out)
        batch, output = self.honest_outputs(held_out if len(held_out) else np.arange(len(self.trainset)))
        with torch.inference_mode():
            loss = float(self._criterion(output, batch))
        if not len(held_out) or not batch.target.any():
            return Validation(loss, None, None)
        shown = upscaled(self.averaged.to_map(output), self.network.shrink).numpy()
        dice, threshold = best_dice(shown, batch.target.numpy() > 0.5, batch.known.numpy() > 0)
        return Validation(loss, dice, threshold)

    def honest_outputs(
        self, numbers: NDArray[np.int64], network: SegmentationNetwork | None = None
    ) -> tuple[Batch, Tensor]:
        """As `outputs`, but of a held-out box what the network of an ensemble puts out that did not train on it."""
        asked, owners = network or self.averaged, self.trainset.held_out[numbers]
        batch, output = self.outputs(numbers, asked)
        if len(asked.members) > 1:
            output = output.clone()  # what inference has made cannot be changed
            for owner in np.unique(owners[owners > 0]):
                unknown = np.flatnonzero(owners == owner)
                output[unknown] = self.outputs(numbers[unknown], asked.members[owner - 1])[1]
        return batch, output

    def outputs(self, numbers: NDArray[np.int64], network: SegmentationNetwork | None = None) -> tuple[Batch, Tensor]:
        """The boxes as they are, neither turned nor varied, and a network's (or the averaged one's) outputs."""
        asked = network or self.averaged
        batch = cut(self._images[numbers], self._labels[numbers], self.patch, NOTHING, torch.Generator())
        where = next(asked.parameters()).device  # a finished network has come back from the graphics card
        with torch.inference_mode():
            parts = [asked(part.to(where)).cpu() for part in batch.images.split(16)]
        return batch, torch.cat(parts)

    def _next(self, count: int, turn: int = 0) -> list[int]:
        """The boxes of a network's next batch: each balanced copy once, in random order, before any comes again."""
        first, self._urgent = self._urgent[: count // 2], self._urgent[count // 2 :]
        count -= len(first)
        while len(self._queues[turn]) < count:
            self._queues[turn] += self._order.permutation(self._copies[turn]).tolist()
        chosen, self._queues[turn] = self._queues[turn][:count], self._queues[turn][count:]
        return first + chosen

    def _loss(self, network: nn.Module, batch: Batch) -> Tensor:
        batch = batch.to(self.device)
        images = batch.images.contiguous(memory_format=torch.channels_last)
        loss = self._criterion(network(images), batch)
        if self.recipe.l1:
            weights = (value.abs().sum() for value in network.parameters() if value.dim() > 1)
            loss = loss + self.recipe.l1 * torch.stack(list(weights)).sum()
        return loss

    def _criterion(self, output: Tensor, batch: Batch) -> Tensor:
        shrink = self.network.shrink
        target, known = shrink_label(batch.target, shrink), shrink_known(batch.known, shrink)
        if batch.weight is not None:
            known = known * functional.avg_pool2d(batch.weight, shrink)
        return self.recipe.loss(output, target, known)

    def _average(self, turn: int) -> None:
        """Move the kept weights towards the present ones; quickly at first, when they are worth nothing."""
        memory = min(self.recipe.average, self.steps[turn] / (self.steps[turn] + 9.0))
        averaged, network = (whole.members[turn].state_dict() for whole in (self.averaged, self.network))
        with torch.no_grad():
            for kept, now in zip(averaged.values(), network.values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(now, 1 - memory)
                else:
                    kept.copy_(now)


def initialise(network: SegmentationNetwork, recipe: Recipe, seed: int) -> None:
    """Fresh weights from a seed. The U-Net keeps PyTorch's own, made from the seed too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in network.modules():
            if network.shrink > 1:
                (initialise_glorot if recipe.glorot else initialise_truncated_normal)(part)
            elif isinstance(part, nn.Conv2d | nn.BatchNorm2d):
                part.reset_parameters()


def keep_normalisation(network: nn.Module) -> None:
    """Let batch normalisation use the running means that it has, and no longer change them."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()


def balanced_copies(
    positive: NDArray[np.bool_], held_out: NDArray[np.bool_], copies: int, negative_share: float = 0.5
) -> NDArray[np.int64]:
    """Box numbers, each as often as it is copied: negatives `copies` times, positives to fill the rest of the share.

    At a share of 0.5 that is EMAN2's rule, copies × n_negative / n_positive. Without negatives, `copies` of each.
    """
    good, bad = (np.flatnonzero((positive == kind) & ~held_out) for kind in (True, False))
    wanted = copies * len(bad) * (1 - negative_share) / negative_share
    per_positive = max(1, int(wanted / max(1, len(good)))) if len(bad) else copies
    return np.concatenate([np.repeat(good, per_positive), np.repeat(bad, copies)])


def upscaled(output: Tensor, factor: int) -> Tensor:
    """(n, 1, y, x) at full resolution."""
    if factor == 1:
        return output
    return nn.functional.interpolate(output, scale_factor=float(factor), mode="bilinear", align_corners=False)


def _optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(network.parameters(), lr=recipe.learning_rate)
    return torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
