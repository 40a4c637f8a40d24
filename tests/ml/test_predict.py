"""A network's map does not depend on tiles, and is in amplitude units."""

import numpy as np
import pytest
import torch

from ml import predict
from ml.network_file import load_network
from ml.predict import Predictor, bytes_per_pixel, predictor_for
from ml.tiles import smallest_tile

CPU = torch.device("cpu")


@pytest.fixture
def slab():
    return np.random.default_rng(0).normal(0, 1, (3, 150, 187)).astype(np.float32)


def map_with_mirrored_borders(network, slices):
    """What the network itself says of [context, y, x], mirrored by its margin on all sides; [y, x]."""
    edge = network.module.margin
    roomy = np.pad(slices, ((0, 0), (edge, edge), (edge, edge)), mode="symmetric")
    with torch.inference_mode():
        found = network.map_of(torch.from_numpy(roomy[None])).numpy()[0, 0]
    return found[edge : edge + slices.shape[1], edge : edge + slices.shape[2]]


def test_a_slice_goes_on_beyond_its_borders(make_network):
    network = load_network(make_network())
    grey, step = np.ones((1, 12 * network.stride, 12 * network.stride), np.float32), network.stride
    with torch.inference_mode():
        bare = network.map_of(torch.from_numpy(grey[None])).numpy()[0, 0] / network.info.amplitude
    found = Predictor(network, CPU).predict(grey)[0]
    assert np.ptp(found[::step, ::step]) < 0.5 * np.ptp(bare[::step, ::step])  # an even slice: an even map


@pytest.mark.parametrize("architecture", ["unet", "unets", "classic"])
def test_tiles_give_the_map_of_the_whole_slice(make_network, slab, architecture):
    network = load_network(make_network(architecture))
    whole, tiled = Predictor(network, CPU), Predictor(network, CPU)
    tiled._tile = smallest_tile(tiled.reach, tiled.stride)
    assert tiled._tile < 150
    found = tiled.predict(slab)
    assert found.shape == slab.shape
    assert found.std() > 0.001
    assert np.abs(found - whole.predict(slab)).max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 7), (1, 3, 50)])
def test_slices_of_any_size_are_taken(make_network, shape):
    found = Predictor(load_network(make_network()), CPU).predict(np.ones(shape, np.float32))
    assert found.shape == shape
    assert np.isfinite(found).all()


def test_the_map_is_the_networks_output_divided_by_its_amplitude(make_network, slab):
    network = load_network(make_network(amplitude=0.25))
    direct = map_with_mirrored_borders(network, slab[:1, :148, :184])
    found = Predictor(network, CPU).predict(slab[:1, :148, :184])[0]
    assert found == pytest.approx(np.maximum(direct / 0.25, 0), abs=1e-4)


def test_negatives_become_zero(make_network, slab):
    found = Predictor(load_network(make_network("classic")), CPU).predict(slab)
    assert found.min() == 0
    assert found.max() > 0


def test_eight_flips_give_a_map_that_turns_with_its_slice(make_network):
    predictor = Predictor(load_network(make_network()), CPU, flips=8)
    slab = np.random.default_rng(1).normal(0, 1, (1, 64, 64)).astype(np.float32)
    found = predictor.predict(slab)[0]
    for turned in (slab[:, ::-1], slab[:, :, ::-1], slab.transpose(0, 2, 1)):
        back = predictor.predict(np.ascontiguousarray(turned))[0]
        expected = {0: found[::-1], 1: found[:, ::-1], 2: found.T}
        assert min(np.abs(back - candidate).max() for candidate in expected.values()) < 1e-5
    once = Predictor(load_network(make_network()), CPU).predict(slab)[0]
    assert np.abs(found - once).max() > 1e-3


def test_a_network_that_looks_at_neighbours_gets_them_in_order(make_network, slab):
    network = load_network(make_network(context=3))
    direct = map_with_mirrored_borders(network, slab[:, :148, :184])
    found = Predictor(network, CPU).predict(slab[:, :148, :184])
    assert found.shape == (1, 148, 184)
    assert found[0] == pytest.approx(np.maximum(direct / 0.25, 0), abs=1e-4)


def test_less_memory_means_smaller_tiles(make_network, monkeypatch):
    monkeypatch.setitem(predict.LARGEST_TILE, "cpu", 100_000)
    network = load_network(make_network())
    small, large = Predictor(network, CPU, memory=0.1), Predictor(network, CPU, memory=10)
    assert smallest_tile(small.reach, small.stride) <= small._tile < large._tile
    assert small._tile**2 * bytes_per_pixel(network) <= 0.1e9 * predict.SHARE_FOR_TILES


def test_a_graphics_card_without_memory_gets_smaller_tiles_and_says_so(make_network, slab, monkeypatch):
    predictor = Predictor(load_network(make_network()), CPU)
    expected, calls = predictor.predict(slab), []
    through = predictor._tile_map

    def scarce(part):
        calls.append(part.shape)
        if part.shape[1] * part.shape[2] > 20_000:
            raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")
        return through(part)

    monkeypatch.setattr(predictor, "_tile_map", scarce)
    assert np.abs(predictor.predict(slab) - expected).max() < 1e-5
    assert "memory is too small" in predictor.take_notes()[0]
    assert predictor.take_notes() == []


def test_the_last_network_stays_loaded_until_its_file_changes(make_network):
    path = make_network()
    first = predictor_for(path, CPU)
    assert predictor_for(path, CPU) is first
    make_network(amplitude=0.5)
    again = predictor_for(path, CPU)
    assert again is not first
    assert again.info.amplitude == 0.5
