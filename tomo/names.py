"""Readable file names: `<tomogram>__<feature>`, the naming that Ais and its siblings load by name."""

import re
import unicodedata
from pathlib import Path

from .errors import TomosegError

SEPARATOR = "__"
# Bytes: a file's name has 255 at most, and holds both of them.
LONGEST_TOMOGRAM, LONGEST_FEATURE = 100, 64
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
    """`name` (in Unicode's composed form) if it can be part of a file name; raises TomosegError otherwise."""
    name = unicodedata.normalize("NFC", name)
    if _is_device(name):
        raise TomosegError(f"{name!r} cannot be a feature's name, a device on Windows: use another name.")
    if not re.fullmatch(r"[^\W_](?:[\w .+-]{0,62}[^\W_])?", name) or SEPARATOR in name or _stem_differs(name):
        raise TomosegError(
            f"{name!r} cannot be a feature's name: use 1 to 64 letters, digits, spaces, '-', '+', '.' and "
            "single '_', with a letter or digit at both ends and no file suffix."
        )
    if len(name.encode()) > LONGEST_FEATURE:
        raise TomosegError(f"{name!r} is too long for the names of files: use {LONGEST_FEATURE // 3} letters at most.")
    return name


def check_tomogram_name(name: str) -> str:
    """`name` itself if it can be part of a file name inside a project; raises TomosegError otherwise."""
    if name != safe_tomogram_name(name):
        raise TomosegError(f"{name!r} cannot be a tomogram's name in a project: use {safe_tomogram_name(name)!r}.")
    return name


def safe_tomogram_name(name: str) -> str:
    """The nearest name that every system takes as part of a file name: `cell_1` for `cell/1`."""
    name, before = unicodedata.normalize("NFC", name), None
    while name != before:  # one change may call for another: "cell.mrc ." first becomes "cell.mrc"
        before = name
        while _stem_differs(name):  # cell.mrc would become cell.mrc.mrc, and lose both suffixes when read
            name = tomogram_name(Path(name))
        name = _cut(re.sub(r"[^\w .+()=,@#-]", "_", name)).strip(" .")
        if not name or _is_device(name):
            word = re.match(r"\w*", name)
            assert word is not None
            name = f"{word[0]}_{name[word.end() :]}"
    return name


def _cut(name: str) -> str:
    return name.encode()[:LONGEST_TOMOGRAM].decode(errors="ignore")


def bin_suffix_of(name: str) -> tuple[str, int]:
    """The family's name and the bin of a tomogram's name: ("cell", 4) for cell_bin4, ("cell", 1) for cell."""
    if found := re.fullmatch(r"(.+)_bin(\d{1,3})", name):
        return found[1], max(1, int(found[2]))
    return name, 1


def _stem_differs(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and tomogram_name(Path(name)) != name


def _is_device(name: str) -> bool:
    # Windows opens these instead of a file, whatever suffix follows.
    return re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d) *(\..*)?", name) is not None
