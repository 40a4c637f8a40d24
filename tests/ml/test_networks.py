"""What every network must do, and that `classic` is EMAN2's."""

import pytest
import torch

from ml.networks import PRESETS, build_network, preset
from ml.networks.base import parameters_of
from tomo.errors import TomosegError


@pytest.fixture(params=sorted(PRESETS))
def network(request):
    torch.manual_seed(1)
    architecture, settings = preset(request.param)
    return build_network(architecture, **settings).eval()


def test_the_map_has_the_size_of_the_slice(network):
    tile = torch.randn(2, 1, network.stride * 3, network.stride * 5)
    assert network.map_of(tile).shape == tile.shape


def test_an_odd_tile_is_refused_with_the_size_to_pad_to(network):
    with pytest.raises(ValueError, match=f"pad it to {network.stride} × {2 * network.stride}"):
        network.map_of(torch.zeros(1, 1, network.stride - 1, network.stride + 1))


def test_neighbouring_slices_are_channels():
    network = build_network("unet", context=5)
    assert network.map_of(torch.randn(1, 5, 32, 48)).shape == (1, 1, 32, 48)


def test_a_pixel_beyond_the_halo_does_not_matter(network):
    size = -(-(2 * network.halo + 64) // network.stride) * network.stride
    tile = torch.randn(1, 1, size, network.stride * 8)
    changed = tile.clone()
    changed[..., : network.stride, :] += 1
    inner = slice(network.halo + network.stride, None)
    difference = (network.map_of(tile) - network.map_of(changed)).abs()
    assert difference[..., : network.stride, :].max() > 0
    assert difference[..., inner, :].max() < 0.02 * difference.max() + 1e-7


def test_classic_has_the_layers_of_eman2():
    network = build_network("classic")
    shapes = [tuple(value.shape) for value in network.state_dict().values()]
    assert shapes == [(40, 1, 15, 15), (40,), (40, 40, 15, 15), (40,), (1, 40, 15, 15), (1,)]
    assert parameters_of(network) == 378_081
    assert network(torch.zeros(1, 1, 64, 48)).shape == (1, 1, 32, 24)


def test_classic_divides_its_image_by_three():
    network = build_network("classic", kernels=(1,), sizes=(1,), pools=(1,))
    torch.nn.init.ones_(network.convolutions[0].weight)
    torch.nn.init.zeros_(network.convolutions[0].bias)
    assert network(torch.full((1, 1, 2, 3), 6.0)).eq(2.0).all()


def test_the_default_shows_a_probability():
    architecture, settings = preset("default")
    network = build_network(architecture, **settings).eval()
    found = network.map_of(100 * torch.randn(1, 1, 64, 64))
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [("unet", {"width": 10**9}), ("unet", {"context": 2}), ("unet", {"colour": 3}), ("unet", {"depth": True}),
     ("classic", {"kernels": (40,), "sizes": (15, 15)}), ("classic", {"sizes": (10**6,) * 3}), ("resnet", {})],
)  # fmt: skip
def test_impossible_settings_are_refused_in_one_sentence(architecture, settings):
    with pytest.raises(TomosegError, match="network") as caught:
        build_network(architecture, **settings)
    assert "unet" not in str(caught.value)


def test_users_are_offered_the_networks_that_are_for_them():
    with pytest.raises(TomosegError, match=r"no network 'resnet': choose one of default, fast, classic\.$"):
        preset("resnet")
    assert preset("unet")[1]["fold"] == 1  # still understood


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(TomosegError, match="classic"):
        preset("vgg")
