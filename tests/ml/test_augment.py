"""Turned and varied boxes: no dark corners, labels that follow their image, unknown stays unknown."""

import numpy as np
import pytest
import torch

from ml.augment import NOTHING, ONLY_TURNS, Augmentation, cut, levelled, vary_greys
from ml.trainset import crop_size
from tests.ml.scenes import ring_trainset
from tomo.labels import FEATURE


def tensors(trainset):
    return torch.from_numpy(trainset.images), torch.from_numpy(trainset.labels)


def test_without_augmentation_the_box_comes_back_as_it_was():
    images, labels = tensors(ring_trainset(size=16))
    batch = cut(images, labels, 16, NOTHING, torch.Generator())
    middle = slice(8, 24)
    assert torch.allclose(batch.images, images[..., middle, middle], atol=1e-4)
    assert torch.allclose(batch.target[:, 0], (labels[:, middle, middle] == 1).float(), atol=1e-4)
    assert batch.known.all()


def test_a_turned_box_has_no_dark_corners():
    size = crop_size(16)
    images, labels = torch.ones(40, 1, size, size), torch.zeros(40, size, size, dtype=torch.int8)
    turns = Augmentation(stretch=0, bend=0, gain=0, offset=0, noise=0, blur=0)
    batch = cut(images, labels, 16, turns, torch.Generator().manual_seed(1))
    assert torch.allclose(batch.images, torch.ones_like(batch.images), atol=1e-5)


def test_eman2s_corners_are_dark_and_count_as_background():
    images, labels = torch.ones(40, 1, 16, 16), torch.ones(40, 16, 16, dtype=torch.int8)
    batch = cut(images, labels, 16, ONLY_TURNS, torch.Generator().manual_seed(1))
    assert batch.images[..., 0, 0].min() == 0
    assert torch.equal(batch.target, batch.images)
    assert batch.known.all()


def test_label_and_image_turn_together():
    labels = torch.zeros(30, 48, 48, dtype=torch.int8)
    labels[:, 20:26, 14:40] = 1
    images = labels[:, None].float() * 5
    batch = cut(images, labels, 32, Augmentation(gain=0, offset=0, noise=0, blur=0), torch.Generator().manual_seed(2))
    assert torch.allclose(batch.images, 5 * batch.target, atol=1e-4)
    assert batch.target.flatten(1).std(dim=0).max() > 0.1  # they really differ from each other


def test_what_nobody_annotated_stays_unknown_at_any_angle():
    labels = torch.full((50, 48, 48), 2, dtype=torch.int8)
    labels[:, 16:32, 16:32] = 0
    labels[:, 16:24, 16:32] = 1
    batch = cut(torch.zeros(50, 1, 48, 48), labels, 48, Augmentation(), torch.Generator().manual_seed(3))
    share = batch.known.mean(dim=(1, 2, 3))
    assert share.max() < 0.25
    assert share.min() > 0.05
    assert (batch.target[batch.known == 0] == 0).all()


def test_one_seed_gives_one_batch():
    images, labels = tensors(ring_trainset())
    one, same, other = (cut(images, labels, 16, Augmentation(), torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert torch.equal(one.images, same.images)
    assert not torch.equal(one.images, other.images)


@pytest.mark.parametrize("name", ["gain", "offset", "noise", "blur"])
def test_each_change_of_greys_does_something_and_keeps_the_mean_near(name):
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 1, 12, 10)).astype(np.float32))
    only = Augmentation(**{**dict.fromkeys(("gain", "offset", "noise", "blur"), 0), name: 0.3})
    varied = vary_greys(images, only, torch.Generator().manual_seed(4))
    assert not torch.equal(varied, images)
    assert abs(float(varied.mean() - images.mean())) < 0.05


@pytest.mark.parametrize(("context", "level"), [(3, True), (5, True), (1, False)])
def test_samples_of_several_slices_get_one_mean_and_spread_and_those_of_one_slice_stay(context, level):
    shades = torch.linspace(-2, 2, 6).view(6, 1, 1, 1)
    images = shades + (1 + shades.abs()) * torch.randn(6, context, 20, 20, generator=torch.Generator().manual_seed(5))
    only = Augmentation(gain=0, offset=0, noise=0, blur=0, level_from=3)
    varied = vary_greys(images, only, torch.Generator())
    if not level:
        assert torch.equal(varied, images)
        return
    deviation, mean = torch.std_mean(varied, dim=(1, 2, 3))
    assert torch.allclose(mean, torch.zeros(6), atol=1e-5)
    assert torch.allclose(deviation, torch.ones(6), atol=1e-4)
    assert torch.equal(varied.flatten(1).argmax(1), images.flatten(1).argmax(1))  # each is itself, only scaled


def test_a_flat_sample_is_not_blown_up_when_it_is_levelled():
    flat = torch.full((1, 5, 8, 8), 0.7) + 1e-6 * torch.randn(1, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    assert levelled(flat).abs().max() < 0.1


def test_weights_are_turned_and_bent_as_the_labels_are():
    labels = torch.zeros(6, 48, 48, dtype=torch.int8)
    labels[:, 10:30, 20:26] = FEATURE
    weights = 1 + 3 * (labels == FEATURE).float()
    batch = cut(torch.zeros(6, 1, 48, 48), labels, 32, Augmentation(), torch.Generator().manual_seed(4), weights)
    known = batch.known > 0
    assert torch.allclose(batch.weight[known], 1 + 3 * batch.target[known], atol=1e-4)
    assert batch.weight.max() == 4
    unweighted = cut(torch.zeros(6, 1, 48, 48), labels, 32, Augmentation(), torch.Generator().manual_seed(4))
    assert unweighted.weight is None and torch.equal(unweighted.target, batch.target)
