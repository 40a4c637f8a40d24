"""Readable file names: `<tomogram>__<feature>`, the naming that Ais and its siblings load by name."""

import re
from pathlib import Path

from .errors import TomosegError

SEPARATOR = "__"
_SUFFIXES = (".gz", ".bz2", ".mrcs", ".mrc", ".map", ".rec", ".st", ".hdf5", ".hdf", ".h5", ".tiff", ".tif")


def tomogram_name(path: Path) -> str:
    """The file's name without its volume suffixes: `cell1` for cell1.mrc.gz."""
    name = path.name
    while (suffix := next((s for s in _SUFFIXES if name.lower().endswith(s)), None)) and len(name) > len(suffix):
        name = name[: -len(suffix)]
    return name


def result_name(tomogram: str, feature: str) -> str:
    """`<tomogram>__<feature>`."""
    return f"{tomogram}{SEPARATOR}{feature}"


def feature_of(path: Path) -> str:
    """The feature's name: what follows the last `__` in the file's name, or else the whole name."""
    return tomogram_name(path).rpartition(SEPARATOR)[2]


def check_feature_name(name: str) -> str:
    """`name` itself if it can be part of a file name; raises TomosegError otherwise."""
    if not re.fullmatch(r"[^\W_](?:[\w .+-]{0,62}[^\W_])?|[^\W_]", name) or SEPARATOR in name:
        raise TomosegError(
            f"{name!r} cannot be a feature's name: use 1 to 64 letters, digits, spaces, '-', '+', '.' and "
            "single '_', with a letter or digit at both ends."
        )
    return name
