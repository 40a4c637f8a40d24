"""Views of a slice: each is turned back exactly, and networks that share them out are as many times asked."""

import numpy as np
import pytest
import torch

from ml.network_file import load_network
from ml.predict import Predictor
from ml.views import EIGHT, FOUR, STRAIGHT, dealt, turned, turned_back

CPU = torch.device("cpu")


@pytest.mark.parametrize("view", EIGHT)
def test_a_view_is_turned_back_exactly(view):
    batch = torch.arange(2 * 3 * 5 * 7.0).view(2, 3, 5, 7)
    assert torch.equal(turned_back(turned(batch, view), view), batch)


def test_all_views_differ():
    corner = torch.arange(12.0).view(1, 1, 3, 4)
    assert len({(turned(corner, view).shape, tuple(turned(corner, view).flatten().tolist())) for view in EIGHT}) == 8
    assert set(FOUR) < set(EIGHT) and len(set(FOUR)) == 4


@pytest.mark.parametrize("networks", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("views", [FOUR, EIGHT])
def test_networks_share_out_the_views_and_have_as_many_each(networks, views):
    shares = dealt(len(views), networks)
    assert len(shares) == networks
    assert {len(share) for share in shares} == {-(-len(views) // networks)}
    assert {view for share in shares for view in share} == set(views)
    assert all(len(set(share)) == len(share) for share in shares)


def test_one_view_is_the_slice_as_it_is_and_of_eight_one_network_has_the_mirrored_ones():
    assert dealt(1, 2) == [(STRAIGHT,), (STRAIGHT,)]
    turned_only, mirrored = dealt(8, 2)
    assert not any(flip for _, flip in turned_only) and all(flip for _, flip in mirrored)


@pytest.mark.parametrize(("architecture", "flips"), [("unet", 4), ("unets", 4), ("unets", 8)])
def test_a_map_is_the_mean_of_what_each_network_sees_in_its_views(make_network, architecture, flips):
    network = load_network(make_network(architecture))
    slab = np.random.default_rng(1).normal(0, 1, (1, 40, 56)).astype(np.float32)
    found = Predictor(network, CPU, flips=flips).predict(slab)[0]
    margin, edges = network.module.margin, ((0, 0), (network.module.margin,) * 2, (network.module.margin,) * 2)
    batch = torch.from_numpy(np.pad(slab, edges, mode="symmetric")[None])
    looks = []
    with torch.inference_mode():
        for member, views in zip(network.module.members, dealt(flips, len(network.module.members)), strict=True):
            looks += [turned_back(member.map_of(turned(batch, view)), view)[0, 0] for view in views]
    mean = torch.stack(looks).mean(0)[margin:-margin, margin:-margin].numpy() / network.info.amplitude
    assert found == pytest.approx(np.maximum(mean, 0), abs=1e-4)
    once = Predictor(network, CPU).predict(slab)[0]
    assert np.abs(found - once).max() > 1e-3


def test_other_numbers_of_views_are_refused(make_network):
    with pytest.raises(ValueError, match="one of 1, 4, 8, not 3"):
        Predictor(load_network(make_network()), CPU, flips=3)
