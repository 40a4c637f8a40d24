"""What training makes small. Pixels that nobody annotated never count; negative boxes always do.

known: 0 where nobody annotated, 1 where somebody did, more where a pixel counts more than others.
"""

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 1e-12
SMOOTH = 1.0  # pixels; keeps Dice finite where nothing is labelled


def log_mean_square(output: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """EMAN2's loss: log(mean((label − min(output, 1))²)) over the known pixels. All (n, 1, y, x) float32."""
    error = known * (target - output.clamp(max=1.0)) ** 2
    return torch.log(error.sum() / known.sum().clamp(min=1.0) + SMALLEST)


def cross_entropy_and_dice(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Mean binary cross-entropy plus 1 − Dice, over the known pixels of the whole batch; at least 0.

    logits: (n, 1, y, x) float32, before the sigmoid. target: the same shape, 0 to 1. known: the same shape.
    Dice is taken over the batch, not per box: so a false positive in a negative box costs, which Dice per box
    would not see.
    """
    per_pixel = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    cross_entropy = (per_pixel * known).sum() / known.sum().clamp(min=1.0)
    return cross_entropy + 1 - _soft_dice(torch.sigmoid(logits), target, known)


def _soft_dice(found: Tensor, target: Tensor, known: Tensor) -> Tensor:
    return (2 * (found * target * known).sum() + SMOOTH) / ((found * known).sum() + (target * known).sum() + SMOOTH)


def shrink_label(target: Tensor, factor: int) -> Tensor:
    """The label at the output's resolution as EMAN2 makes it: mean-shrunk, divided by the batch's maximum."""
    if factor == 1:
        return target
    small = functional.avg_pool2d(target, factor)
    return small / small.max().clamp(min=SMALLEST)


def shrink_known(known: Tensor, factor: int) -> Tensor:
    """Output pixels that lie wholly in the annotated part; same shape as the output."""
    return known if factor == 1 else (functional.avg_pool2d(known, factor) > 0.99).float()
