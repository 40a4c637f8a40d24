"""Boxes that were just changed, until the network has taken them in: some need more looks than others."""

from collections.abc import Sequence

import numpy as np

from ml.learning import maps_of
from ml.training import Trainer

STILL_WRONG = 0.5  # of the pixels that were wrong in a box when it changed: while more are, it comes first again
ROUNDS = 6  # of coming first; a box that is wrong then contradicts others
MOST = 8  # boxes; where more change at once, nobody waits for one of them


class Corrections:
    """The changed boxes that are not taken in yet, by name."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[int, int]] = {}  # wrong pixels at first, rounds left

    def begin(self, trainer: Trainer, changed: Sequence[int], level: float) -> None:
        """These boxes of the trainer have just changed. level: output from which a pixel counts as found."""
        names = trainer.trainset.box_ids.tolist()
        self._waiting = {name: state for name, state in self._waiting.items() if name in names}
        if len(changed) <= MOST:
            wrong = wrong_pixels(trainer, changed, level)
            self._waiting |= {names[number]: (count, ROUNDS) for number, count in zip(changed, wrong, strict=True)}

    def go_on(self, trainer: Trainer, level: float) -> None:
        """Once they were seen often enough: let those that are still wrong come first again."""
        if trainer.hurries or not self._waiting:
            return
        names = trainer.trainset.box_ids.tolist()
        numbers = [number for number, name in enumerate(names) if name in self._waiting]
        before, self._waiting = self._waiting, {}
        for number, count in zip(numbers, wrong_pixels(trainer, numbers, level), strict=True):
            first, rounds = before[names[number]]
            if count > STILL_WRONG * first and rounds > 1:
                self._waiting[names[number]] = first, rounds - 1
        trainer.hurry([number for number in numbers if names[number] in self._waiting])


def wrong_pixels(trainer: Trainer, numbers: Sequence[int], level: float) -> list[int]:
    """Annotated pixels of each box that the first of the averaged networks takes for what they are not."""
    if len(numbers) == 0:
        return []
    batch, shown = maps_of(trainer.averaged.members[0], trainer, np.asarray(numbers))
    wrong = ((shown.numpy() > level) != (batch.target.numpy() > 0.5)) & (batch.known.numpy() > 0)
    return [int(each.sum()) for each in wrong]
