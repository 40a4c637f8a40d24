"""Boxes that were just changed, until the network has taken them in: some need more looks than others.

What is wrong in them counts more than the rest, and they come first again while too much of it is left.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ml.learning import maps_of
from ml.training import Trainer

STILL_WRONG = 0.5  # of the pixels that were wrong in a box when it changed: while more are, it comes first again
ROUNDS = 6  # of coming first; a box that is wrong then contradicts others
MOST = 3  # boxes that are waited for: those changed last; where more change at once, nobody waits for one of them


class Corrections:
    """The changed boxes that are not taken in yet, by name."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, int]] = {}  # wrong pixels at first, rounds left

    def begin(self, trainer: Trainer, changed: Sequence[int], level: float) -> None:
        """These boxes of the trainer have just changed. level: output from which a pixel counts as found."""
        names = trainer.trainset.box_ids.tolist()
        self._waiting = {name: state for name, state in self._waiting.items() if name in names}
        if len(changed) <= MOST:
            counts = wrong_pixels(trainer, changed, level).sum((1, 2)).tolist()
            new = {names[number]: (count, ROUNDS) for number, count in zip(changed, counts, strict=True)}
            older = [entry for entry in self._waiting.items() if entry[0] not in new]
            self._waiting = dict([*older, *new.items()][-MOST:])
        waiting = self._numbers(trainer)
        _emphasise(trainer, waiting, wrong_pixels(trainer, waiting, level))

    def go_on(self, trainer: Trainer, level: float) -> None:
        """Once they were seen often enough: let those that are still wrong come first again."""
        if trainer.hurries or not self._waiting:
            return
        numbers = self._numbers(trainer)
        wrong = wrong_pixels(trainer, numbers, level)
        names = trainer.trainset.box_ids.tolist()
        before, self._waiting = self._waiting, {}
        for number, count in zip(numbers, wrong.sum((1, 2)).tolist(), strict=True):
            first, rounds = before[names[number]]
            if count > STILL_WRONG * first and rounds > 1:
                self._waiting[names[number]] = first, rounds - 1
        still = [names[number] in self._waiting for number in numbers]
        trainer.hurry(self._numbers(trainer))
        _emphasise(trainer, self._numbers(trainer), wrong[still])

    def _numbers(self, trainer: Trainer) -> list[int]:
        """Of the boxes that are waited for, in the trainer's order."""
        return [number for number, name in enumerate(trainer.trainset.box_ids.tolist()) if name in self._waiting]


def _emphasise(trainer: Trainer, numbers: Sequence[int], wrong: Tensor) -> None:
    trainer.emphasise(dict(zip(numbers, wrong, strict=True)))


def wrong_pixels(trainer: Trainer, numbers: Sequence[int], level: float) -> Tensor:
    """(n, y, x) bool: annotated pixels that the first of the averaged networks takes for what they are not."""
    if len(numbers) == 0:
        return torch.zeros(0, trainer.patch, trainer.patch, dtype=torch.bool)
    batch, shown = maps_of(trainer.averaged.members[0], trainer, np.asarray(numbers))
    wrong = ((shown > level) != (batch.target > 0.5)) & (batch.known > 0)
    return wrong[:, 0]
