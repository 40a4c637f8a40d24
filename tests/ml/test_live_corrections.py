"""A changed box comes first until half of what was wrong in it is right, and not for ever."""

from dataclasses import replace

import numpy as np
import pytest

from ml.live_corrections import MOST, ROUNDS, Corrections, wrong_pixels
from ml.networks import build_network
from ml.recipes import RECIPES
from ml.training import URGENT_LOOKS, Trainer
from tests.ml.scenes import ring_trainset
from tomo.labels import FEATURE, IGNORE

LEVEL = 0.5


@pytest.fixture
def trainer():
    network = build_network("unet", width=4, depth=2, fold=2)
    recipe = replace(RECIPES["default"], batch_size=8, patch=1.0, average=0.8)
    return Trainer(network, ring_trainset(positives=4, negatives=8), recipe)


def looks_until_let_go(trainer, corrections, learn):
    """How often box 2 comes first, a step at a time."""
    looks = 0
    while trainer.hurries:
        if learn:
            looks += min(4, len(trainer._urgent))
            trainer.step(3e-3)
        else:
            looks += trainer._next(8)[:4].count(2)
        corrections.go_on(trainer, LEVEL)
    return looks


def changed(trainer, number):
    """A box whose label has become what the network does not know yet."""
    corrections = Corrections()
    trainer.use(trainer.trainset, urgent=[number])
    corrections.begin(trainer, [number], LEVEL)
    return corrections


def test_a_box_that_the_network_has_taken_in_is_let_go(trainer):
    corrections = changed(trainer, 2)
    first = wrong_pixels(trainer, [2], LEVEL)[0]
    assert first > 50
    looks = looks_until_let_go(trainer, corrections, learn=True)
    assert wrong_pixels(trainer, [2], LEVEL)[0] <= first / 2
    assert URGENT_LOOKS <= looks < ROUNDS * URGENT_LOOKS


def test_a_box_that_stays_wrong_comes_first_a_few_times_only(trainer):
    assert looks_until_let_go(trainer, changed(trainer, 2), learn=False) == ROUNDS * URGENT_LOOKS


def test_a_box_that_was_deleted_or_was_right_is_not_waited_for(trainer):
    corrections, whole = changed(trainer, 2), trainer.trainset
    kept = np.arange(len(whole)) != 2
    names = ("images", "labels", "positive", "box_ids", "held_out")
    trainer.use(replace(whole, **{name: getattr(whole, name)[kept] for name in names}))
    corrections.begin(trainer, [], LEVEL)
    corrections.go_on(trainer, LEVEL)
    assert not trainer.hurries


def test_many_boxes_at_once_are_no_correction(trainer):
    corrections = Corrections()
    trainer.use(trainer.trainset, urgent=range(MOST + 1))
    corrections.begin(trainer, range(MOST + 1), LEVEL)
    trainer.hurry([])
    corrections.go_on(trainer, LEVEL)
    assert not trainer.hurries


def test_only_annotated_pixels_can_be_wrong(trainer):
    whole = trainer.trainset
    labels = np.full_like(whole.labels, FEATURE)
    unreached = 1.0  # no probability is higher: all of the feature is missed
    trainer.use(replace(whole, labels=labels))
    assert wrong_pixels(trainer, [1], unreached) == [trainer.patch**2]
    labels[:, :, : labels.shape[2] // 2] = IGNORE
    assert wrong_pixels(trainer, [1], unreached) == [trainer.patch**2 // 2]
    assert wrong_pixels(trainer, [], unreached) == []
