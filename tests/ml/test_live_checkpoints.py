"""Forgetting: an earlier state comes back whole, and old ones do not fill the memory."""

from itertools import pairwise

import pytest
import torch

from ml import live_checkpoints
from ml.live_checkpoints import CLOSE, EVERY, OLDEST, SPARSE, Checkpoints
from ml.networks import build_network
from ml.recipes import RECIPES
from ml.training import Trainer
from tests.ml.scenes import ring_trainset


@pytest.fixture
def trainer():
    return Trainer(build_network("unet", width=4, depth=2, fold=2), ring_trainset(), RECIPES["default"])


def weights(trainer):
    values = [*trainer.network.state_dict().values(), *trainer.averaged.state_dict().values()]
    return torch.cat([value.flatten().float() for value in values])


def test_it_goes_back_to_the_state_of_so_many_seconds_ago(trainer):
    kept, seen = Checkpoints(), {}
    for second in range(0, 50, 10):
        assert kept.due(second)
        kept.take(trainer, second)
        seen[second] = weights(trainer)
        trainer.step(1e-3)
        assert not kept.due(second + 9.0)
    assert kept.age(45.0) == 45.0
    found = kept.go_back(trainer, 20.0, 45.0)
    assert (found.at, found.steps, trainer.steps_done) == (20, [2], 2)
    assert torch.equal(weights(trainer), seen[20])
    assert kept.go_back(trainer, 20.0, found.at).at == 0  # once more: further back
    assert kept.go_back(trainer, 1e9, 0.0).at == 0  # and not beyond the beginning
    assert torch.equal(weights(trainer), seen[0])


def test_what_comes_back_is_learned_on_as_it_would_have_been(trainer):
    kept = Checkpoints()
    trainer.step(1e-3)
    kept.take(trainer, 0.0)
    random = trainer.random.get_state()
    chosen = list(trainer._queues[0])
    trainer.step(1e-3)
    straight = weights(trainer)
    kept.go_back(trainer, 0.0, 1.0)
    trainer.random.set_state(random)
    trainer._queues[0] = chosen
    trainer.step(1e-3)
    assert torch.equal(weights(trainer), straight)  # the optimiser's memory has come back too
    kept.go_back(trainer, 0.0, 1.0)
    assert not torch.equal(weights(trainer), straight)  # and learning on has not changed what is kept


def test_without_a_checkpoint_nothing_happens(trainer):
    before = weights(trainer)
    assert Checkpoints().go_back(trainer, 60.0, 0.0) is None
    assert Checkpoints().age(5.0) == 0.0
    assert torch.equal(weights(trainer), before)


def test_an_hour_of_learning_keeps_few(trainer, monkeypatch):
    monkeypatch.setattr(live_checkpoints, "captured", lambda _trainer: {})
    kept, last = Checkpoints(), 3600
    for second in range(0, last + 1, int(EVERY)):
        kept.take(trainer, float(second))
    ages = [last - each.at for each in kept._kept]
    assert len(ages) <= CLOSE / EVERY + OLDEST / SPARSE + 1
    assert max(ages) > OLDEST - SPARSE
    assert sum(age <= CLOSE for age in ages) == CLOSE / EVERY + 1
    assert max(a - b for a, b in pairwise(ages)) <= SPARSE + EVERY
