"""Network files: weights in safetensors, everything else as readable metadata beside them. Never a pickle."""

import copy
import json
import tempfile
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ml.networks import SegmentationNetwork, build_network
from ml.networks.base import all_finite
from tomo.errors import TomosegError
from tomo.files import replacing
from tomo.names import check_feature_name
from tomo.preprocessing import Preprocessing
from tomo.standing import FolderGone

FORMAT = "tomoseg network"
SCHEMA = 1
EMAN2 = "EMAN2"  # in the history: the program that trained, where it is not ours
MOST_BYTES = 400_000_000
POSSIBLE_RANGES = (1e-9, 1e15)  # of 8-bit numbers: what float32 can be divided by
OTHER_PROGRAMS = {
    ".scnm": "Ais",
    ".ckpt": "MemBrain or another program that uses PyTorch",
    ".pt": "another program that uses PyTorch",
    ".pth": "another program that uses PyTorch",
    ".keras": "easymode or another program that uses Keras",
    ".onnx": "another program",
}


@dataclass(frozen=True)
class EightBits:
    """What must be known to compute with 8-bit numbers (ml/eight_bits.py), measured on all boxes.

    largest: absolute value of the input, then value of each layer's output. dice_change: against float32.
    """

    largest: tuple[float, ...]
    dice_change: float


@dataclass(frozen=True)
class NetworkInfo:
    """What must be known to use a network.

    voxel_size: Å along x, y and z of the tomograms trained on, 0 where unknown. box_size: pixels.
    amplitude: mean output inside the training labels; maps are divided by it. threshold: best Dice on the held-out
    boxes, in amplitude units. context: neighbouring slices taken as channels. history: one entry for each training.
    eight_bits: None in files of older versions, and for networks that have no such form.
    """

    feature: str
    architecture: str
    settings: dict[str, Any] = field(default_factory=dict)
    voxel_size: tuple[float, float, float] = (0.0, 0.0, 0.0)
    box_size: int = 64
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    amplitude: float = 1.0
    threshold: float = 0.5
    history: tuple[dict[str, Any], ...] = ()
    eight_bits: EightBits | None = None

    @property
    def context(self) -> int:
        """Neighbouring z slices that the network takes as channels; 1 is 2D."""
        return int(self.settings.get("context", 1))

    @property
    def by_eman2(self) -> bool:
        """EMAN2 trained it: then its file does not tell how the tomograms were preprocessed."""
        return bool(self.history) and self.history[-1].get("program") == EMAN2

    @property
    def learning_rate(self) -> float | None:
        """The learning rate at the end of the last training, None if never trained."""
        return self.history[-1].get("learning_rate") if self.history else None


@dataclass(frozen=True)
class LoadedNetwork:
    """A network ready to be applied or trained on."""

    module: SegmentationNetwork
    info: NetworkInfo

    @property
    def context(self) -> int:
        """Neighbouring z slices taken as channels."""
        return self.module.context

    @property
    def stride(self) -> int:
        """Tiles must be padded to multiples of it."""
        return self.module.stride

    @property
    def halo(self) -> int:
        """Pixels of context needed around a tile."""
        return self.module.halo

    def map_of(self, batch: Tensor) -> Tensor:
        """(n, context, y, x) float32, preprocessed → (n, 1, y, x) float32, not yet divided by the amplitude."""
        return self.module.map_of(batch)

    def for_applying(self, device: torch.device) -> "LoadedNetwork":
        """A copy on `device` with batch normalisation folded into the convolutions, which applies faster."""
        module = copy.deepcopy(self.module).eval().requires_grad_(False)
        fold_normalisation(module)
        return replace(self, module=module.to(device, memory_format=torch.channels_last))  # type: ignore[call-overload]


def fold_normalisation(module: nn.Module) -> None:
    """Fold each batch normalisation into the convolution before it, in place; the output stays the same."""
    for parent in module.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        for number in range(len(parent) - 1):
            first, second = parent[number], parent[number + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                parent[number] = fuse_conv_bn_eval(first, second)
                parent[number + 1] = nn.Identity()


def save_network(path: Path, network: SegmentationNetwork, info: NetworkInfo) -> None:
    """Write weights and metadata, all or nothing. Raises TomosegError where the disk refuses."""
    metadata = {"format": FORMAT, "schema": json.dumps(SCHEMA)}
    metadata.update({name: json.dumps(value) for name, value in asdict(info).items()})
    weights = {name: value.detach().to("cpu").contiguous().clone() for name, value in network.state_dict().items()}
    # Not save_file: its own temporary files stay after a kill, and its errors do not tell a full disk.
    packed = save(weights, metadata=metadata)
    with replacing(path) as temporary:
        temporary.write_bytes(packed)


def keep_network(path: Path, network: SegmentationNetwork, info: NetworkInfo) -> None:
    """Save a network that hours of training may hang on; where its folder is gone, beside other temporary files.

    Raises TomosegError, after a folder that went away FolderGone with the place where the network is now.
    """
    try:
        save_network(path, network, info)
    except FolderGone as error:
        place = Path(tempfile.mkdtemp(prefix="tomoseg-")) / path.name
        save_network(place, network, info)
        raise FolderGone(f"{str(error).removesuffix('.')}; the network so far was saved as {place}.") from error


def load_info(path: Path) -> NetworkInfo:
    """The metadata of a network file, without its weights. Raises TomosegError."""
    if is_hdf(path):
        return load_eman2(path).info
    with _opened(path) as file:
        return _info_from(file.metadata() or {}, path)


def load_network(path: Path) -> LoadedNetwork:
    """Read a network file, ours or EMAN2's; raises TomosegError, in one sentence, for whatever else it may be."""
    if is_hdf(path):
        return load_eman2(path)
    with _opened(path) as file:
        info = _info_from(file.metadata() or {}, path)
        with torch.device("meta"):
            expected = build_network(info.architecture, **info.settings).state_dict()
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118, no mapping
        if found != {name: tuple(value.shape) for name, value in expected.items()}:
            raise TomosegError(f"{path} is damaged (its layers do not fit its description): train the network again.")
        weights = {name: file.get_tensor(name) for name in found}
    module = build_network(info.architecture, **info.settings)
    module.load_state_dict(weights)
    if not all_finite(module):
        raise TomosegError(f"{path} holds weights that are no numbers: train the network again.")
    return LoadedNetwork(module.eval(), info)


def is_hdf(path: Path) -> bool:
    """Is this an HDF file, as EMAN2's networks are?"""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def load_eman2(path: Path) -> LoadedNetwork:
    """A network that EMAN2 wrote; raises TomosegError where the HDF file holds none."""
    from ml.eman2_classic import load

    return load(path)


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise TomosegError(f"There is no network {path}: train one, or choose another file.")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TomosegError(f"{path} is far too large for a network of Tomoseg: choose another file.")
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError) as error:
        program = OTHER_PROGRAMS.get(path.suffix.lower())
        if program:
            raise TomosegError(
                f"{path} is a network of {program}, which Tomoseg cannot read: apply it there, and merge the maps "
                "that it writes (<tomogram>__<feature>.mrc)."
            ) from error
        raise TomosegError(
            f"{path} is no network of Tomoseg, or it is damaged: choose a .safetensors file that `tomoseg train` wrote."
        ) from error


def _info_from(metadata: dict[str, str], path: Path) -> NetworkInfo:
    if metadata.get("format") != FORMAT:
        raise TomosegError(f"{path} was made by another program: networks of Tomoseg are made by `tomoseg train`.")
    if metadata.get("schema") != json.dumps(SCHEMA):
        raise TomosegError(f"{path} was made by another version of Tomoseg: update Tomoseg.")
    try:
        metadata = {"eight_bits": "null", **metadata}
        values = {entry.name: json.loads(metadata[entry.name]) for entry in fields(NetworkInfo)}
        info = NetworkInfo(
            feature=check_feature_name(values["feature"]),
            architecture=str(values["architecture"]),
            settings=dict(values["settings"]),
            voxel_size=_triple(values["voxel_size"]),
            box_size=int(values["box_size"]),
            preprocessing=_preprocessing(values["preprocessing"]),
            amplitude=float(values["amplitude"]),
            threshold=float(values["threshold"]),
            history=tuple(dict(entry) for entry in values["history"]),
            eight_bits=_eight_bits(values["eight_bits"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TomosegError(f"{path} is damaged (its metadata cannot be read): train the network again.") from error
    if not 0 < info.amplitude < float("inf") or not abs(info.threshold) < float("inf") or info.box_size < 2:
        raise TomosegError(f"{path} is damaged (impossible amplitude, threshold or box size): train the network again.")
    return info


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    if not all(0 <= value < float("inf") for value in (x, y, z)):
        raise ValueError("a voxel size is at least 0")
    return (x, y, z)


def _eight_bits(values: Any) -> EightBits | None:
    if values is None:
        return None
    found = EightBits(tuple(float(value) for value in values["largest"]), float(values["dice_change"]))
    low, high = POSSIBLE_RANGES
    if not all(low <= value <= high for value in found.largest) or not abs(found.dice_change) <= 1:
        raise ValueError("ranges are above 0, and a Dice is at most 1")
    return found


def _preprocessing(values: Any) -> Preprocessing:
    return Preprocessing(
        lowpass=float(values["lowpass"]),
        highpass=float(values["highpass"]),
        normalise=bool(values["normalise"]),
        clamp=float(values["clamp"]),
        invert=bool(values["invert"]),
    )
