"""The label table beside a mask: which feature each integer stands for, and its colour."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import TomosegError
from .features import PALETTE, check_colour
from .files import read_list, write_json
from .names import tomogram_name

SCHEMA = 1
LARGEST_VALUE = 32767  # masks are int8 up to 127 labels, int16 beyond
MOST_LABELS = 1000


@dataclass(frozen=True)
class LabelEntry:
    """One integer of a mask. value: 1 to 32767. name: the feature's. colour: "#rrggbb"."""

    value: int
    name: str
    colour: str


def label_table_path(mask: Path) -> Path:
    """The JSON file beside a mask that holds its label table."""
    return mask.with_name(f"{tomogram_name(mask)}.json")


def save_label_table(path: Path, entries: list[LabelEntry]) -> None:
    """Write the table, all or nothing."""
    write_json(path, {"schema": SCHEMA, "labels": [asdict(entry) for entry in entries]})


def load_label_table(path: Path) -> list[LabelEntry]:
    """The table in order of the integers; empty where the file does not exist. Raises TomosegError if damaged."""
    entries = [_entry_from(entry, path) for entry in read_list(path, "labels", SCHEMA)]
    values = [entry.value for entry in entries]
    if len(set(values)) < len(values):
        raise TomosegError(f"{path} names one label twice: restore the file, or merge the maps again.")
    return sorted(entries, key=lambda entry: entry.value)


def entries_for(values: list[int], table: list[LabelEntry]) -> list[LabelEntry]:
    """One entry per integer in `values`, named "label 7" where `table` does not know it (a mask from elsewhere)."""
    known = {entry.value: entry for entry in table}
    return [
        known.get(value) or LabelEntry(value, f"label {value}", PALETTE[(value - 1) % len(PALETTE)])
        for value in sorted(set(values))
    ]


def _entry_from(entry: Any, path: Path) -> LabelEntry:
    try:
        value, name = entry["value"], str(entry["name"])
        if not isinstance(value, int) or not 1 <= value <= LARGEST_VALUE or not name:
            raise ValueError(value)
        return LabelEntry(value, name, check_colour(str(entry["colour"])))
    except (KeyError, TypeError, ValueError, TomosegError) as error:
        raise TomosegError(f"{path} holds a damaged label ({str(entry)[:60]}): restore the file.") from error


def check_label_count(mask: Path, count: int) -> None:
    """Raises TomosegError for a file with more different labels than any mask of features has."""
    if count > MOST_LABELS:
        raise TomosegError(
            f"{mask} holds more than {MOST_LABELS} different labels, so it is an image or numbers its "
            "objects one by one: give each feature one integer instead."
        )
