"""The networks, by name. `default` is the one that measures best from ten boxes (docs/accuracy.md).

`fast` is one network of its two.
"""

from collections.abc import Mapping
from typing import Any

from ml.faults import out_of_memory
from ml.networks.base import SegmentationNetwork
from ml.networks.classic import ClassicNetwork
from ml.networks.ensemble import Ensemble, UNets
from ml.networks.unet import UNet
from tomo.errors import TomosegError

DEFAULT = "default"
ARCHITECTURES: dict[str, type[SegmentationNetwork]] = {
    "classic": ClassicNetwork,
    "unet": UNet,
    "unets": UNets,
}
_SMALL = {"width": 16, "depth": 4, "fold": 2}
PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    DEFAULT: ("unets", {"members": 2, **_SMALL}),
    "fast": ("unet", _SMALL),
    "classic": ("classic", {}),
    "unet": ("unet", {**_SMALL, "fold": 1}),
}
OFFERED = (DEFAULT, "fast", "classic")  # to users; the others are for measuring
_BOUNDS = {"context": 31, "width": 512, "depth": 7, "fold": 4, "widest": 1024, "members": 16}


def preset(name: str) -> tuple[str, dict[str, Any]]:
    """(architecture, settings) of a network that users name; raises TomosegError for an unknown name."""
    if name not in PRESETS:
        raise TomosegError(f"There is no network {name!r}: choose one of {', '.join(OFFERED)}.")
    architecture, settings = PRESETS[name]
    return architecture, dict(settings)


def preset_name(architecture: str, settings: Mapping[str, Any]) -> str:
    """What users call a network: the preset that it is like, or the first one of its architecture."""
    alike = [name for name in PRESETS if is_preset(name, architecture, settings)]
    return next(iter([*alike, *(name for name, known in PRESETS.items() if known[0] == architecture)]), architecture)


def is_preset(name: str, architecture: str, settings: Mapping[str, Any]) -> bool:
    """Is it what `name` would build, but for the slices that it sees? Raises TomosegError for an unknown name."""
    own = {key: value for key, value in settings.items() if key != "context"}
    return preset(name) == (architecture, own)


def build_network(architecture: str, **settings: Any) -> SegmentationNetwork:
    """A new network. Raises TomosegError for an unknown architecture or impossible settings (they come from files)."""
    if architecture not in ARCHITECTURES:
        raise TomosegError(f"The network architecture {architecture!r} is unknown: update Tomoseg.")
    _check(architecture, settings)
    try:
        return ARCHITECTURES[architecture](**settings)
    except (TypeError, ValueError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        name = preset_name(architecture, settings)
        raise TomosegError(f"The settings of the network {name!r} do not fit: {error}.") from error


def _check(architecture: str, settings: Mapping[str, Any]) -> None:
    wrong = [name for name, value in settings.items() if not _possible(name, value)]
    if wrong or settings.get("context", 1) % 2 == 0:
        name = preset_name(architecture, settings)
        raise TomosegError(f"The setting {wrong[0] if wrong else 'context'} of the network {name!r} is impossible.")


def _possible(name: str, value: Any) -> bool:
    """Are the layers small enough to be built at all? Settings come out of files that anybody may have written."""
    if name == "dropout":
        return isinstance(value, int | float) and 0 <= value < 1
    if name in ("kernels", "sizes", "pools"):
        return isinstance(value, list | tuple) and 1 <= len(value) <= 8 and all(_is_count(v, 256) for v in value)
    return _is_count(value, _BOUNDS.get(name, 0))


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


__all__ = [
    "ARCHITECTURES",
    "DEFAULT",
    "OFFERED",
    "PRESETS",
    "Ensemble",
    "SegmentationNetwork",
    "build_network",
    "is_preset",
    "preset",
    "preset_name",
]
