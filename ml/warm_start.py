"""What each U-Net of the default knows before it sees a box: weights learned from simulated cells only.

The file beside this one was made by tools/make_warm_start.py; no other data and no other simulator is in it.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ml.networks import SegmentationNetwork
from tomo.errors import TomosegError
from tomo.files import replacing

FILE = Path(__file__).with_name("warm_start.safetensors")
CONTEXT = 5  # slices that it was made with
FEWEST_SLICES = 3  # serial sections, seen one by one, look too different: random weights learn them better
FIRST, LAST = "down.0.0.weight", "head."


def save_warm_start(path: Path, network: nn.Module) -> None:
    """Write all weights but the last layer's, which name features; 16 bits are precise enough to begin with.

    Raises TomosegError where the disk refuses.
    """
    kept = {name: value for name, value in network.state_dict().items() if not name.startswith(LAST)}
    halved = {
        name: (value.half() if value.is_floating_point() else value).contiguous().clone()
        for name, value in kept.items()
    }
    # Not save_file, whose errors do not tell a full disk.
    packed = save(halved, metadata={"format": "tomoseg warm start"})
    with replacing(path) as temporary:
        temporary.write_bytes(packed)


def warm_up(network: SegmentationNetwork, path: Path = FILE) -> bool:
    """Give `network`, or each network of an ensemble, the weights, in place, but for its last layer.

    False where its layers are others, or where it sees one slice only. Where it sees three, the weights of those that
    it lacks go to its outermost ones, as if these were repeated.
    Raises TomosegError where the file is missing or damaged.
    """
    if network.context < FEWEST_SLICES:
        return False
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise TomosegError(f"{path} is missing or damaged: install Tomoseg again.") from error
    return all(_filled(member, dict(weights)) for member in network.members)


def _filled(network: SegmentationNetwork, weights: dict[str, Tensor]) -> bool:
    """Whether the weights fit `network`, which then has them."""
    expected = {name: value for name, value in network.state_dict().items() if not name.startswith(LAST)}
    if FIRST in weights and FIRST in expected:
        weights[FIRST] = for_context(weights[FIRST].float(), network.context)
    if {name: value.shape for name, value in weights.items()} != {k: value.shape for k, value in expected.items()}:
        return False
    network.load_state_dict({name: value.to(expected[name].dtype) for name, value in weights.items()}, strict=False)
    return True


def for_context(first: Tensor, context: int) -> Tensor:
    """The first layer's weights (out, 5 · fold², ky, kx) for a network that sees `context` slices."""
    outputs, inputs, height, width = first.shape
    slices = first.view(outputs, CONTEXT, inputs // CONTEXT, height, width)
    result = torch.zeros(outputs, context, *slices.shape[2:])
    for number in range(CONTEXT):
        place = min(max(number - CONTEXT // 2 + context // 2, 0), context - 1)
        result[:, place] += slices[:, number]
    return result.reshape(outputs, -1, height, width)
