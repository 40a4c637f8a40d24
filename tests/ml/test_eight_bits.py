"""8-bit numbers: exact sums, a map close to that of float32, the same bits everywhere, and who must not use them."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from ml import apply, batch, eight_bits, recipes
from ml.apply_options import Applying
from ml.applying import settled
from ml.eight_bits import (
    EightBitUNet,
    _halved,
    _in_whole_numbers,
    _joined,
    _Layer,
    in_eight_bits,
    require_eight_bits,
    watched,
)
from ml.learning import Request, learn
from ml.network_file import EightBits, load_info, load_network, save_network
from ml.networks import build_network
from ml.options import UsageError
from ml.predict import Predictor
from ml.report import Cancelled, Silent
from ml.scores import dice
from ml.tiles import smallest_tile
from tests.ml.scenes import ring_scene, ring_trainset
from tomo.errors import TomosegError
from tomo.mrc import open_tomogram
from tomo.preprocessing import NO_FILTER

CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(not eight_bits.supported(), reason="a processor of Intel or AMD with AVX2")


@pytest.fixture(scope="module")
def trained():
    """A network that has learned rings, as training leaves it."""
    with pytest.MonkeyPatch.context() as patch:
        short = replace(recipes.RECIPES["default"], steps=80, batch_size=4)
        patch.setitem(recipes.RECIPES, "default", short)
        request = Request(iterations=1, device="cpu", threads=1)
        network = learn(ring_trainset(context=3), request, Silent(), lambda *_: None).network
    # So short a training need not end with a network that bears them.
    known = replace(network.info.eight_bits, dice_change=max(network.info.eight_bits.dice_change, -0.004))
    return replace(network, info=replace(network.info, eight_bits=known))


@pytest.fixture
def ranged(make_network):
    """Writes a random network that knows its ranges on noise; returns its path."""

    def make(**settings):
        loaded = load_network(make_network(**settings))
        module = loaded.for_applying(CPU).module
        with watched(module) as largest:
            module(torch.randn(2, loaded.context, 64, 64, generator=torch.Generator().manual_seed(1)))
        return make_network(**settings, eight_bits=EightBits(tuple(largest), 0.0))

    return make


def layer(*, largest_weight=eight_bits.LARGEST_WEIGHT, zero=0, seed=0):
    """A convolution of whole weights, its layer in 8-bit numbers, and an input with places as large as can be."""
    random = torch.Generator().manual_seed(seed)
    convolution = torch.nn.Conv2d(48, 16, 3, padding=1)
    whole = torch.randint(-largest_weight, largest_weight + 1, (16, 48, 3, 3), generator=random).float()
    whole[:8] = largest_weight
    whole[:, 0, 0, 0] = largest_weight  # so that a step is 1
    with torch.no_grad():
        convolution.weight.copy_(whole)
        convolution.bias.copy_(torch.randn(16, generator=random) * 1e4)
    batch = torch.randint(0, 256, (1, 48, 20, 24), generator=random, dtype=torch.uint8)
    batch[..., :12] = 255
    going = torch.tensor(15_000.0 if zero else 30_000.0)
    made = _Layer(convolution, torch.full((48,), 1.0), going, zero)
    return convolution, made, batch.contiguous(memory_format=torch.channels_last), going


@pytest.mark.parametrize("zero", [0, eight_bits.MIDDLE])
def test_the_sums_of_a_layer_are_exact_up_to_the_image_border(zero):
    convolution, made, whole, going = layer(zero=zero)
    with torch.inference_mode():
        sums = functional.conv2d(whole.double() - zero, convolution.weight.double(), padding=1) / 255
        sums += convolution.bias.double()[:, None, None]
        expected = (sums.clamp(min=0) * 255 / float(going)).round().clamp(max=255)
        found = made(whole)
    assert len(torch.unique(found)) > 100
    assert torch.equal(found, expected.to(torch.uint8))


HASH = """
import torch
from tests.ml.test_eight_bits import digest
print(digest())
"""


def digest():
    with torch.inference_mode():
        found = [layer(zero=zero, seed=seed)[1:3] for zero in (0, eight_bits.MIDDLE) for seed in range(3)]
        outputs = [made(whole).contiguous().numpy().tobytes() for made, whole in found]
    return hashlib.sha256(b"".join(outputs)).hexdigest()


@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_processors_without_8_bit_instructions_make_the_same_bits(instructions):
    """With weights of 8 bits they would not: their sums of two products do not fit 16 bits."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instructions}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", HASH], env=environment, cwd=root, capture_output=True, check=True)
    assert done.stdout.decode().strip() == digest()


def test_weights_are_rounded_so_that_kernels_keep_their_sums():
    weights = torch.randn(5, 7, 3, 3, generator=torch.Generator().manual_seed(2))
    whole, steps = _in_whole_numbers(weights, 63)
    assert torch.equal(whole, whole.round())
    assert 62 <= whole.abs().amax(dim=(1, 2, 3)).min() <= whole.abs().max() <= 63
    assert (whole - weights / steps).abs().max() < 1
    assert (whole - weights / steps).sum(dim=(2, 3)).abs().max() < 0.51
    assert ((weights / steps).round() - weights / steps).sum(dim=(2, 3)).abs().max() > 1  # one by one


def test_pooling_takes_the_largest_of_four():
    whole = torch.randint(0, 256, (2, 5, 6, 8), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    assert torch.equal(_halved(whole), functional.max_pool2d(whole.float(), 2).to(torch.uint8))


def test_what_comes_from_below_is_doubled_and_joined():
    beside = torch.randint(0, 256, (2, 5, 6, 8), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    below = torch.randint(0, 256, (2, 3, 3, 4), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    expected = torch.cat([beside, functional.interpolate(below, scale_factor=2.0, mode="nearest")], dim=1)
    found = _joined(beside, below)
    assert torch.equal(found, expected) and found.is_contiguous(memory_format=torch.channels_last)


def test_a_batch_is_put_into_whole_numbers_once_for_all_its_views(trained):
    images = torch.randn(2, 3, 32, 48, generator=torch.manual_seed(1))
    for network in in_eight_bits(trained.for_applying(CPU), CPU).module.members:
        whole = network.prepared(images)
        assert whole.dtype == torch.uint8 and whole.shape == images.shape and network.prepared(whole) is whole
        assert torch.equal(network.map_of(whole), network.map_of(images))


def test_training_measures_the_ranges_and_what_they_change(trained):
    known = trained.info.eight_bits
    assert known is require_eight_bits(trained.info)
    assert len(known.largest) == 2 * 15  # of the input and of 14 layers, in both networks
    assert known.largest[0] == pytest.approx(np.abs(ring_trainset().images).max(), rel=0.3)
    assert abs(known.dice_change) < 0.03


def test_the_map_of_a_trained_network_is_close_to_that_of_float32(trained):
    tomogram, labels = ring_scene(seed=5)
    exact = Predictor(trained, CPU).predict(tomogram)
    found = Predictor(trained, CPU, numbers="int8").predict(tomogram)
    assert exact.std() > 0.1
    assert 0 < np.abs(found - exact).mean() < 0.01
    scores = [dice(strength > trained.info.threshold, labels[1:-1] > 0) for strength in (exact, found)]
    assert scores[1] == pytest.approx(scores[0], abs=0.01)


@pytest.mark.parametrize("settings", [{"depth": 1}, {"depth": 2, "fold": 1}, {"depth": 3, "width": 5, "context": 3}])
def test_networks_of_other_shapes_have_such_a_form_too(settings):
    torch.manual_seed(3)
    network = build_network("unet", **{"width": 6, **settings}).eval()
    loaded = eight_bits.LoadedNetwork(network, eight_bits.NetworkInfo("a", "unet", settings)).for_applying(CPU)
    images = torch.randn(2, network.context, 48, 64)
    with torch.inference_mode():
        with watched(loaded.module) as largest:
            exact = loaded.map_of(images)
        found = EightBitUNet(loaded.module, largest).map_of(images)
    assert exact.std() > 1e-3
    assert (found - exact).abs().max() < 0.05 * (exact.max() - exact.min())


def test_neither_tiles_nor_threads_change_a_number(trained):
    slices = np.random.default_rng(0).normal(0, 1, (3, 440, 130)).astype(np.float32)
    whole, tiled = (Predictor(trained, CPU, numbers="int8") for _ in range(2))
    tiled._tile = smallest_tile(tiled.reach, tiled.stride)
    assert tiled._tile < 440
    expected = whole.predict(slices)
    assert np.abs(tiled.predict(slices) - expected).max() < 1e-6
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert np.array_equal(whole.predict(slices), expected)
    finally:
        torch.set_num_threads(threads)


def test_a_batch_of_several_processes_makes_the_bits_of_one(ranged, make_tomogram, tmp_path):
    network, tomogram = ranged(context=5), make_tomogram(shape=(24, 61, 83))
    shared = {"threshold": (0.3,), "measure": False, "surfaces": False, "device": "cpu", "numbers": "int8"}
    for name, workers in (("many", 2), ("one", 1)):
        rows = batch.run(
            batch.Options((tomogram,), (network,), tmp_path / name, workers=workers, threads=workers, **shared),
            Silent(),
        )["rows"]
        assert [row["error"] for row in rows] == [""]
    place = Path("segmentations") / "cell1__mito.mrc"
    assert (tmp_path / "many" / place).read_bytes() == (tmp_path / "one" / place).read_bytes()
    assert open_tomogram(tmp_path / "one" / place).data.std() > 0
    again = batch.run(batch.Options((tomogram,), (network,), tmp_path / "one", workers=1, **shared), Silent())
    assert again["rows"][0]["status"] == "kept"
    other = {**shared, "numbers": "float32"}
    again = batch.run(batch.Options((tomogram,), (network,), tmp_path / "one", workers=1, **other), Silent())
    assert again["rows"][0]["status"] == "done"


class CancelsHalfWay(Silent):
    def progress(self, fraction, message):
        if fraction > 0.5 and message.startswith("Applying to"):
            raise Cancelled


def test_a_run_never_goes_on_with_a_map_in_other_numbers(ranged, make_tomogram, tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "slab_depth", lambda *_: 2)
    network, tomogram = ranged(), make_tomogram(shape=(9, 37, 43))

    def applied(folder, report, numbers):
        options = apply.Options(network, (tomogram,), tmp_path / folder, device="cpu", numbers=numbers)
        return apply.run(options, report)["maps"][0]

    expected = applied("whole", Silent(), "float32")
    for numbers, resumed in (("int8", 0), ("float32", 4)):
        with pytest.raises(Cancelled):
            applied(numbers, CancelsHalfWay(), numbers)
        found = applied(numbers, Silent(), "float32")
        assert found["resumed_at_slice"] == resumed
        assert Path(found["map"]).read_bytes() == Path(expected["map"]).read_bytes()


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"architecture": "classic"}, "for the networks default and fast, not for EMAN2's, as that of mito"),
        ({}, "does not know its ranges .*: train it further"),
        ({"eight_bits": EightBits((3.0,) * 7, -0.031)}, r"cost the network of mito 0\.031 of the Dice"),
        ({"eight_bits": EightBits((3.0,) * 9, 0.0)}, "do not fit its layers"),
    ],
    ids=["classic", "older", "worse", "odd"],
)
def test_networks_that_cannot_are_told_what_to_do(make_network, network, words):
    path = make_network(**network)
    with pytest.raises(TomosegError, match=words) as refused:
        Predictor(load_network(path), CPU, numbers="int8")
    assert str(refused.value).endswith("apply it with 32 bits (--numbers float32).")
    assert Predictor(load_network(path), CPU).predict(np.ones((1, 20, 20), np.float32)).shape == (1, 20, 20)


def test_they_are_for_the_processor_and_only_for_some(ranged, monkeypatch):
    loaded = load_network(ranged())
    with pytest.raises(TomosegError, match="are for the CPU: choose the device cpu"):
        in_eight_bits(loaded, torch.device("cuda"))
    monkeypatch.setattr(eight_bits, "supported", lambda: False)
    with pytest.raises(TomosegError, match="need a processor of Intel or AMD with AVX2"):
        in_eight_bits(loaded, CPU)
    with pytest.raises(UsageError, match="--numbers int8 is for the CPU, not for --device cuda"):
        apply.Options(Path("n"), (Path("t"),), Path("o"), numbers="int8", device="cuda").check()


def test_left_open_they_are_used_where_they_can_be_and_then_with_more_views(ranged, make_network, monkeypatch):
    able, older, classic = load_info(ranged()), load_info(make_network()), load_info(make_network("classic"))
    lossy = replace(able, eight_bits=replace(able.eight_bits, dice_change=-0.006))
    options = Applying(device="cpu")

    def chosen(info, **asked):
        found = settled(replace(options, **asked), info)
        return found.numbers, found.flips

    assert chosen(able) == ("int8", 4)
    assert chosen(replace(able, architecture="unets")) == ("int8", 8)
    assert [chosen(info) for info in (older, classic, lossy)] == [("float32", 1)] * 3
    assert chosen(able, numbers="float32") == ("float32", 1)
    assert chosen(able, flips=8) == ("int8", 8)
    assert chosen(classic, flips=4) == ("float32", 4)
    monkeypatch.setattr(eight_bits, "supported", lambda: False)
    assert chosen(able) == ("float32", 1)
    monkeypatch.setattr("ml.devices.choose_device", lambda _: torch.device("cuda"))
    assert [chosen(info) for info in (able, older, classic)] == [("float32", 4), ("float32", 4), ("float32", 1)]


def test_ranges_of_one_map_are_in_the_same_numbers_wherever_they_are_computed(ranged, make_network):
    left_open = Applying()
    assert settled(left_open, load_info(ranged())).device == "cpu"  # another machine's card would use other numbers
    assert settled(left_open, load_info(make_network())).device == "auto"


def test_where_a_batch_cannot_it_says_so_before_it_begins(make_network, make_tomogram, tmp_path):
    options = batch.Options((make_tomogram(),), (make_network(),), tmp_path / "out", numbers="int8")
    with pytest.raises(TomosegError, match="train it further"):
        batch.run(options, Silent())
    assert not (tmp_path / "out").exists()


def test_a_processor_that_cannot_measures_no_ranges(trained, monkeypatch):
    from ml import learning

    monkeypatch.setattr(learning, "supported", lambda: False)
    assert learning.try_eight_bits(trained, None) is None


def test_the_ranges_survive_the_file(trained, tmp_path):
    path = tmp_path / "ring.safetensors"
    save_network(path, trained.module, replace(trained.info, preprocessing=NO_FILTER))
    assert load_info(path).eight_bits == trained.info.eight_bits
