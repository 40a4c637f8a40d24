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
        new = [names[number] for number in changed] if len(changed) <= MOST else []
        older = [name for name in self._waiting if name in names and name not in new]
        waiting = [*older, *new][-MOST:]
        numbers = [names.index(name) for name in waiting]
        wrong = wrong_pixels(trainer, numbers, level)
        begun = {name: (int(pixels.sum()), ROUNDS) for name, pixels in zip(waiting, wrong, strict=True)}
        self._waiting = {name: begun[name] if name in new else self._waiting[name] for name in waiting}
        trainer.emphasise(dict(zip(numbers, wrong, strict=True)))

    def go_on(self, trainer: Trainer, level: float) -> None:
        """Once they were seen often enough: let those that are still wrong come first again."""
        if trainer.hurries or not self._waiting:
            return
        names = trainer.trainset.box_ids.tolist()
        numbers = sorted(names.index(name) for name in self._waiting)
        before, self._waiting = self._waiting, {}
        still: dict[int, Tensor] = {}
        for number, pixels in zip(numbers, wrong_pixels(trainer, numbers, level), strict=True):
            first, rounds = before[names[number]]
            if int(pixels.sum()) > STILL_WRONG * first and rounds > 1:
                self._waiting[names[number]] = first, rounds - 1
                still[number] = pixels
        trainer.hurry(list(still))
        trainer.emphasise(still)


def wrong_pixels(trainer: Trainer, numbers: Sequence[int], level: float) -> Tensor:
    """(n, y, x) bool: annotated pixels that the first of the averaged networks takes for what they are not."""
    if len(numbers) == 0:
        return torch.zeros(0, trainer.patch, trainer.patch, dtype=torch.bool)
    batch, shown = maps_of(trainer.averaged.members[0], trainer, np.asarray(numbers))
    wrong = ((shown > level) != (batch.target > 0.5)) & (batch.known > 0)
    return wrong[:, 0]
