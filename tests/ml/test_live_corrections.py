"""A changed box comes first until half of what was wrong in it is right, and not for ever."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ml.live_corrections import MOST, ROUNDS, Corrections, wrong_pixels
from ml.networks import build_network
from ml.recipes import RECIPES
from ml.training import EMPHASIS, URGENT_LOOKS, Trainer
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


def wrong(trainer, number, level=LEVEL):
    """How many pixels of a box are wrong."""
    return int(wrong_pixels(trainer, [number], level).sum())


def changed(trainer, number):
    """A box whose label has become what the network does not know yet."""
    corrections = Corrections()
    trainer.use(trainer.trainset, urgent=[number])
    corrections.begin(trainer, [number], LEVEL)
    return corrections


def test_a_box_that_the_network_has_taken_in_is_let_go(trainer):
    corrections = changed(trainer, 2)
    first = wrong(trainer, 2)
    assert first > 50
    looks = looks_until_let_go(trainer, corrections, learn=True)
    assert wrong(trainer, 2) <= first / 2
    assert URGENT_LOOKS <= looks < ROUNDS * URGENT_LOOKS


def test_what_is_wrong_in_a_changed_box_counts_more_until_it_is_taken_in(trainer):
    corrections = changed(trainer, 2)
    pixels, crop = wrong_pixels(trainer, [2], LEVEL)[0], trainer.trainset.labels.shape[1]
    weights, edge = trainer._weights_of([0, 2]), (crop - trainer.patch) // 2
    middle = weights[:, edge : edge + trainer.patch, edge : edge + trainer.patch]
    assert torch.equal(middle[1] == EMPHASIS, pixels) and (weights[0] == 1).all()
    assert (weights > 1).sum() == pixels.sum() > 0
    looks_until_let_go(trainer, corrections, learn=True)
    assert trainer._weights_of([0, 2]) is None


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


def test_the_boxes_changed_last_are_waited_for(trainer):
    corrections = Corrections()
    for number in range(MOST + 1):
        trainer.use(trainer.trainset, urgent=[number])
        corrections.begin(trainer, [number], LEVEL)
    trainer.hurry([])
    corrections.go_on(trainer, LEVEL)
    assert set(trainer._next(8)[:4]) == {1, 2, 3}


def test_only_annotated_pixels_can_be_wrong(trainer):
    whole = trainer.trainset
    labels = np.full_like(whole.labels, FEATURE)
    unreached = 1.0  # no probability is higher: all of the feature is missed
    trainer.use(replace(whole, labels=labels))
    assert wrong(trainer, 1, unreached) == trainer.patch**2
    labels[:, :, : labels.shape[2] // 2] = IGNORE
    assert wrong(trainer, 1, unreached) == trainer.patch**2 // 2
    assert len(wrong_pixels(trainer, [], unreached)) == 0
