"""Losses against values worked out by hand; negatives teach, unknown pixels do not count."""

import math

import pytest
import torch

from ml.losses import cross_entropy_and_dice, log_mean_square, shrink_known, shrink_label

ONES = torch.ones(1, 1, 4, 6)


def test_eman2s_loss_by_hand():
    output = torch.full_like(ONES, 0.5)
    assert log_mean_square(output, ONES, ONES).item() == pytest.approx(math.log(0.25), abs=1e-5)


def test_eman2s_loss_does_not_punish_outputs_above_one():
    assert log_mean_square(5 * ONES, ONES, ONES).item() == pytest.approx(math.log(1e-12), rel=1e-3)


def test_undecided_logits_cost_a_bit_and_half_the_dice():
    logits = torch.zeros_like(ONES)
    expected = math.log(2) + 1 - (2 * 12 + 1) / (12 + 24 + 1)
    assert cross_entropy_and_dice(logits, ONES, ONES).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("loss", [log_mean_square, cross_entropy_and_dice])
def test_pixels_that_nobody_annotated_do_not_count(loss):
    known = ONES.clone()
    known[..., 3:] = 0
    right = torch.full_like(ONES, 8.0)
    wrong_outside = right.clone()
    wrong_outside[..., 3:] = -8.0
    assert loss(right, ONES, known).item() == pytest.approx(loss(wrong_outside, ONES, known).item())


@pytest.mark.parametrize("loss", [log_mean_square, cross_entropy_and_dice])
def test_a_pixel_of_weight_three_counts_as_three_pixels(loss):
    output, target = torch.randn(1, 1, 4, 6, generator=torch.manual_seed(3)), (ONES.cumsum(3) > 3).float()
    known = ONES.clone()
    known[..., 5] = 3
    thrice = torch.cat([output, output[..., 5:], output[..., 5:]], 3), torch.cat([target, target[..., 4:]], 3)
    assert loss(output, target, known).item() == pytest.approx(loss(*thrice, torch.ones(1, 1, 4, 8)).item(), abs=1e-6)
    assert loss(output, target, known).item() != pytest.approx(loss(output, target, ONES).item(), abs=1e-3)


def test_a_false_positive_in_a_negative_box_costs():
    target = torch.zeros(2, 1, 4, 6)
    target[0] = 1
    known = torch.ones_like(target)
    good = torch.where(target > 0, 6.0, -6.0).requires_grad_()
    bad = torch.full_like(target, 6.0).requires_grad_()
    assert cross_entropy_and_dice(bad, target, known) > cross_entropy_and_dice(good, target, known) + 1
    cross_entropy_and_dice(bad, target, known).backward()
    assert (bad.grad[1] > 0).all()  # pushes the negative box down


def test_a_batch_of_negative_boxes_alone_still_teaches():
    logits = torch.zeros(3, 1, 4, 6, requires_grad=True)
    cross_entropy_and_dice(logits, torch.zeros_like(logits), torch.ones_like(logits)).backward()
    assert (logits.grad > 0).all()


def test_labels_shrink_by_their_mean_and_keep_a_maximum_of_one():
    label = torch.zeros(1, 1, 4, 4)
    label[..., 0, :2] = 1  # half of the first 2 × 2 pixels
    assert shrink_label(label, 2)[0, 0].tolist() == [[1, 0], [0, 0]]
    label[..., 2:, 2:] = 1
    assert shrink_label(label, 2)[0, 0].tolist() == [[0.5, 0], [0, 1]]
    assert shrink_known(label, 2)[0, 0].tolist() == [[0, 0], [0, 1]]
