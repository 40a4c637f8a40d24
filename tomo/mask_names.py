"""What the file name of a mask or map tells: its tomogram, its feature, and what its values mean.

Names as of 2026: Ais, Pom and easymode write `<tomogram>__<feature>`; MemBrain-seg `<tomogram>_<checkpoint>_segmented`
and `<tomogram>_scores`; ETSAM `<tomogram>_etsam_predicted_…_mask` and `…_logits`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .names import SEPARATOR, tomogram_name

MEMBRANE = "membrane"  # what MemBrain-seg and ETSAM look for
ETSAM_LOGIT = -0.5  # its own threshold
_VERSION = re.compile(r"(.+)_v(\d+)")


@dataclass(frozen=True)
class MaskName:
    """tomogram: "" where the name tells none. logit: where the values are logits, the one that divides them."""

    tomogram: str
    feature: str
    logit: float | None = None


def read_mask_name(path: Path, tomograms: Iterable[str] = ()) -> MaskName:
    """Tomogram and feature of a mask's or map's file. tomograms: the known ones, of which the longest fit counts."""
    name = tomogram_name(path)
    known = max((one for one in tomograms if _begins(name, one)), key=len, default="")
    before, _, feature = name.rpartition(SEPARATOR)
    if before and feature:
        return MaskName(known or before, feature)
    if found := re.fullmatch(r"(.+)_etsam_predicted(?:_\w+)?_(mask|logits)", name):
        return MaskName(known or found[1], MEMBRANE, ETSAM_LOGIT if found[2] == "logits" else None)
    if found := re.fullmatch(r"(.+)_(scores|segmented)", name):
        return MaskName(known or _without_checkpoint(found[1]), MEMBRANE, 0.0 if found[2] == "scores" else None)
    if known and known != name:
        return MaskName(known, name[len(known) :].strip("_-. ") or name)
    return MaskName(known, name)


def version_of(path: Path) -> tuple[str, int]:
    """A mask's name without its version, and that version: ("cell__mask", 2) for cell__mask_v2.mrc, 1 without one."""
    name = tomogram_name(path)
    if found := _VERSION.fullmatch(name):
        return found[1], int(found[2])
    return name, 1


def next_version(path: Path) -> Path:
    """The first free path `<name>_v2.mrc`, `<name>_v3.mrc` … after all versions of this mask that exist."""
    name, _ = version_of(path)
    versions = [version_of(other) for other in path.parent.glob("*.mrc")]
    last = max((number for base, number in versions if base == name), default=1)
    return path.with_name(f"{name}_v{last + 1}.mrc")


def _begins(name: str, tomogram: str) -> bool:
    """True where `name` is the tomogram's, or goes on after it with something that is no letter or digit."""
    return bool(tomogram) and name.startswith(tomogram) and not name[len(tomogram) :][:1].isalnum()


def _without_checkpoint(name: str) -> str:
    return re.sub(r"_(MemBrain.*|[^_]*\.ckpt)$", "", name)
