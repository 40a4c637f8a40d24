"""Earlier states of a live training, in memory: "forget the last minute" goes back to one of them."""

import copy
from dataclasses import dataclass
from typing import Any

import torch

from ml.training import Trainer

EVERY = 10.0  # seconds of learning
CLOSE = 120.0  # seconds; of what is older, one in a minute is enough
OLDEST = 600.0
SPARSE = 60.0


@dataclass(frozen=True)
class Checkpoint:
    """at: seconds of learning when it was taken. state: weights, their running mean and the optimiser's memory.

    steps: of each network of an ensemble.
    """

    at: float
    steps: list[int]
    state: dict[str, Any]


class Checkpoints:
    """One for every ten seconds of the last two minutes, and for every minute before that, ten minutes back.

    Time is learning time: while training is paused nothing is learned that could be forgotten. About 8 MB each for the
    default network, of which the first half alone learns here.
    """

    def __init__(self) -> None:
        self._kept: list[Checkpoint] = []

    def due(self, now: float) -> bool:
        """True where the last one is ten seconds old, or there is none."""
        return not self._kept or now - self._kept[-1].at >= EVERY

    def take(self, trainer: Trainer, now: float) -> None:
        """Remember the trainer's present state."""
        self._kept.append(Checkpoint(now, list(trainer.steps), captured(trainer)))
        self._thin(now)

    def age(self, now: float) -> float:
        """Seconds of learning that can be forgotten."""
        return now - self._kept[0].at if self._kept else 0.0

    def go_back(self, trainer: Trainer, seconds: float, now: float) -> Checkpoint | None:
        """Put the trainer back to the last state of at least `seconds` ago, or the oldest; later ones are dropped."""
        if not self._kept:
            return None
        while len(self._kept) > 1 and now - self._kept[-1].at < seconds:
            self._kept.pop()
        restore(trainer, self._kept[-1])
        return self._kept[-1]

    def _thin(self, now: float) -> None:
        kept: list[Checkpoint] = []
        minutes = set()
        for checkpoint in self._kept:
            age, minute = now - checkpoint.at, checkpoint.at // SPARSE
            if age <= CLOSE or (age <= OLDEST and minute not in minutes):
                kept.append(checkpoint)
            minutes.add(minute)
        self._kept = kept


def captured(trainer: Trainer) -> dict[str, Any]:
    """A copy of all that a trainer has learned live: the first network, the only one that learns then."""
    return {
        "network": copy.deepcopy(trainer.network.members[0].state_dict()),
        "averaged": copy.deepcopy(trainer.averaged.members[0].state_dict()),
        "optimiser": copy.deepcopy(trainer.optimiser.state_dict()),
    }


def restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Make a trainer forget what came after the checkpoint; its boxes stay."""
    with torch.no_grad():
        trainer.network.members[0].load_state_dict(checkpoint.state["network"])
        trainer.averaged.members[0].load_state_dict(checkpoint.state["averaged"])
    # The optimiser would go on in the very tensors that it is given.
    trainer.optimiser.load_state_dict(copy.deepcopy(checkpoint.state["optimiser"]))
    trainer.steps[:] = checkpoint.steps
