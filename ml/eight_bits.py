"""U-Nets in whole numbers of 8 bits: about three times as fast on a CPU as in float32, and nearly the same map.

A tensor's numbers 0 … 255 stand for 0 … the largest value that its layer gave on the training boxes. These ranges are
folded into the weights before and after (Nagel et al., ICCV 2019), so that tensors are joined and pooled as they are.

Weights have 7 bits: two products of 255 × 63 fit the 16 bits in which processors without VNNI add them up. So all sums
are exact, and every processor, number of threads and size of tiles gives a layer the same numbers. With weights of 8
bits those processors cut sums off: four of ten numbers of a test layer were others, by up to 9 of 255.

Source of the arithmetic: Jacob et al., CVPR 2018. The operators are those that torch's own compiler uses; tensors of
torch's types for quantisation (torch.quint8) are being given up.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate, pairwise, product

import torch
from torch import Tensor, nn

from ml.network_file import EightBits, LoadedNetwork, NetworkInfo
from ml.networks import Ensemble, SegmentationNetwork
from ml.networks.unet import UNet
from tomo.errors import TomosegError

LARGEST, LARGEST_WEIGHT = 255, 63
EXACT = 2**24  # whole numbers up to it are exact in float32
MIDDLE = 128  # stands for 0 in the input, which has negative values, too
SMALLEST_RANGE = 1e-6  # of a layer that gave nothing on the boxes
FORMS = ("unet", "unets")  # architectures that can
MOST_LOST = 0.005  # Dice on the boxes
INSTEAD = "apply it with 32 bits (--numbers float32)"
_PLACE = ([1, 1], [1, 1], [1, 1], 1)  # stride, padding, dilation, groups


class EightBitUNet(SegmentationNetwork):
    """A U-Net that computes with 8-bit numbers; `network`: its normalisation is folded in (`for_applying`).

    largest: of the input's absolute values, then of each layer's output, the way down first (`watched`).
    """

    layout = torch.contiguous_format

    def __init__(self, network: UNet, largest: Sequence[float]) -> None:
        super().__init__()
        self.context, self.fold, self.stride = network.context, network.fold, network.stride
        self.halo, self.margin = network.halo, network.margin
        self._steps = LARGEST // 2 / largest[0]
        levels = [_convolutions(level) for level in (*network.down, *network.up)]
        first, second, depth = torch.tensor(largest[1::2]), torch.tensor(largest[2::2]), len(network.down)
        layers = []
        for number, (one, other) in enumerate(levels):
            if number < depth:
                coming = second[number - 1] if number else torch.tensor(LARGEST / self._steps)
                coming = coming.expand(one.in_channels)
            else:  # joined: as many channels as the level gave on the way down, and those from below
                beside, below = number - depth, number + 1 if number + 1 < len(levels) else depth - 1
                channels = levels[beside][1].out_channels
                coming = torch.cat([second[beside].expand(channels), second[below].expand(one.in_channels - channels)])
            inner = first[number].expand(other.in_channels)
            zero = 0 if number else MIDDLE
            layers.append((_Layer(one, coming, first[number], zero), _Layer(other, inner, second[number], 0)))
        self._down, self._up = layers[:depth], layers[depth:]
        self.head = _Head(network.head, second[depth if self._up else 0])

    def forward(self, batch: Tensor) -> Tensor:
        """(n, context, y, x) in standard deviations, or `prepared`, → logits (n, 1, y, x)."""
        found = self._folded(self.prepared(batch))
        kept: list[Tensor] = []
        for one, other in self._down:
            found = other(one(_halved(found) if kept else found))
            kept.append(found)
        found = kept.pop()
        for one, other in reversed(self._up):
            found = other(one(_joined(kept.pop(), found)))
        return nn.functional.pixel_shuffle(self.head(found).contiguous(), self.fold)

    def prepared(self, batch: Tensor) -> Tensor:
        """The input in whole numbers, of the same shape, uint8: a quarter of the bytes to turn. Slice by slice."""
        if batch.dtype == torch.uint8:
            return batch
        whole = torch.empty(batch.shape, dtype=torch.uint8)
        for number in range(self.context):
            whole[:, number] = (batch[:, number] * self._steps).round_().add_(MIDDLE).clamp_(0, LARGEST)
        return whole

    def _folded(self, whole: Tensor) -> Tensor:
        """Ordered as pixel_unshuffle does: (n, context × fold², y / fold, x / fold).

        Slice by slice into its place, which takes a third of the time of torch's own operators.
        """
        count, context, height, width = whole.shape
        fold, place = self.fold, (height // self.fold, width // self.fold)
        folded = torch.empty((count, *place, context, fold, fold), dtype=torch.uint8)
        for number, y, x in product(range(context), range(fold), range(fold)):
            folded[..., number, y, x] = whole[:, number, y::fold, x::fold]
        return folded.view(count, *place, -1).permute(0, 3, 1, 2)

    def to_map(self, output: Tensor) -> Tensor:
        """The probability of the feature, 0 to 1."""
        return torch.sigmoid(output)


class _Layer:
    """A 3 × 3 convolution and its ReLU, from whole numbers to whole numbers, (n, channels, y, x) uint8.

    coming: what 255 stands for in each channel of the input. going: in the output. zero: what stands for 0.
    """

    def __init__(self, convolution: nn.Conv2d, coming: Tensor, going: Tensor, zero: int) -> None:
        assert convolution.bias is not None
        whole, steps = _in_whole_numbers(convolution.weight.detach() * (coming / going)[:, None, None], LARGEST_WEIGHT)
        self.bias, self.zero, self.steps = convolution.bias.detach() / going, zero, steps.flatten()
        whole = whole.to(torch.int8).contiguous()
        self.packed = torch.ops.onednn.qconv_prepack(whole, self.steps, 1 / LARGEST, zero, *_PLACE, None)
        self.no_zeros = torch.zeros(len(whole), dtype=torch.int32)

    def __call__(self, whole: Tensor) -> Tensor:
        found: Tensor = torch.ops.onednn.qconv2d_pointwise(
            *(whole, 1 / LARGEST, self.zero),
            *(self.packed, self.steps, self.no_zeros, self.bias, *_PLACE),
            *(1 / LARGEST, 0, torch.uint8, "relu", [], ""),
        )
        return found


class _Head(nn.Module):
    """The last, 1 × 1 convolution, from whole numbers to logits in float32: that adds such numbers exactly, too."""

    def __init__(self, convolution: nn.Conv2d, coming: Tensor) -> None:
        super().__init__()
        assert convolution.bias is not None
        most = EXACT // (LARGEST * convolution.in_channels)
        whole, steps = _in_whole_numbers(convolution.weight.detach() * (coming / LARGEST), most)
        self.weight = nn.Parameter(whole, requires_grad=False)
        self.steps, self.bias = steps[:, 0], convolution.bias.detach()[:, None, None]

    def forward(self, whole: Tensor) -> Tensor:
        """(n, channels, y, x) uint8 → (n, outputs, y, x)."""
        return nn.functional.conv2d(whole.float(), self.weight) * self.steps + self.bias


def _in_whole_numbers(weights: Tensor, largest: int) -> tuple[Tensor, Tensor]:
    """Weights (outputs, inputs, y, x) as whole numbers up to `largest`; what 1 is for each output, (outputs, 1, 1, 1).

    They are rounded so that each kernel keeps its sum to half a step, for what a kernel sees is smooth (SQuant: Guo et
    al., ICLR 2022). Rounded one by one, they changed the Dice on the boxes of 15 networks by up to 0.013, so by 0.003.
    """
    steps = weights.abs().amax(dim=(1, 2, 3), keepdim=True) / largest
    steps = steps.clamp(min=torch.finfo(torch.float32).tiny)
    exact = (weights / steps).double().flatten(2)  # sums are then the same on every processor
    whole = exact.round()
    lost = exact - whole
    missing = lost.sum(dim=2, keepdim=True).round()
    rank = (lost * missing.sign()).argsort(dim=2, descending=True, stable=True).argsort(dim=2)
    whole += missing.sign() * (rank < missing.abs())
    return whole.clamp(-largest, largest).float().view_as(weights), steps


def _convolutions(level: nn.Module) -> tuple[nn.Conv2d, nn.Conv2d]:
    one, other = (part for part in level.children() if isinstance(part, nn.Conv2d))
    return one, other


def _halved(whole: Tensor) -> Tensor:
    """The largest of each 2 × 2 numbers, (n, channels, y / 2, x / 2); torch's own pooling does not take uint8."""
    pixels = whole.permute(0, 2, 3, 1)  # as they lie in memory
    rows = torch.maximum(pixels[:, 0::2], pixels[:, 1::2])
    return torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2]).permute(0, 3, 1, 2)


def _joined(beside: Tensor, below: Tensor) -> Tensor:
    """The channels of `beside`, then those of `below`, each of whose pixels becomes 2 × 2: (n, channels, y, x).

    Written straight into place, which takes two thirds of the time of torch's own operators.
    """
    count, channels, height, width = beside.shape
    pixels = torch.empty((count, height, width, channels + below.shape[1]), dtype=torch.uint8)
    pixels[..., :channels] = beside.permute(0, 2, 3, 1)
    for y, x in product(range(2), range(2)):
        pixels[:, y::2, x::2, channels:] = below.permute(0, 2, 3, 1)
    return pixels.permute(0, 3, 1, 2)


def has_eight_bit_form(network: SegmentationNetwork) -> bool:
    """Is it a U-Net, or an ensemble of them?"""
    return all(isinstance(part, UNet) for part in network.members)


def eight_bit_form(network: SegmentationNetwork, largest: Sequence[float]) -> SegmentationNetwork:
    """A U-Net, or an ensemble of them, that computes with 8-bit numbers; largest: of one U-Net after the other.

    Raises ValueError where there are not as many as layers.
    """
    members = _u_nets(network)
    ends = [0, *accumulate(1 + len(_layers(member)) for member in members)]
    if ends[-1] != len(largest):
        raise ValueError(f"{len(largest)} ranges do not fit {ends[-1]} layers.")
    parts = [EightBitUNet(member, largest[a:b]) for member, (a, b) in zip(members, pairwise(ends), strict=True)]
    return parts[0] if len(parts) == 1 else Ensemble(parts)


@contextmanager
def watched(network: SegmentationNetwork) -> Iterator[list[float]]:
    """The largest values in a network while the block runs, as `eight_bit_form` wants them: a list that fills up."""
    places = [part for member in _u_nets(network) for part in (member, *_layers(member))]
    largest = [SMALLEST_RANGE] * len(places)

    def note(place: int, values: Tensor) -> None:
        largest[place] = max(largest[place], float(values.abs().max()))

    hooks = []
    for place, part in enumerate(places):
        if isinstance(part, UNet):
            hooks.append(part.register_forward_pre_hook(lambda _, inputs, place=place: note(place, inputs[0])))
        else:
            hooks.append(part.register_forward_hook(lambda _, inputs, output, place=place: note(place, output)))
    try:
        yield largest
    finally:
        for hook in hooks:
            hook.remove()


def _u_nets(network: SegmentationNetwork) -> list[UNet]:
    return [part for part in network.members if isinstance(part, UNet)]


def _layers(network: UNet) -> list[nn.Module]:
    """Those whose output has a range: the ReLUs, the way down first."""
    return [part for level in (*network.down, *network.up) for part in level.children() if isinstance(part, nn.ReLU)]


def supported() -> bool:
    """Can this processor compute with them? One of Intel or AMD with AVX2, which those since about 2015 have."""
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability().startswith("AVX")


def require_eight_bits(info: NetworkInfo) -> EightBits:
    """What the network file tells of 8-bit numbers; raises TomosegError where the network should not use them."""
    if info.architecture not in FORMS:
        raise TomosegError(
            f"8-bit numbers are for the networks default and fast, not for EMAN2's, as that of {info.feature}: "
            f"{INSTEAD}."
        )
    if info.eight_bits is None:
        raise TomosegError(
            f"The network of {info.feature} does not know its ranges for 8-bit numbers, which are measured when a "
            f"training is done: train it further, or {INSTEAD}."
        )
    if not info.eight_bits.dice_change >= -MOST_LOST:
        raise TomosegError(
            f"8-bit numbers cost the network of {info.feature} {-info.eight_bits.dice_change:.3f} of the Dice on its "
            f"own boxes, more than {MOST_LOST}: {INSTEAD}."
        )
    return info.eight_bits


def knows_eight_bits(info: NetworkInfo) -> bool:
    """Can the network compute with them on this processor, and may it?"""
    try:
        require_eight_bits(info)
    except TomosegError:
        return False
    return supported()


def in_eight_bits(network: LoadedNetwork, device: torch.device) -> LoadedNetwork:
    """The network (with its normalisation folded in) in 8-bit numbers; raises TomosegError where that cannot be."""
    known = require_eight_bits(network.info)
    if device.type != "cpu":
        raise TomosegError(
            f"8-bit numbers are for the CPU: choose the device cpu for that of {network.info.feature}, or {INSTEAD}."
        )
    if not supported():
        raise TomosegError(
            f"8-bit numbers need a processor of Intel or AMD with AVX2, which this machine lacks. For the network of "
            f"{network.info.feature}: {INSTEAD}."
        )
    try:
        return replace(network, module=eight_bit_form(network.module, known.largest))
    except ValueError as error:
        raise TomosegError(
            f"The network of {network.info.feature} is damaged (its ranges for 8-bit numbers do not fit its layers): "
            f"train it again, or {INSTEAD}."
        ) from error
