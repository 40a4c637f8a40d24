"""The one training loop: it learns, is deterministic, takes new boxes between steps, and stops in time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ml.fitting import Limits, fit
from ml.networks import build_network
from ml.recipes import RECIPES, learning_rate_at, recipe_for
from ml.report import Cancelled, Silent
from ml.training import ExplodedError, Trainer, Validation, balanced_copies
from ml.trainset import hold_out
from tests.ml.scenes import ring_trainset
from tomo.errors import TomosegError
from tomo.labels import FEATURE

RECIPE = replace(RECIPES["default"], steps=5, batch_size=4, iterations=3)


def small_trainer(trainset=None, recipe=RECIPE, seed=0):
    network = build_network("unet", width=4, depth=2, fold=2)
    return Trainer(network, trainset or hold_out(ring_trainset(), 0.2, 0), recipe, seed=seed)


def weights(trainer):
    return torch.cat([value.flatten().float() for value in trainer.averaged.state_dict().values()])


@pytest.fixture(autouse=True)
def one_core():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_copies_balance_as_in_eman2():
    positive = np.array([True] * 2 + [False] * 8)
    copies = balanced_copies(positive, np.zeros(10, bool), 10)
    counts = np.bincount(copies)
    assert counts.tolist() == [40, 40] + [10] * 8
    assert balanced_copies(np.array([True, True]), np.zeros(2, bool), 7).tolist() == [0] * 7 + [1] * 7


def test_held_out_boxes_are_never_drawn():
    positive = np.array([True, True, False, False])
    held_out = np.array([True, False, False, True])
    assert set(balanced_copies(positive, held_out, 3)) == {1, 2}


def test_the_loss_falls():
    trainer = small_trainer()
    costs = [trainer.step(1e-2) for _ in range(100)]
    assert np.mean(costs[-20:]) < 0.75 * np.mean(costs[:10])
    assert trainer.validate().dice > 0.5


def test_one_seed_gives_one_network_and_another_seed_another():
    one, same, other = small_trainer(seed=1), small_trainer(seed=1), small_trainer(seed=2)
    for trainer in (one, same, other):
        for _ in range(3):
            trainer.step(1e-3)
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))


def test_new_boxes_enter_between_steps():
    trainer = small_trainer(ring_trainset(positives=1, negatives=0))
    trainer.step(1e-3)
    more = ring_trainset(positives=5, negatives=5)
    trainer.use(more)
    assert set(trainer._next(200)) == set(range(10))
    assert np.isfinite(trainer.step(1e-3))


@pytest.mark.parametrize("fresh", [True, False])
def test_a_network_that_knows_something_keeps_its_means_and_a_fresh_one_learns_them(fresh):
    network = build_network("unet", width=4, depth=2)
    trainer = Trainer(network, ring_trainset(), RECIPE, fresh=fresh)
    before = trainer.network.down[0][1].running_mean.clone()
    trainer.step(1e-3)
    assert torch.equal(trainer.network.down[0][1].running_mean, before) != fresh
    assert torch.equal(trainer.averaged.down[0][1].running_mean, before) != fresh


def test_without_negative_boxes_it_trains_too():
    trainer = small_trainer(ring_trainset(positives=2, negatives=0))
    assert np.isfinite(trainer.step(1e-3))
    assert trainer.validate().dice is None  # nothing was held out


def test_a_learning_rate_that_is_too_high_stops_with_a_sentence():
    recipe = replace(RECIPES["2017"], batch_size=4)
    trainer = Trainer(build_network("classic", kernels=(4, 1), sizes=(5, 5), pools=(2, 1)), ring_trainset(), recipe)
    with pytest.raises(ExplodedError, match="lower the learning rate"):
        for _ in range(50):
            trainer.step(1e30)


def test_a_graphics_card_without_memory_gets_smaller_batches_and_says_so():
    class Lines(Silent):
        def __init__(self):
            self.lines = []

        def log(self, message):
            self.lines.append(message)

    trainer, report = small_trainer(), Lines()
    real = trainer._loss

    def loss(network, batch):
        if len(batch.images) > 1:
            raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")
        return real(network, batch)

    trainer._loss = loss
    fit(trainer, Limits(1, 0.001), report, lambda _best: None)
    said = [line for line in report.lines if "memory is too small" in line]
    assert said == [
        f"The graphics card's memory is too small: going on with {boxes} per step." for boxes in ("2 boxes", "1 box")
    ]
    assert (trainer.steps_done, trainer.recipe.batch_size) == (5, 1)
    trainer._loss = lambda *_: (_ for _ in ()).throw(RuntimeError("some other mistake"))
    with pytest.raises(RuntimeError, match="some other mistake"):
        trainer.step(0.001)


@pytest.mark.parametrize("name", ["today", "2017"])
def test_classic_learns_with_both_recipes(name):
    network = build_network("classic", kernels=(4, 4, 1), sizes=(5, 5, 5))
    trainer = Trainer(network, ring_trainset(), recipe_for("classic", name))
    rate = 3e-3 if name == "today" else 1e-3
    costs = [trainer.step(rate) for _ in range(40)]
    assert np.mean(costs[-8:]) < np.mean(costs[:8]) - 0.1


def test_the_best_network_is_kept_on_cancel():
    class CancelsLate(Silent):
        calls = 0

        def progress(self, fraction, message):
            self.calls += 1
            if self.calls > 8:
                raise Cancelled

    kept = []
    with pytest.raises(Cancelled):
        fit(small_trainer(), Limits(9, 1e-3), CancelsLate(), lambda best: kept.append(best.best_iteration))
    assert kept == [1]


def test_a_cancel_in_the_first_iteration_keeps_what_there_is():
    class CancelsEarly(Silent):
        def progress(self, fraction, message):
            if fraction > 0.1:
                raise Cancelled

    kept = []
    with pytest.raises(Cancelled):
        fit(small_trainer(), Limits(3, 1e-3), CancelsEarly(), kept.append)
    assert len(kept) == 1
    assert kept[0].stopped == "cancelled"


@pytest.mark.parametrize(("keep_latest", "kept"), [(True, [1, 2, 3, 4]), (False, [1, 3])])
def test_the_recipe_keeps_the_latest_weights_or_those_that_do_best_on_the_held_out_boxes(keep_latest, kept):
    trainer = small_trainer(recipe=replace(RECIPE, keep_latest=keep_latest))
    losses = iter([0.5, 0.9, 0.4, 0.6])
    trainer.validate = lambda: Validation(next(losses), None, None)
    iterations = []
    outcome = fit(trainer, Limits(4, 1e-3), Silent(), lambda so_far: iterations.append(so_far.best_iteration))
    assert iterations == kept
    assert len(outcome.rows) == 4
    latest = trainer.averaged.state_dict()
    same = all(torch.equal(value, latest[name]) for name, value in outcome.network.state_dict().items())
    assert same == keep_latest


@pytest.mark.parametrize(
    ("losses", "done"),
    [
        ([0.1] + [0.5] * 19, 13),  # iteration 10 is the first that counts, the lucky first one does not
        ([0.1] + [0.9 - 0.01 * number for number in range(19)], 20),  # it still gets better
        ([0.9 - 0.01 * number for number in range(15)] + [0.9] * 5, 18),
    ],
)
def test_it_stops_once_the_held_out_boxes_get_no_better_in_the_second_half(losses, done):
    trainer = small_trainer(recipe=replace(RECIPE, steps=1, patience=3))
    told = iter(losses)
    trainer.validate = lambda: Validation(next(told), None, None)
    outcome = fit(trainer, Limits(20, 1e-3), Silent(), lambda so_far: None)
    assert len(outcome.rows) == done
    assert ("no better for 3 iterations" in outcome.stopped) == (done < 20)


def test_it_stops_when_its_seconds_are_used_up():
    outcome = fit(small_trainer(), Limits(10_000, 1e-3, seconds=0.5), Silent(), lambda best: None)
    assert "seconds allowed" in outcome.stopped
    assert outcome.steps > 0


def test_the_learning_rate_is_in_every_row_and_falls_with_the_recipe():
    outcome = fit(small_trainer(), Limits(3, 1e-3), Silent(), lambda best: None)
    rates = [row["learning_rate"] for row in outcome.rows]
    assert rates == sorted(rates, reverse=True)
    assert outcome.learning_rate == rates[-1] > 0
    assert learning_rate_at(RECIPES["2017"], 0.01, 0.5, 2) == pytest.approx(0.0081)


def test_a_recipe_of_the_other_network_is_refused():
    with pytest.raises(TomosegError, match="does not fit the network 'classic'"):
        recipe_for("classic", "default")
    for architecture, name in (("unets", "default"), ("unet", "fast")):
        with pytest.raises(TomosegError, match=f"The recipe 'today' does not fit the network '{name}'"):
            recipe_for(architecture, "today")
    with pytest.raises(TomosegError, match="no recipe"):
        recipe_for("unet", "tomorrow")


def test_a_finished_network_is_asked_where_it_is_and_not_where_it_was_trained():
    trainer = small_trainer()
    numbers = np.arange(3)
    expected = trainer.outputs(numbers)[1]
    trainer.device = torch.device("meta")  # stands for a graphics card: what comes from there are no numbers
    assert torch.equal(trainer.outputs(numbers, trainer.averaged)[1], expected)


def test_boxes_that_changed_get_half_of_the_next_batches():
    trainer = small_trainer(ring_trainset(positives=4, negatives=8))
    trainer.use(trainer.trainset, urgent=[11])
    batches = [trainer._next(8) for _ in range(15)]
    assert all(batch[:4] == [11] * 4 for batch in batches)  # 60 looks, four in each batch
    assert all(len(batch) == 8 for batch in batches)
    later = [trainer._next(8) for _ in range(30)]
    assert sum(batch[:4] == [11] * 4 for batch in later) < 3


def test_a_held_out_box_is_not_urgent():
    trainset = hold_out(ring_trainset(), 0.2, 0)
    number = int(np.flatnonzero(trainset.held_out)[0])
    trainer = small_trainer(trainset)
    trainer.use(trainset, urgent=[number])
    assert number not in trainer._next(100)


def test_emphasised_pixels_are_learned_sooner_until_the_boxes_change():
    def found(*, emphasised, changed=False):
        """What the network shows for the feature after some steps."""
        trainer = small_trainer(ring_trainset(), replace(RECIPE, average=0.5))
        everywhere = np.arange(len(trainer.trainset))
        feature = trainer.outputs(everywhere)[0].target[:, 0] > 0.5
        trainer.emphasise({number: pixels & emphasised for number, pixels in enumerate(feature)})
        if changed:
            trainer.use(trainer.trainset)
        for _ in range(25):
            trainer.step(3e-3)
        return float(torch.sigmoid(trainer.outputs(everywhere)[1])[:, 0][feature].mean())

    assert found(emphasised=True) > found(emphasised=False) + 0.02
    assert found(emphasised=True, changed=True) == found(emphasised=False)


@pytest.mark.parametrize("box_size", [12, 16, 64])
def test_emphasised_pixels_stay_at_their_places(box_size):
    """A map is narrower than the crop of its box, or wider."""
    trainset = ring_trainset(size=box_size)
    trainer = Trainer(build_network("unet", width=4, depth=4, fold=2), trainset, RECIPE)
    batch = trainer.outputs(np.array([0]))[0]
    trainer.emphasise({0: batch.target[0, 0] > 0.5})
    feature = torch.from_numpy(trainset.labels[0] == FEATURE)
    edge = max(0, (feature.shape[0] - trainer.patch) // 2)
    inner = slice(edge, feature.shape[0] - edge)
    assert feature[inner, inner].any()
    assert torch.equal(trainer._weights_of([0])[0, inner, inner] > 1, feature[inner, inner])


def test_a_coarser_network_weighs_its_pixels_by_all_that_they_cover():
    trainer = Trainer(build_network("classic"), ring_trainset(), replace(RECIPES["today"], batch_size=2))
    batch = trainer.outputs(np.arange(2))[0]
    output = torch.rand(2, 1, trainer.patch // trainer.network.shrink, trainer.patch // trainer.network.shrink)
    alike = float(trainer._criterion(output, batch))
    everywhere, half = torch.full_like(batch.known, 4.0), torch.ones_like(batch.known)
    half[:, :, : trainer.patch // 2] = 4.0
    assert float(trainer._criterion(output, replace(batch, weight=everywhere))) == pytest.approx(alike, abs=1e-5)
    assert float(trainer._criterion(output, replace(batch, weight=half))) != pytest.approx(alike, abs=1e-3)
