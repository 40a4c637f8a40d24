"""Random turns, stretches and greys of training boxes: ten boxes become as many as the network needs."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tomo.labels import FEATURE, IGNORE

FLATTEST = 1e-3  # standard deviation of a sample below which it is not brought to 1
ALMOST_ALL = 0.99  # of a resampled pixel must come from annotated pixels for it to count


@dataclass(frozen=True)
class Augmentation:
    """How strongly samples are varied; 0 or False is off.

    turn, flip: any angle, mirror images (of neighbouring slices too: the top one becomes the bottom one).
    stretch: largest change of size as a natural logarithm. bend: pixels by which a smooth random field moves the
    image. gain: largest change of contrast, natural logarithm. offset, noise: standard deviations of the image.
    blur: chance that a sample is smoothed (sigma 0.5 to 1 pixel).
    level_from: a network that sees so many slices or more gets each sample with mean 0 and standard deviation 1.
    dark_corners: cut the box out first and let 0 come in at the corners, counted as background, as EMAN2 does.
    """

    turn: bool = True
    flip: bool = True
    stretch: float = 0.2
    bend: float = 2.0
    gain: float = 0.5
    offset: float = 0.5
    noise: float = 0.25
    blur: float = 0.2
    level_from: int = 0
    dark_corners: bool = False


NOTHING = Augmentation(turn=False, flip=False, stretch=0, bend=0, gain=0, offset=0, noise=0, blur=0)
ONLY_TURNS = Augmentation(flip=False, stretch=0, bend=0, gain=0, offset=0, noise=0, blur=0, dark_corners=True)


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    images: (n, context, y, x) float32. target: (n, 1, y, x) float32, 0 to 1. known: the same shape, 1 where a person
    annotated and 0 where nobody did. weight: the same shape, how much each pixel counts; None where all count alike.
    """

    images: Tensor
    target: Tensor
    known: Tensor
    weight: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same, on that device."""
        weight = None if self.weight is None else self.weight.to(device)
        return Batch(self.images.to(device), self.target.to(device), self.known.to(device), weight)


def cut(
    images: Tensor,
    labels: Tensor,
    size: int,
    augmentation: Augmentation,
    random: torch.Generator,
    weights: Tensor | None = None,
) -> Batch:
    """Patches of size × size pixels from the middle of larger crops, turned and varied at random.

    images: (n, context, y, x) float32. labels: (n, y, x) int8 (0, 1, 2 is unknown). weights: (n, y, x) float32, how
    much each pixel counts, or None. The crops should be at least √2 × as wide as the boxes, so that no corner stays
    empty; beyond their edges they are mirrored.
    """
    grid = places(images, size, augmentation, random)
    layers = [labels == FEATURE, labels != IGNORE, *([] if weights is None else [weights])]
    masks = torch.stack([layer.float() for layer in layers], dim=1)
    beyond = "zeros" if augmentation.dark_corners else "reflection"
    if augmentation.flip and images.shape[1] > 1:
        upside_down = (_between(0, 1, images.shape[0], random) < 0.5).view(-1, 1, 1, 1)
        images = torch.where(upside_down, images.flip(1), images)
    turned = functional.grid_sample(images, grid, mode="bilinear", padding_mode=beyond, align_corners=False)
    moved = functional.grid_sample(masks, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    feature, known = moved[:, :1], (moved[:, 1:2] > ALMOST_ALL).float()
    if augmentation.dark_corners:
        known = torch.ones_like(known)
    weight = None if weights is None else moved[:, 2:]
    return Batch(vary_greys(turned, augmentation, random), feature * known, known, weight)


def vary_greys(images: Tensor, augmentation: Augmentation, random: torch.Generator) -> Tensor:
    """Contrast, brightness, blur and noise changed at random, each sample by itself. images: (n, context, y, x)."""
    count = images.shape[0]
    if augmentation.blur:
        images = _blurred(images, augmentation.blur, random)
    if augmentation.gain or augmentation.offset:
        gain = torch.exp(augmentation.gain * _between(-1, 1, count, random))
        offset = augmentation.offset * _between(-1, 1, count, random)
        images = images * _per_sample(gain, images) + _per_sample(offset, images)
    if augmentation.noise:
        strength = _per_sample(augmentation.noise * _between(0, 1, count, random), images)
        noise = torch.randn(images.shape, generator=random)
        images = images + strength * noise.to(images.device)
    if augmentation.level_from and images.shape[1] >= augmentation.level_from:
        images = levelled(images)
    return images


def levelled(images: Tensor) -> Tensor:
    """Each sample of (n, context, y, x) with mean 0 and standard deviation 1.

    Preprocessed slices have these as a whole, boxes do not: their greys tell which are full of the feature, and a
    network that learns by that does worse on whole slices (docs/accuracy.md).
    """
    deviation, mean = torch.std_mean(images, dim=(1, 2, 3), keepdim=True)
    return (images - mean) / deviation.clamp(min=FLATTEST)


def places(images: Tensor, size: int, augmentation: Augmentation, random: torch.Generator) -> Tensor:
    """Where each pixel of the patch comes from, (n, size, size, 2) as (x, y) in −1 … 1 of the crop."""
    count, _, height, width = images.shape
    angle = (2 * math.pi if augmentation.turn else 0.0) * _between(0, 1, count, random)
    scale = torch.exp(augmentation.stretch * _between(-1, 1, (count, 2), random))
    mirror = 1.0 - 2.0 * (_between(0, 1, count, random) < 0.5).float() * float(augmentation.flip)
    offsets = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    points = torch.stack([x, y], dim=-1).expand(count, size, size, 2) * scale[:, None, None, :]
    points = torch.stack([points[..., 0] * mirror[:, None, None], points[..., 1]], dim=-1)
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    turned_x = cosine * points[..., 0] - sine * points[..., 1]
    turned_y = sine * points[..., 0] + cosine * points[..., 1]
    grid = torch.stack([turned_x, turned_y], dim=-1)
    if augmentation.bend:
        grid = grid + _bends(count, size, augmentation.bend, random)
    return (grid * torch.tensor([2.0 / width, 2.0 / height])).to(images.device)


def _bends(count: int, size: int, pixels: float, random: torch.Generator) -> Tensor:
    """A smooth random displacement, (n, size, size, 2) in pixels, with a knot about every 24 pixels."""
    knots = max(4, size // 24 + 2)
    field = pixels * torch.randn((count, 2, knots, knots), generator=random)
    smooth = functional.interpolate(field, size=(size, size), mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1)


def _blurred(images: Tensor, chance: float, random: torch.Generator) -> Tensor:
    """Some samples smoothed by a small Gaussian; the others as they are."""
    count = images.shape[0]
    sigma = _between(0.5, 1.0, count, random)
    outer = torch.exp(-0.5 / sigma**2) * (_between(0, 1, count, random) < chance)
    side, centre = outer / (1 + 2 * outer), 1 / (1 + 2 * outer)
    side, centre = _per_sample(side, images), _per_sample(centre, images)
    padded = functional.pad(images, (1, 1, 0, 0), mode="reflect")
    images = side * (padded[..., :-2] + padded[..., 2:]) + centre * images
    padded = functional.pad(images, (0, 0, 1, 1), mode="reflect")
    return side * (padded[..., :-2, :] + padded[..., 2:, :]) + centre * images


def _between(low: float, high: float, shape: int | tuple[int, ...], random: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=random)


def _per_sample(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device).view(-1, 1, 1, 1)
