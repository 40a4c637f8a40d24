"""Each network of the default begins with what it learned from simulated cells, unless told not to."""

import errno
from pathlib import Path

import pytest
import torch

from ml.learning import Request, trainer_for
from ml.networks import build_network, preset
from ml.training import RANDOM
from ml.warm_start import FILE, for_context, save_warm_start, warm_up
from tests.ml.scenes import ring_trainset
from tomo.errors import TomosegError

LARGEST = 2_000_000  # bytes, the project's own limit


def network_for(context, name="fast"):
    architecture, settings = preset(name)
    torch.manual_seed(0)
    return build_network(architecture, context=context, **settings).eval()


@pytest.mark.parametrize("name", ["fast", "default"])
def test_the_file_is_small_and_fits(name):
    assert FILE.stat().st_size < LARGEST
    assert warm_up(network_for(5, name))


def test_the_networks_of_an_ensemble_begin_alike_but_for_the_last_layer():
    both = network_for(5, "default")
    warm_up(both)
    first, second = (member.state_dict() for member in both.members)
    for name, value in first.items():
        assert torch.equal(value, second[name]) != name.startswith("head."), name


def test_all_layers_but_the_last_change():
    cold, warm = network_for(5), network_for(5)
    warm_up(warm)
    for name, value in warm.state_dict().items():
        assert torch.equal(value, cold.state_dict()[name]) == name.startswith("head."), name


def test_a_network_that_sees_three_slices_answers_as_if_the_outermost_were_repeated():
    three, five = network_for(3), network_for(5)
    warm_up(three)
    warm_up(five)
    three.head.load_state_dict(five.head.state_dict())
    slices = torch.randn(1, 3, 32, 48)
    with torch.inference_mode():
        assert torch.allclose(three(slices), five(slices[:, [0, 0, 1, 2, 2]]), atol=1e-4)


def test_slices_beyond_the_fifth_do_not_count_at_first():
    first = torch.randn(2, 10, 3, 3)
    wider = for_context(first, 7).view(2, 7, 2, 3, 3)
    assert not wider[:, [0, 6]].any()
    assert torch.equal(wider[:, 1:6].reshape(2, 10, 3, 3), first)


@pytest.mark.parametrize(
    "other",
    [("classic", {}), ("unet", {"context": 5, "width": 8, "depth": 3, "fold": 2}), ("unet", {"width": 16, "fold": 2})],
)
def test_other_networks_are_left_as_they_are(other):
    architecture, settings = other
    network = build_network(architecture, **settings)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not warm_up(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_is_written_comes_back(tmp_path):
    first, second = network_for(5), network_for(5)
    with torch.no_grad():
        first.down[1][0].weight.mul_(3.0)
    save_warm_start(tmp_path / "start.safetensors", first)
    assert warm_up(second, tmp_path / "start.safetensors")
    assert torch.allclose(second.down[1][0].weight, first.down[1][0].weight, atol=1e-3)


def test_a_full_disk_is_one_sentence_and_keeps_the_file_of_before(tmp_path, monkeypatch):
    def full(_path, _content):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "start.safetensors"
    path.write_bytes(b"before")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TomosegError, match=r"start\.safetensors: the disk is full"):
        save_warm_start(path, network_for(5))
    monkeypatch.undo()
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_a_damaged_file_says_what_to_do(tmp_path):
    path = tmp_path / "start.safetensors"
    path.write_bytes(FILE.read_bytes()[:1000])
    with pytest.raises(TomosegError, match="install Tomoseg again"):
        warm_up(network_for(5), path)


@pytest.mark.parametrize("cold", [True, False])
def test_training_begins_with_it_unless_told_not_to_and_the_history_says_so(cold):
    trainer, _ = trainer_for(ring_trainset(context=3), Request(cold_start=cold), None)
    known = network_for(3)
    warm_up(known)
    for member in trainer.network.members:
        same = torch.equal(member.down[2][0].weight.detach(), known.down[2][0].weight)
        assert same != cold
    assert trainer.began_with == (RANDOM if cold else "simulated cells")
