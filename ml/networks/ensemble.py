"""Several networks of one kind that judge together: their mean is right more often than any of them.

Source: Lakshminarayanan, Pritzel, Blundell, NeurIPS 2017. What it gains from ten boxes: docs/accuracy.md.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from ml.networks.base import SegmentationNetwork
from ml.networks.unet import UNet

SUREST = 1e-6  # a mean probability is as far from 0 and 1 before its logit is taken


class Ensemble(SegmentationNetwork):
    """Networks of the same layers whose maps are probabilities; its own is their mean. Each learns by itself."""

    def __init__(self, networks: Iterable[SegmentationNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        first = self.members[0]
        self.context, self.shrink, self.stride, self.layout = first.context, first.shrink, first.stride, first.layout
        self.margin, self.halo = first.margin, first.halo
        # The mean is less sure than one network, and nearer to a true probability (docs/accuracy.md).
        self.lowest_threshold = self.highest_threshold = first.highest_threshold

    @property
    def members(self) -> Sequence[SegmentationNetwork]:
        """The networks themselves."""
        return [part for part in self.networks if isinstance(part, SegmentationNetwork)]

    def forward(self, batch: Tensor) -> Tensor:
        """(n, context, y, x) → logits of the mean probability (n, 1, y, x)."""
        return torch.logit(self._mean(part.to_map(part(batch)).float() for part in self.members), SUREST)

    def to_map(self, output: Tensor) -> Tensor:
        """The mean probability of the feature, 0 to 1."""
        return torch.sigmoid(output)

    def map_of(self, batch: Tensor) -> Tensor:
        """The mean of the networks' maps: straight from their probabilities, which logits would only round."""
        return self._mean(part.map_of(batch) for part in self.members)

    def _mean(self, maps: Iterable[Tensor]) -> Tensor:
        return reduce(torch.add, maps) / len(self.networks)


class UNets(Ensemble):
    """An ensemble of U-Nets; settings: those of each."""

    def __init__(self, members: int = 2, **settings: Any) -> None:
        super().__init__(UNet(**settings) for _ in range(members))
