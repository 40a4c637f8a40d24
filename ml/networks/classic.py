"""EMAN2's "stacked convnet", kept for fidelity and for comparison (source: EMAN2's e2tomoseg_convnet.py)."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from ml.networks.base import SegmentationNetwork

CLAMP_SIGMAS = 3.0  # EMAN2 clamps images at 3 standard deviations and hands image / 3 to the network


class ClassicNetwork(SegmentationNetwork):
    """Convolutions of 40, 40 and 1 kernels, each 15 × 15 and 'same' size; pooled by 2 after the first; 378,081 weights.

    ReLU after all layers but the last, which is linear. The output is at half resolution.
    """

    def __init__(
        self,
        context: int = 1,
        kernels: Sequence[int] = (40, 40, 1),
        sizes: Sequence[int] = (15, 15, 15),
        pools: Sequence[int] = (2, 1, 1),
    ) -> None:
        super().__init__()
        inputs = (context, *kernels[:-1])
        self.context = context
        self.pools = tuple(pools)
        self.shrink = self.stride = prod(pools)
        self.halo = _halo(sizes, pools)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(incoming, outgoing, size, padding=size // 2)
            for incoming, outgoing, size in zip(inputs, kernels, sizes, strict=True)
        )

    def forward(self, batch: Tensor) -> Tensor:
        """(n, context, y, x) in standard deviations → (n, 1, y / 2, x / 2), linear, about 1 on the feature."""
        found = batch / CLAMP_SIGMAS
        last = len(self.convolutions) - 1
        for number, (layer, pool) in enumerate(zip(self.convolutions, self.pools, strict=True)):
            found = layer(found)
            if pool > 1:
                found = nn.functional.max_pool2d(found, pool)
            if number < last:
                found = nn.functional.relu(found)
        return found


def _halo(sizes: Sequence[int], pools: Sequence[int]) -> int:
    """How far the output looks in the input, pixels, rounded up to a multiple of the pooling."""
    reach, scale = 0, 1
    for size, pool in zip(sizes, pools, strict=True):
        reach += (size // 2) * scale + (pool - 1) * scale
        scale *= pool
    return -(-reach // scale) * scale
