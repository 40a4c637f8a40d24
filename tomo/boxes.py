"""ROI boxes: small squares on slices, placed to show a feature (positive) or to lack it (negative)."""

import uuid
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import TomosegError
from .files import read_list, write_json

POSITIVE, NEGATIVE = "positive", "negative"
KINDS = (POSITIVE, NEGATIVE)
DEFAULT_SIZE = 64
ADVISED_POSITIVES, ADVISED_NEGATIVES = 10, 100
SCHEMA = 1
Stamp = tuple[int, int, int]  # of a version of a file: its number on the disk, time and size


def new_id() -> str:
    """A short name that tells two boxes at one place apart."""
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True)
class Box:
    """A square of size × size voxels on one z slice of one tomogram.

    centre: (x, y, z) in voxels of that tomogram; voxel `centre` is the one right of the middle.
    """

    tomogram: str
    feature: str
    kind: str
    centre: tuple[int, int, int]
    size: int = DEFAULT_SIZE
    id: str = field(default_factory=new_id)

    @property
    def corner(self) -> tuple[int, int]:
        """(x, y) of the box's first voxel: it covers [x, x + size) and [y, y + size)."""
        return self.centre[0] - self.size // 2, self.centre[1] - self.size // 2

    def lies_in(self, shape: tuple[int, int, int]) -> bool:
        """True if the whole box lies inside a tomogram of `shape` [z, y, x]."""
        x, y = self.corner
        return 0 <= self.centre[2] < shape[0] and 0 <= y <= shape[1] - self.size and 0 <= x <= shape[2] - self.size

    def touches(self, shape: tuple[int, int, int]) -> bool:
        """True if any of the box lies inside a tomogram of `shape` [z, y, x]."""
        x, y = self.corner
        return 0 <= self.centre[2] < shape[0] and -self.size < y < shape[1] and -self.size < x < shape[2]


def kept_inside(centre: tuple[int, int, int], shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The nearest place (x, y, z) for a box's centre inside a tomogram of `shape` [z, y, x]."""
    x, y, z = (min(max(at, 0), size - 1) for at, size in zip(centre, reversed(shape), strict=True))
    return x, y, z


def save_boxes(path: Path, boxes: list[Box]) -> None:
    """Write all boxes of a project, all or nothing."""
    write_json(path, {"schema": SCHEMA, "boxes": [_entry_of(box) for box in boxes]})


def _entry_of(box: Box) -> dict[str, Any]:
    # dataclasses.asdict copies all values deeply, which takes ten times as long.
    return {field.name: getattr(box, field.name) for field in fields(box)}


def load_boxes(path: Path) -> list[Box]:
    """All boxes of a project; an empty list where the file does not exist yet. Raises TomosegError.

    A file that is as it was the last time is not read again: one click in Blender asks several times.
    """
    stamp = _stamp(path)
    return list(_read(path) if stamp is None else _remembered(path, stamp))


def _read(path: Path) -> tuple[Box, ...]:
    return tuple(_box_from(entry, path) for entry in read_list(path, "boxes", SCHEMA))


@lru_cache(maxsize=1)  # one project at a time
def _remembered(path: Path, _version: Stamp) -> tuple[Box, ...]:
    return _read(path)


def _stamp(path: Path) -> Stamp | None:
    """Differs for each version of a file: ours are renamed into place, so each has a number of its own."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _box_from(entry: Any, path: Path) -> Box:
    try:
        x, y, z = (int(value) for value in entry["centre"])
        box = Box(
            str(entry["tomogram"]),
            str(entry["feature"]),
            entry["kind"],
            (x, y, z),
            int(entry["size"]),
            str(entry["id"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise TomosegError(f"{path} holds a damaged box ({str(entry)[:60]}): restore the file.") from error
    if box.kind not in KINDS or not 2 <= box.size <= 4096:
        raise TomosegError(f"{path} holds an impossible box ({str(entry)[:60]}): restore the file.")
    return box
