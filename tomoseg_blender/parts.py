"""The table of parts that `tomoseg measure` wrote, as the panel shows it: sorted, and cut to what it can carry.

The whole table stays in its CSV; the scene holds the rows that are shown, so that tens of thousands of parts slow
neither the window nor the .blend.
"""

import csv
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Scene

from ..tomo.errors import TomosegError

MOST_ROWS = 500
LARGEST = 2**31 - 1  # of Blender's integer properties
# What the table can be sorted by: the CSV's column, the one instead where the voxel size is unknown, and the unit.
COLUMNS = {
    "volume": ("volume_nm3", "voxels", "nm³"),
    "area": ("area_nm2", "voxels", "nm²"),
    "length": ("length_nm", "voxels", "nm"),
    "thickness": ("thickness_nm", "voxels", "nm"),
    "distance": ("", "voxels", "nm"),
    "number": ("volume_nm3", "voxels", "nm³"),
}
Row = dict[str, str]


def rows_of(path: Path) -> list[Row]:
    """The components' rows of a measure table. Raises TomosegError if it cannot be read."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TomosegError(f"The table {path} cannot be read: measure the mask again.") from error


@lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("kind") == "component"]


def number_in(row: Row, name: str) -> float:
    """A field as a number, NaN where it is empty or missing."""
    try:
        return float(row.get(name) or "nan")
    except ValueError:
        return math.nan


def distances_in(row: Row) -> list[float]:
    """How far a part is from each of the features that were asked for; without its own."""
    found = (number_in(row, name) for name in row if name.startswith("distance_to_"))
    return [value for value in found if not math.isnan(value)]


def value_of(row: Row, sorting: str) -> float:
    """What a row is sorted by; NaN where the part has no such value."""
    if sorting == "distance":
        return min(distances_in(row), default=math.nan)
    value = number_in(row, COLUMNS[sorting][0])
    unknown = math.isnan(value) and sorting in ("volume", "number")
    return number_in(row, "voxels") if unknown else value


def in_order(rows: list[Row], sorting: str) -> list[Row]:
    """Largest first (the nearest first, or by number); rows without the value come last."""
    if sorting == "number":
        return rows  # as the worker wrote them
    sign = 1 if sorting == "distance" else -1

    def place(row: Row) -> tuple[bool, float]:
        value = value_of(row, sorting)
        return math.isnan(value), 0.0 if math.isnan(value) else sign * value

    return sorted(rows, key=place)


def shown_value(row: Row, sorting: str) -> str:
    """The value with its unit, for a narrow column; a dash where there is none."""
    value = value_of(row, sorting)
    if math.isnan(value):
        return "–"
    known = not math.isnan(number_in(row, "volume_nm3"))
    return f"{value:.0f} voxels" if not known else f"{short(value)} {COLUMNS[sorting][2]}"


def short(value: float) -> str:
    """A number that fits into a narrow column: `0.123`, `12.3`, `93956`."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def fill(scene: Scene) -> None:
    """Show the first rows of the table in the chosen order. Raises TomosegError if it cannot be read."""
    group = scene.tomoseg
    group.parts.clear()
    group.parts_in_all = 0
    if not group.measured_table:
        return
    wanted = [row for row in rows_of(Path(bpy.path.abspath(group.measured_table))) if _of(row, group.parts_of)]
    group.parts_in_all = len(wanted)
    for row in in_order(wanted, group.parts_sorted_by)[:MOST_ROWS]:
        _add(group.parts.add(), row, group.parts_sorted_by)


def _of(row: Row, feature: str) -> bool:
    return not feature or row.get("name") == feature


def _add(item: Any, row: Row, sorting: str) -> None:
    item.name = row.get("name", "")
    item.number = int(number_in(row, "component"))
    item.voxels = min(int(number_in(row, "voxels")), LARGEST)
    item.shown = shown_value(row, sorting)
    item.low = [int(number_in(row, f"low_{axis}")) for axis in "xyz"]
    item.high = [int(number_in(row, f"high_{axis}")) for axis in "xyz"]
    item.centre = [number_in(row, f"centroid_{axis}") for axis in "xyz"]
