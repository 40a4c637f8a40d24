"""How each network is trained unless the user says otherwise. What was tried and measured: docs/accuracy.md."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from ml.augment import ONLY_TURNS, Augmentation
from ml.losses import cross_entropy_and_dice, log_mean_square
from ml.networks import preset_name
from tomo.errors import TomosegError

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    steps: training steps of one iteration (epoch) of each network; 0 means as many as the balanced copies of all boxes
    fill.
    patch: width of the patches as a multiple of the box; at 1.5 a box keeps real surroundings at any angle.
    decay: the learning rate's factor after each iteration. cosine: let the learning rate rise in the first twentieth
    and fall to a twentieth over the whole training instead. average: the weights that are kept are a running mean of
    this memory (0: the last ones). l1: weight of the sum of all |weights|. patience: iterations without a better
    validation after which training stops, counted in its second half only, 0 never.
    keep_latest: keep the latest weights, not those with the best validation: averaged weights at a falling learning
    rate are a better guess than one lucky validation on one or two boxes (docs/accuracy.md).
    negative_share: part of all boxes drawn that are negative ones.
    """

    loss: Loss
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    iterations: int = 30
    steps: int = 0
    batch_size: int = 16
    patch: float = 1.5
    decay: float = 1.0
    cosine: bool = False
    average: float = 0.0
    l1: float = 0.0
    weight_decay: float = 0.0
    patience: int = 0
    keep_latest: bool = False
    glorot: bool = False
    negative_share: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)


RECIPES: dict[str, Recipe] = {
    "default": Recipe(
        cross_entropy_and_dice,
        learning_rate=3e-3,
        iterations=24,
        steps=40,
        cosine=True,
        average=0.99,
        weight_decay=1e-4,
        patience=9,
        keep_latest=True,
        negative_share=0.25,
        augmentation=Augmentation(level_from=3),
    ),
    "today": Recipe(
        log_mean_square, learning_rate=1e-4, iterations=20, batch_size=20, patch=1.0, augmentation=ONLY_TURNS
    ),
    "2017": Recipe(
        log_mean_square,
        optimiser="sgd",
        learning_rate=0.01,
        iterations=20,
        batch_size=20,
        patch=1.0,
        decay=0.9,
        l1=1e-6,
        glorot=True,
        augmentation=ONLY_TURNS,
    ),
}


def recipe_for(architecture: str, name: str = "") -> Recipe:
    """The recipe called `name`, or the network's own; raises TomosegError for an unknown name."""
    chosen = name or ("today" if architecture == "classic" else "default")
    if chosen not in RECIPES:
        raise TomosegError(f"There is no recipe {chosen!r}: choose one of {', '.join(RECIPES)}.")
    if (architecture == "classic") == (chosen == "default"):
        network = preset_name(architecture, {})
        raise TomosegError(f"The recipe {chosen!r} does not fit the network {network!r}: leave the recipe out.")
    return RECIPES[chosen]


def learning_rate_at(recipe: Recipe, peak: float, fraction: float, iteration: int) -> float:
    """The learning rate when `fraction` (0 to 1) of the training is done, in iteration `iteration` (from 0)."""
    if not recipe.cosine:
        return peak * recipe.decay**iteration
    warm_up = 0.05
    if fraction < warm_up:
        return peak * max(fraction / warm_up, 0.05)
    falling = 0.5 * (1 + math.cos(math.pi * min((fraction - warm_up) / (1 - warm_up), 1.0)))
    return peak * (0.05 + 0.95 * falling)
