"""Tiles on their way to a processor and back: in order, and no more under way than the lanes allow."""

import numpy as np
import pytest
import torch

from ml import transfers
from ml.network_file import load_network
from ml.predict import Predictor
from ml.transfers import CardLanes, DirectLanes, lanes_for, through

CPU = torch.device("cpu")


class LateLanes:
    """As a graphics card: a result can be had only once it is fetched, and one may be under way meanwhile."""

    waiting = 1

    def __init__(self):
        self.underway = self.most = 0

    def send(self, part):
        self.underway += 1
        self.most = max(self.most, self.underway)
        return torch.from_numpy(part)

    def fetch(self, result):
        def array():
            self.underway -= 1
            return result.float().numpy()

        return array


@pytest.mark.parametrize("lanes", [DirectLanes(CPU), LateLanes()])
def test_results_come_in_the_order_of_their_parts(lanes):
    parts = [np.full((1, 2), number, np.float32) for number in range(5)]
    found = list(through(lanes, iter(parts), lambda tensor: tensor * 2))
    assert [int(each[0, 0]) for each in found] == [0, 2, 4, 6, 8]
    assert list(through(lanes, [], lambda tensor: tensor)) == []


def test_two_tiles_at_most_are_under_way():
    lanes = LateLanes()
    list(through(lanes, [np.zeros((1, 1), np.float32)] * 7, lambda tensor: tensor))
    assert (lanes.most, lanes.underway) == (2, 0)


def test_lanes_that_lag_give_the_same_map(make_network):
    slices = np.random.default_rng(0).normal(0, 1, (7, 150, 187)).astype(np.float32)
    network = load_network(make_network(context=3))
    expected = Predictor(network, CPU).predict(slices)
    late = Predictor(network, CPU)
    late._lanes = LateLanes()
    assert late.predict(slices) == pytest.approx(expected, abs=0)


def test_each_device_has_its_lanes():
    assert isinstance(lanes_for(CPU), DirectLanes)
    assert isinstance(lanes_for(torch.device("meta")), DirectLanes)


class FakeStream:
    """Writes down what is asked of it."""

    def __init__(self, said, name):
        self._said, self._name = said, name

    def wait_stream(self, other):
        self._said.append(f"{self._name} waits for {other._name}")

    def record_event(self):
        self._said.append(f"{self._name} notes the end")
        return self

    def synchronize(self):
        self._said.append(f"the caller waits for {self._name}")

    def __enter__(self):
        self._said.append(f"on {self._name}:")

    def __exit__(self, *_):
        pass


def test_a_card_computes_only_what_has_arrived_and_gives_only_what_is_computed(monkeypatch):
    """The order of waiting is what makes copies beside computing right; no card is needed to see it."""
    said = []
    names = iter(("there", "back"))
    computing = FakeStream(said, "computing")
    through_empty, through_to = torch.empty, torch.Tensor.to
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: FakeStream(said, next(names)))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch, "empty", lambda size, dtype, pin_memory: through_empty(size, dtype=dtype))
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *where, non_blocking=False: through_to(self, "cpu").clone())
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, stream: said.append(f"kept for {stream._name}"))
    lanes = transfers.CardLanes(torch.device("cuda"))
    arriving = lanes.send(np.arange(6, dtype=np.float32).reshape(1, 2, 3))
    assert arriving.dtype == torch.half
    assert said == ["on there:", "computing waits for there", "kept for computing"]
    said.clear()
    array = lanes.fetch(arriving * 2)
    assert said == ["back waits for computing", "on back:", "kept for back", "back notes the end"]
    assert array().tolist() == [[[0, 2, 4], [6, 8, 10]]]
    assert said[-1] == "the caller waits for back"
    assert CardLanes.waiting == 1
