"""The features of a project: what is looked for, and the colour it has everywhere."""

import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import TomosegError
from .files import read_list, write_json
from .names import check_feature_name

SCHEMA = 1
THRESHOLD = 0.8  # EMAN2's, in amplitude units
# Okabe and Ito's colours, told apart by colour-blind readers too (https://jfly.uni-koeln.de/color/), without black.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


@dataclass(frozen=True)
class Feature:
    """Something to find in tomograms. name: part of file names. colour: "#rrggbb".

    threshold: its maps count where they are above it; 1 is as strong as on the training labels.
    """

    name: str
    colour: str
    threshold: float = THRESHOLD

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_feature_name(self.name))
        object.__setattr__(self, "colour", check_colour(self.colour))
        if not math.isfinite(self.threshold):
            raise TomosegError(f"{self.threshold} is no threshold for {self.name}: give a number, such as 0.8.")


def check_colour(colour: str) -> str:
    """`colour` in small letters if it is "#rrggbb"; raises TomosegError otherwise."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise TomosegError(f"{colour!r} is no colour: write it as #rrggbb, #e69f00 for instance.")
    return colour.lower()


def next_colour(features: list[Feature]) -> str:
    """The first colour of the palette that the fewest of `features` have."""
    used = [feature.colour for feature in features]
    return min(PALETTE, key=used.count)


def save_features(path: Path, features: list[Feature]) -> None:
    """Write all features of a project, all or nothing."""
    write_json(path, {"schema": SCHEMA, "features": [_entry_of(feature) for feature in features]})


def load_features(path: Path) -> list[Feature]:
    """All features of a project in their order; an empty list where the file does not exist yet."""
    return [_feature_from(entry, path) for entry in read_list(path, "features", SCHEMA)]


def _entry_of(feature: Feature) -> dict[str, Any]:
    entry = asdict(feature)
    if feature.threshold == THRESHOLD:
        del entry["threshold"]  # the usual one, as in projects that know none
    return entry


def _feature_from(entry: Any, path: Path) -> Feature:
    try:
        return Feature(str(entry["name"]), str(entry["colour"]), float(entry.get("threshold", THRESHOLD)))
    except (AttributeError, KeyError, TypeError, ValueError, TomosegError) as error:
        raise TomosegError(f"{path} holds a damaged feature ({str(entry)[:60]}): restore the file.") from error
