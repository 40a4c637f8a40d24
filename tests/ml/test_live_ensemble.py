"""Live training of an ensemble: the first network alone learns and is shown, and all are trained to the end."""

import pytest
import torch

from ml import live_learner
from ml.live_start import checkpoint_path
from ml.network_file import load_info, load_network
from ml.networks import PRESETS
from tests.ml.live_projects import FEATURE, annotate, negative, positive, ring_project
from tests.ml.live_scripts import VIEW, Script, session, steps, until_cancelled

ONE = {"width": 4, "depth": 2, "fold": 2}


@pytest.fixture
def project(tmp_path):
    return ring_project(tmp_path / "project")


@pytest.fixture(autouse=True)
def of_two(monkeypatch):
    """The default network of two, as it is, but small, on one core, of which the first views are shown early."""
    monkeypatch.setitem(PRESETS, "default", ("unets", {"members": 2, **ONE}))
    monkeypatch.setattr(live_learner, "USEFUL_STEPS", 10)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_of_an_ensemble_the_first_network_learns_live_and_the_other_follows_it(project):
    annotate(project, positive(1), positive(3), negative())
    _, running = until_cancelled(project, *steps(6), [{"command": "forget", "seconds": 0}], *steps(2))
    learner = running._learner
    assert learner.trainer.steps[0] > 0 and learner.trainer.steps[1] == 0
    assert same(learner.network.module, learner.trainer.averaged.members[0])
    kept = load_network(checkpoint_path(project, FEATURE))
    assert kept.info.architecture == "unets"
    assert all(same(member, learner.trainer.averaged.members[0]) for member in kept.module.members)


def test_after_a_stop_the_other_network_still_follows_the_first(project):
    annotate(project, positive(1), positive(3), negative())
    until_cancelled(project, *steps(6))
    _, running = until_cancelled(project, *steps(6))
    first, other = load_network(checkpoint_path(project, FEATURE)).module.members
    assert running._learner.trainer.steps[0] > 0
    assert same(first, running._learner.trainer.averaged.members[0]) and same(first, other)


def test_finishing_trains_all_networks_of_an_ensemble_from_what_was_learned(project):
    annotate(project, positive(1), positive(3), negative())
    until_cancelled(project, *steps(6))
    script = Script([VIEW], *steps(3), [{"command": "finish"}], *steps(200))
    result = session(project, script).run()
    assert any("Going on from the last live training" in line for line in script.logged)
    finished = load_network(project.network_path(FEATURE))
    assert finished.info.history[-1]["steps"] == 2 * 40
    assert len(finished.module.members) == 2 and not same(*finished.module.members)
    assert result["live_steps"] >= 2


def test_a_trained_ensemble_keeps_its_other_network_through_a_stop(project):
    annotate(project, positive(1), positive(3), negative())
    session(project, Script(*steps(2), [{"command": "finish"}], *steps(200))).run()
    trained = load_network(project.network_path(FEATURE)).module
    for _ in range(2):
        _, running = until_cancelled(project, [VIEW], *steps(5), from_trained=project.network_path(FEATURE))
    whole = running._learner.whole().module
    assert same(whole.members[1], trained.members[1]) and not same(whole.members[0], trained.members[0])


def test_a_single_network_stays_one_whatever_is_asked_for(project, monkeypatch):
    annotate(project, positive(), negative())
    with monkeypatch.context() as before:
        before.setitem(PRESETS, "default", ("unet", ONE))
        session(project, Script(*steps(2), [{"command": "finish"}], *steps(200))).run()
    trained = project.network_path(FEATURE)
    script = Script(*steps(2), [{"command": "finish"}], *steps(200))
    session(project, script, from_trained=trained).run()
    assert load_info(trained).architecture == "unet" and len(load_info(trained).history) == 2
    told = script.events("message")[0]["message"]
    assert told == "It goes on as the network that it is, fast, not default: begin anew for that."


def same(one, other):
    """Whether two networks have the same weights."""
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
