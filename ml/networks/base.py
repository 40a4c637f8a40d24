"""What every network of Tomoseg offers, whatever its layers."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SegmentationNetwork(nn.Module):
    """A network that finds one feature on slices.

    `forward` takes a batch (n, context, y, x) float32 of preprocessed slices (mean 0, standard deviation 1, features
    bright) and returns what the loss is computed from, at the network's own resolution: (n, 1, y / shrink, x / shrink).
    """

    context: int = 1  # neighbouring z slices taken as channels, the middle one is segmented; odd
    shrink: int = 1  # the output is this many times coarser than the input
    stride: int = 1  # input sizes must be multiples of it
    lowest_threshold: float = 0.0  # of the map, among thresholds that are as good on the boxes
    highest_threshold: float = math.inf  # of the map, where the boxes bear it; for a probability at most half the Dice
    margin: int = 0  # pixels to mirror beyond a slice's borders: training never showed the network an end of the world
    halo: int = 0  # pixels of context needed around a tile so that its seam cannot be seen
    layout: torch.memory_format = torch.channels_last  # of the batches that it computes fastest

    @property
    def members(self) -> "Sequence[SegmentationNetwork]":
        """The networks that learn one beside the other; only an ensemble has several."""
        return (self,)

    def to_map(self, output: Tensor) -> Tensor:
        """The values that a person sees, of the same shape as `output`; 0 is background, larger is surer."""
        return output

    def prepared(self, batch: Tensor) -> Tensor:
        """What is done to a batch before it is turned, once for all views of it: nothing, unless a network needs it."""
        return batch

    def map_of(self, batch: Tensor) -> Tensor:
        """The map at full resolution, (n, 1, y, x) float32, not yet divided by the amplitude.

        Raises ValueError where y or x is no multiple of `stride`: pad first.
        """
        height, width = batch.shape[-2:]
        if height % self.stride or width % self.stride:
            padded = tuple(-(-side // self.stride) * self.stride for side in (height, width))
            raise ValueError(
                f"A tile of {height} × {width} does not fit this network: pad it to {padded[0]} × {padded[1]}."
            )
        found = self.to_map(self(batch))
        if self.shrink == 1:
            return found
        return nn.functional.interpolate(found, scale_factor=float(self.shrink), mode="bilinear", align_corners=False)


def initialise_truncated_normal(module: nn.Module, deviation: float = 0.01) -> None:
    """Weights from a normal distribution cut at two standard deviations, biases 0 (EMAN2 today)."""
    if isinstance(module, nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def initialise_glorot(module: nn.Module) -> None:
    """Uniform Glorot weights, biases 0 (EMAN2 of 2017)."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def parameters_of(network: nn.Module) -> int:
    """How many numbers the network learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def all_finite(network: nn.Module) -> bool:
    """False once a weight or a running mean is NaN or infinite."""
    return all(
        bool(torch.isfinite(value).all()) for value in network.state_dict().values() if value.is_floating_point()
    )
