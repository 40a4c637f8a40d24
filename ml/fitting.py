"""A whole training: iterations until the plateau, the end, or a stop, with the network so far always kept."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ml.devices import describe_device, unused_gpu
from ml.networks import SegmentationNetwork
from ml.networks.base import all_finite
from ml.recipes import learning_rate_at
from ml.report import Cancelled, Report
from ml.training import ExplodedError, Trainer, Validation

FIRST_COSTS = 3
SLOW_STEP = 2.0  # seconds
LITTLE_BETTER = 1e-4
SETTLING = 0.5  # part of the training after which validations are compared: at a high learning rate they jump


@dataclass(frozen=True)
class Limits:
    """When to stop. iterations: at the latest after so many. seconds: or after so long. learning_rate: the highest."""

    iterations: int
    learning_rate: float
    seconds: float = math.inf


@dataclass
class Outcome:
    """What a training came to.

    network: the averaged weights that are kept, those of iteration `best_iteration`. rows: one for each iteration.
    """

    network: SegmentationNetwork
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_loss: float = math.inf
    best_iteration: int = 0
    stopped: str = "all iterations done"
    steps: int = 0
    seconds: float = 0.0

    @property
    def learning_rate(self) -> float | None:
        """The learning rate of the last iteration."""
        return self.rows[-1]["learning_rate"] if self.rows else None


KeepBest = Callable[[Outcome], None]


def fit(trainer: Trainer, limits: Limits, report: Report, keep: KeepBest) -> Outcome:
    """Train until `limits` or the recipe's patience; calls `keep` after each iteration whose weights are to be kept.

    Those are the latest ones or the best ones, as the recipe says. Where `report` raises Cancelled, what was kept so
    far stays, before it goes on up. The same after ExplodedError.
    """
    run = _Run(trainer, limits, report, keep)
    try:
        while not run.finished():
            run.iteration()
    except (Cancelled, ExplodedError, KeyboardInterrupt) as stop:
        run.outcome.stopped = "cancelled" if not isinstance(stop, ExplodedError) else "the loss exploded"
        run.keep_what_there_is()
        raise
    run.outcome.seconds = run.elapsed
    return run.outcome


class _Run:
    """The state of one `fit`."""

    def __init__(self, trainer: Trainer, limits: Limits, report: Report, keep: KeepBest) -> None:
        self.trainer, self.limits, self.report, self.keep = trainer, limits, report, keep
        self.outcome = Outcome(copy.deepcopy(trainer.averaged))
        self.total = limits.iterations * trainer.steps_per_iteration
        self.began = time.monotonic()
        self.lowest, self.no_better = math.inf, 0  # validation loss since it settles, and iterations since then

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def fraction(self) -> float:
        """How much of the training is done, by steps or by time, whichever is further."""
        return min(1.0, max(self.outcome.steps / self.total, self.elapsed / self.limits.seconds))

    def finished(self) -> bool:
        """True once nothing is left to do; says why in the outcome."""
        if len(self.outcome.rows) >= self.limits.iterations:
            return True
        if self.elapsed >= self.limits.seconds:
            self.outcome.stopped = f"used up the {self.limits.seconds:g} seconds allowed"
            return True
        patience = self.trainer.recipe.patience
        if patience and self.no_better >= patience:
            self.outcome.stopped = f"no better for {patience} iterations"
            return True
        return False

    def iteration(self) -> None:
        """One iteration (epoch): its steps, its validation, its line."""
        costs: list[float] = []
        for _ in range(self.trainer.steps_per_iteration):
            if costs and self.elapsed >= self.limits.seconds:
                break
            self._tell(costs)
            rate = learning_rate_at(
                self.trainer.recipe, self.limits.learning_rate, self.fraction, len(self.outcome.rows)
            )
            costs.append(self.trainer.step(rate))
            while self.trainer.notes:
                self.report.log(self.trainer.notes.pop(0))
            self.outcome.steps += 1
            self._tell_first_costs(costs)
        validation = self.trainer.validate()
        self._judge(validation)
        self._wait(validation.loss)
        self._note(sum(costs) / len(costs), rate, validation)

    def _tell(self, costs: list[float]) -> None:
        recent = f", loss {sum(costs[-20:]) / len(costs[-20:]):.3f}" if costs else ""
        number = len(self.outcome.rows) + 1
        feature = self.trainer.trainset.info.feature
        message = f"Training {feature}: iteration {number} of {self.limits.iterations}{recent}"
        self.report.progress(self.fraction, message)

    def _tell_first_costs(self, costs: list[float]) -> None:
        """The first lines: device, seconds a step, first costs; huge costs mean that something is wrong."""
        if self.outcome.steps != min(FIRST_COSTS, self.total) or len(self.outcome.rows):
            return
        device = self.trainer.device
        seconds = self.elapsed / self.outcome.steps
        first = ", ".join(f"{cost:.4g}" for cost in costs)
        self.report.log(f"Training on {describe_device(device)}: {seconds:.2f} s a step, first costs {first}.")
        if warning := unused_gpu(device):
            self.report.log(warning)
        if seconds > SLOW_STEP:
            self.report.log(f"A step takes {seconds:.0f} s: close other programs, or take a smaller batch size.")

    def _judge(self, validation: Validation) -> None:
        """Keep the weights if they are the best so far, or the latest where the recipe prefers these."""
        if not math.isfinite(validation.loss) or not all_finite(self.trainer.averaged):
            raise ExplodedError("The loss is no number any more: lower the learning rate, then train again.")
        better = validation.loss < self.outcome.best_loss - LITTLE_BETTER
        self.outcome.best_loss = min(validation.loss, self.outcome.best_loss)
        if better or self.trainer.recipe.keep_latest:
            self.outcome.best_iteration = len(self.outcome.rows) + 1
            self.outcome.network.load_state_dict(self.trainer.averaged.state_dict())
            self.outcome.seconds = self.elapsed
            self.keep(self.outcome)

    def _wait(self, loss: float) -> None:
        """Count the iterations without a better validation, once the learning rate falls."""
        if self.fraction < SETTLING:
            return
        self.no_better = 0 if loss < self.lowest - LITTLE_BETTER else self.no_better + 1
        self.lowest = min(loss, self.lowest)

    def _note(self, loss: float, rate: float, validation: Validation) -> None:
        row = {
            "iteration": len(self.outcome.rows) + 1,
            "learning_rate": rate,
            "loss": loss,
            "validation_loss": validation.loss,
            "validation_dice": validation.dice,
            "seconds": self.elapsed,
        }
        self.outcome.rows.append(row)
        found = "" if validation.dice is None else f", Dice on held-out boxes {validation.dice:.3f}"
        self.report.log(
            f"Iteration {row['iteration']} of {self.limits.iterations}: learning rate {rate:.3g}, loss {loss:.4f}, "
            f"validation {validation.loss:.4f}{found}."
        )

    def keep_what_there_is(self) -> None:
        """On a stop before the first iteration ended: keep the present weights, if they are sound."""
        if not self.outcome.rows and self.outcome.steps and all_finite(self.trainer.averaged):
            self.outcome.network.load_state_dict(self.trainer.averaged.state_dict())
            self.keep(self.outcome)
