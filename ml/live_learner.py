"""The training of a live session: the same trainer as everywhere, tuned to show soon what a stroke has changed."""

import time
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ml.learning import Keep, Learned, Request, finish, limits_for, maps_of, threshold_for, trainer_for
from ml.live_checkpoints import Checkpoints
from ml.live_corrections import Corrections
from ml.network_file import LoadedNetwork, NetworkInfo
from ml.networks import SegmentationNetwork
from ml.predict import Predictor
from ml.report import Report
from ml.scores import dice
from ml.training import ExplodedError, Trainer
from ml.trainset import Trainset, TrainsetInfo, assembled, crop_size
from tomo.boxes import POSITIVE, Box
from tomo.labels import FEATURE

AVERAGE = 0.95  # memory of the running mean: 20 steps, a second or two
QUICK, SLOWING = 5, 9  # after a change the running mean follows at once, and is slower with each step
BATCH = 4  # as good as 8 for the same CPU time, and a new view waits half as long for the step that runs
WARM_UP = 10  # steps
WEAKEST_AMPLITUDE = 0.5  # a network that is not sure of its own labels yet must not look as if it were
MOST_POSITIVES, MOST_NEGATIVES = 16, 8  # boxes that the amplitude is measured on
USEFUL_DICE, USEFUL_STEPS, USEFUL_LOOKS = 0.3, 60, 5  # what is shown for the first time is more than noise
RECENT = 20
Version = tuple[int, int]


@dataclass(frozen=True)
class Strength:
    """How the network does on what was painted. amplitude, threshold: as in network files. dice: at that threshold."""

    amplitude: float = 1.0
    threshold: float = 0.5
    dice: float | None = None

    @property
    def level(self) -> float:
        """The network's output from which a pixel counts as found."""
        return self.amplitude * self.threshold


class Learner:
    """Learns step by step. seconds: time spent learning; what was forgotten does not count.

    Of an ensemble the first network alone learns and is shown: two would take in a correction half as fast. With
    `finish` the others come in: as they were, or as copies of the first, which soon differ from it.
    """

    def __init__(self, trainset: Trainset, request: Request, start: LoadedNetwork | None) -> None:
        self.request, self._start = request, start
        self._others_learned = start is not None and not _all_alike(start.module)
        self.trainer, self.info = trainer_for(trainset, request, start)
        self.trainer.first_only = True
        self._recipe = self.trainer.recipe
        self.trainer.recipe = replace(self._recipe, batch_size=BATCH)
        self._rate = request.learning_rate or self._recipe.learning_rate
        self.seconds, self.seconds_per_step = 0.0, 0.0
        self.costs: deque[float] = deque(maxlen=RECENT)
        self.strength = Strength()
        self._measured: Version | None = None
        self._forgotten, self._since_change = 0, 0
        self._corrections = Corrections()
        self.checkpoints = Checkpoints()
        self.checkpoints.take(self.trainer, 0.0)

    @property
    def version(self) -> Version:
        """Another one whenever the weights are others."""
        return self._forgotten, self.trainer.steps_done

    @property
    def loss(self) -> float | None:
        """Mean of the last steps."""
        return sum(self.costs) / len(self.costs) if self.costs else None

    @property
    def memory(self) -> float:
        """Of the running mean that is shown: short after a change, so that a correction is seen soon."""
        steps = QUICK + self._since_change
        return min(AVERAGE, steps / (steps + SLOWING))

    @property
    def useful(self) -> bool:
        """False while all that the network could show is noise."""
        steps = self.trainer.steps_done
        if self._start is not None or steps >= USEFUL_STEPS:
            return True
        if steps and steps % USEFUL_LOOKS == 0:
            self.measure()
        return self.strength.dice is not None and self.strength.dice >= USEFUL_DICE

    @property
    def network(self) -> LoadedNetwork:
        """What is shown: the running mean of the weights, with the amplitude on the labels as they are now."""
        self.measure()
        return first_of(LoadedNetwork(self.trainer.averaged, self._measured_info))

    def whole(self) -> LoadedNetwork:
        """What is kept: all networks of an ensemble, with the amplitude of the last measurement."""
        self._copy_the_first()
        return LoadedNetwork(self.trainer.averaged, self._measured_info)

    @property
    def _measured_info(self) -> NetworkInfo:
        return replace(self.info, amplitude=self.strength.amplitude, threshold=self.strength.threshold)

    def use(self, trainset: Trainset, changed: tuple[int, ...] = ()) -> None:
        """Learn from these boxes from the next step on, from the changed ones most."""
        self.trainer.use(trainset, changed)
        self._corrections.begin(self.trainer, changed, self.strength.level)
        if changed:
            self._since_change = 0
        self.info = replace(self.info, box_size=trainset.info.box_size)
        self._measured = None

    def step(self) -> None:
        """One step. Where the loss explodes, the last checkpoint and half the learning rate: raises ExplodedError."""
        began = time.monotonic()
        self.trainer.recipe = replace(self.trainer.recipe, average=self.memory)
        try:
            self.costs.append(self.trainer.step(self._rate * min(1.0, (self.trainer.steps_done + 1) / WARM_UP)))
        except ExplodedError:
            self.forget(0.0)
            self._rate /= 2
            raise
        self._corrections.go_on(self.trainer, self.strength.level)
        spent = time.monotonic() - began
        self._since_change += 1
        self.seconds += spent
        self.seconds_per_step = 0.9 * self.seconds_per_step + 0.1 * spent if self.seconds_per_step else spent
        if self.checkpoints.due(self.seconds):
            self.checkpoints.take(self.trainer, self.seconds)

    def forget(self, seconds: float) -> None:
        """Back to the weights of so many seconds of learning ago."""
        found = self.checkpoints.go_back(self.trainer, seconds, self.seconds)
        if found is not None:
            self.seconds = found.at
            self._forgotten += 1
            self.costs.clear()

    def measure(self) -> Strength:
        """Amplitude, threshold and Dice on a few of the painted boxes, where the weights or boxes are others now."""
        if self._measured != self.version:
            self._measured = self.version
            self.strength = _strength(self.trainer)
        return self.strength

    def finish(self, report: Report, keep: Keep) -> Learned:
        """The last training, by the recipe of a batch: to the plateau, from the present weights, with all boxes.

        No box is held out: the network has learned from all of them.
        """
        self._copy_the_first()
        self.trainer.first_only = False
        self.trainer.recipe = self._recipe
        self.trainer.use(self.trainer.trainset)
        limits = limits_for(self.request, self._recipe, None)
        return finish(self.trainer, self.info, limits, self.request, report, keep)

    def _copy_the_first(self) -> None:
        """Let networks that have not learned anything yet be what the first has learned, as far as it has."""
        if self._others_learned or not self.trainer.first_only or not self.trainer.steps_done:
            return
        for networks in (self.trainer.network.members, self.trainer.averaged.members):
            for other in networks[1:]:
                other.load_state_dict(networks[0].state_dict())


def first_of(network: LoadedNetwork) -> LoadedNetwork:
    """The network to look at while it learns: of an ensemble the first one."""
    return replace(network, module=network.module.members[0])


def _all_alike(network: SegmentationNetwork) -> bool:
    """Whether an ensemble is one network several times, as a live training leaves it that began with none."""
    first, *others = (member.state_dict() for member in network.members)
    return all(torch.equal(value, other[name]) for other in others for name, value in first.items())


def preload(request: Request, context: int, device: torch.device) -> None:
    """One step of a throw-away network: what torch loads only now takes two seconds, while nobody waits for it yet."""
    side = crop_size(16)
    boxes = [Box("warm", "warm", POSITIVE, (0, 0, 0), 16)]
    labels = np.zeros((1, side, side), np.int8)
    labels[:, side // 2 :] = FEATURE
    info = TrainsetInfo("warm", 16, context=context)
    learner = Learner(assembled(info, boxes, np.zeros((1, context, side, side), np.float32), labels), request, None)
    learner.step()
    Predictor(learner.network, device)


def _strength(trainer: Trainer) -> Strength:
    positive = trainer.trainset.positive
    numbers = np.concatenate(
        [_spread(np.flatnonzero(positive), MOST_POSITIVES), _spread(np.flatnonzero(~positive), MOST_NEGATIVES)]
    )
    batch, shown = maps_of(trainer.averaged.members[0], trainer, numbers)
    truth, known = batch.target.numpy() > 0.5, batch.known.numpy() > 0
    inside, values = truth & known, shown.clamp(min=0).numpy()
    amplitude = max(float(values[inside].mean()) if inside.any() else 0.0, WEAKEST_AMPLITUDE)
    # Placed as when it is finished: the best threshold on a few boxes jumps from one measurement to the next.
    strength = values / amplitude
    threshold = threshold_for(trainer.network, amplitude, strength, truth, known)
    return Strength(amplitude, threshold, dice((strength > threshold)[known], truth[known]))


def _spread(numbers: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of them, evenly chosen."""
    if len(numbers) <= most:
        return numbers
    return numbers[np.linspace(0, len(numbers) - 1, most).astype(np.int64)]
