"""An ensemble: its networks learn one beside the other, each from boxes of its own, and judge together."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ml.learning import honest_maps_of, maps_of
from ml.network_file import NetworkInfo, load_network, save_network
from ml.networks import Ensemble, build_network, preset
from ml.recipes import RECIPES
from ml.training import Trainer
from ml.trainset import hold_out
from tests.ml.scenes import ring_trainset
from tomo.errors import TomosegError

ONE = {"width": 4, "depth": 2, "fold": 2}
SETTINGS = {"members": 3, **ONE}
RECIPE = replace(RECIPES["default"], steps=5, batch_size=4)


@pytest.fixture
def ensemble():
    torch.manual_seed(0)
    return build_network("unets", **SETTINGS).eval()


def weights(network):
    return [value.clone() for value in network.state_dict().values()]


def equal(before, after):
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_its_map_is_the_mean_of_the_probabilities(ensemble):
    slices = torch.randn(2, 1, 16, 24)
    with torch.inference_mode():
        each = torch.stack([member.map_of(slices) for member in ensemble.members])
        assert torch.equal(ensemble.map_of(slices), each.sum(0) / 3)
        assert torch.allclose(ensemble.to_map(ensemble(slices)), each.mean(0), atol=1e-6)
    assert (each[0] - each[1]).abs().max() > 0.01


def test_it_looks_as_far_and_pads_as_much_as_each_of_its_networks(ensemble):
    one = ensemble.members[0]
    for name in ("context", "shrink", "stride", "margin", "halo", "layout", "highest_threshold"):
        assert getattr(ensemble, name) == getattr(one, name), name


def test_its_thresholds_are_those_of_a_truer_probability(ensemble):
    assert ensemble.members[0].lowest_threshold < ensemble.lowest_threshold == ensemble.highest_threshold


def test_its_networks_learn_in_turn_and_become_different_ones(ensemble):
    trainer = Trainer(ensemble, ring_trainset(), RECIPE)
    assert trainer.steps_per_iteration == 3 * 5
    for step in range(6):
        before = [weights(member) for member in trainer.network.members]
        shown = [weights(member) for member in trainer.averaged.members]
        trainer.step(1e-3)
        for number in range(3):
            waits = number != step % 3
            assert equal(before[number], weights(trainer.network.members[number])) == waits
            assert equal(shown[number], weights(trainer.averaged.members[number])) == waits
    first, *others = (weights(member) for member in trainer.averaged.members)
    assert not any(equal(first, other) for other in others)


def test_each_network_learns_from_what_the_other_is_spared_and_is_asked_about_what_it_does_not_know():
    trainset = hold_out(ring_trainset(positives=6, negatives=8), 0.2, 0, networks=2)
    trainer = Trainer(build_network("unets", **{**SETTINGS, "members": 2}), trainset, RECIPE)
    for turn in (0, 1):
        assert set(trainer._next(300, turn)) == set(np.flatnonzero(trainset.held_out != turn + 1))
    held_out = np.flatnonzero(trainset.held_out)
    _, output = trainer.honest_outputs(held_out)
    assert len(output) == len(held_out)
    for turn, member in enumerate(trainer.averaged.members):
        alone = trainer.outputs(np.flatnonzero(trainset.held_out == turn + 1), member)[1]
        assert torch.equal(output[trainset.held_out[held_out] == turn + 1], alone)
    assert 0 < trainer.validate().loss < 10


def test_a_held_out_box_is_judged_by_the_network_that_does_not_know_it():
    trainset = hold_out(ring_trainset(positives=6, negatives=8), 0.2, 0, networks=2)
    trainer = Trainer(build_network("unets", **{**SETTINGS, "members": 2}), trainset, RECIPE)
    numbers = np.arange(len(trainset))
    shown, honest = (maps(trainer.averaged, trainer, numbers)[1] for maps in (maps_of, honest_maps_of))
    for number in numbers:
        owner = trainset.held_out[number]
        member = trainer.averaged.members[owner - 1] if owner else trainer.averaged
        expected = maps_of(member, trainer, numbers[number : number + 1])[1][0]
        assert torch.allclose(honest[number], expected, atol=1e-6)
    assert not torch.allclose(honest, shown, atol=1e-3)


def test_its_first_network_begins_with_the_weights_of_one_that_is_alone(ensemble):
    one = Trainer(build_network("unet", **ONE), ring_trainset(), RECIPE, seed=4)
    whole = Trainer(ensemble, ring_trainset(), RECIPE, seed=4)
    assert equal(weights(one.network), weights(whole.network.members[0]))


def test_the_running_mean_forgets_as_fast_as_that_of_one_network():
    """After as many steps of each network as the first one has made alone, a wiped mean is as near the weights."""
    near = []
    for architecture, settings in (("unets", SETTINGS), ("unet", ONE)):
        trainer = Trainer(build_network(architecture, **settings), ring_trainset(), RECIPE)
        for member in trainer.averaged.members:
            for value in member.parameters():
                value.zero_()
        for _ in range(4 * len(trainer.network.members)):
            trainer.step(0.0)
        shown, present = (next(part.members[0].parameters()).detach() for part in (trainer.averaged, trainer.network))
        near.append(float(shown.norm() / present.norm()))
    assert near[0] == pytest.approx(near[1])
    assert 0.2 < near[1] < 1


def test_a_file_brings_it_back(ensemble, tmp_path):
    path = tmp_path / "three.safetensors"
    save_network(path, ensemble, NetworkInfo("ring", "unets", SETTINGS))
    again = load_network(path).module
    assert isinstance(again, Ensemble)
    slices = torch.randn(1, 1, 16, 16)
    with torch.inference_mode():
        assert torch.equal(again.map_of(slices), ensemble.map_of(slices))


def test_the_default_is_two_of_the_fast_network():
    assert preset("default") == ("unets", {"members": 2, **preset("fast")[1]})


def test_the_first_alone_can_learn_for_a_while(ensemble):
    trainer = Trainer(ensemble, ring_trainset(), RECIPE)
    trainer.first_only = True
    assert trainer.steps_per_iteration == 5
    for _ in range(3):
        trainer.step(1e-3)
    assert trainer.steps == [3, 0, 0]
    trainer.first_only = False
    for _ in range(6):
        trainer.step(1e-3)
    assert trainer.steps == [5, 2, 2]


@pytest.mark.parametrize("members", [0, 17, True, 1.5, "2"])
def test_impossible_numbers_of_networks_are_refused_in_one_sentence(members):
    with pytest.raises(TomosegError, match="members"):
        build_network("unets", **{**SETTINGS, "members": members})
