"""A small U-Net, two of which are the default: cheaper than EMAN2's network, better from ten boxes (docs/accuracy.md).

Source: Ronneberger, Fischer, Brox, MICCAI 2015; the folded first layer follows Shi et al., CVPR 2016.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from ml.networks.base import SegmentationNetwork


class UNet(SegmentationNetwork):
    """Levels of two 3 × 3 convolutions, pooled by 2 on the way down, joined again on the way up.

    width: kernels of the first level, doubled at each level up to `widest`. depth: number of levels.
    fold: 2 × 2 pixels become 4 channels first (and back last), which makes everything about four times cheaper.
    The output are logits at full resolution; `to_map` makes them a probability.
    """

    lowest_threshold, highest_threshold = 0.2, 0.3

    def __init__(
        self, context: int = 1, width: int = 16, depth: int = 4, fold: int = 2, widest: int = 128, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [min(width * 2**level, widest) for level in range(depth)]
        inputs = [context * fold * fold, *widths[:-1]]
        self.context, self.fold = context, fold
        self.stride = fold * 2 ** (depth - 1)
        self.halo = _reach(fold, depth, self.stride)
        self.margin = 2 * self.stride
        self.down = nn.ModuleList(_level(a, b) for a, b in zip(inputs, widths, strict=True))
        self.up = nn.ModuleList(_level(a + b, a) for a, b in pairwise(widths))
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(widths[0], fold * fold, 1)

    def forward(self, batch: Tensor) -> Tensor:
        """(n, context, y, x) in standard deviations → logits (n, 1, y, x)."""
        found = nn.functional.pixel_unshuffle(batch, self.fold)
        kept: list[Tensor] = []
        for level in self.down:
            if kept:
                found = nn.functional.max_pool2d(found, 2)
            found = level(found)
            kept.append(found)
        found = self.dropout(kept.pop())
        for level in reversed(self.up):
            found = nn.functional.interpolate(found, scale_factor=2.0, mode="nearest")
            found = level(torch.cat([kept.pop(), found], dim=1))
        return nn.functional.pixel_shuffle(self.head(found), self.fold)

    def to_map(self, output: Tensor) -> Tensor:
        """The probability of the feature, 0 to 1."""
        return torch.sigmoid(output)


def _reach(fold: int, depth: int, stride: int) -> int:
    """How far the output looks in the input, pixels, rounded up to a multiple of the stride.

    Trained networks use nearly all of it: with half as much, seams of 0.08 could be seen in the maps of a carbon edge.
    """
    down, up = 2**depth - 1, 2 ** (depth - 1) - 1  # two pixels at each level, at that level's size
    return -(-2 * fold * (down + up) // stride) * stride


def _level(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
