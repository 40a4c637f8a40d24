"""The legend of a figure: a patch of colour and the feature's name for each, in rows from the right-hand edge."""

from dataclasses import dataclass

from .figure_sheet import Sheet, measure_text

PATCH, GAP, BETWEEN, LINE = 0.95, 0.45, 1.5, 1.6  # multiples of the letters' size


@dataclass(frozen=True)
class Entry:
    """One line of a legend. colour: '#rrggbb'. width: of patch and name, as a multiple of the letters' size."""

    name: str
    colour: str
    width: float


def entries(features: list[tuple[str, str]]) -> list[Entry]:
    """Entries for (name, colour) pairs, measured in Blender's font."""
    return [Entry(name, colour, PATCH + GAP + measure_text(name)) for name, colour in features]


def rows(found: list[Entry], available: float) -> list[list[Entry]]:
    """Entries in rows no wider than `available` (a multiple of the letters' size); one alone may be wider."""
    lines: list[list[Entry]] = []
    for entry in found:
        if not lines or row_width([*lines[-1], entry]) > available:
            lines.append([])
        lines[-1].append(entry)
    return lines


def row_width(row: list[Entry]) -> float:
    """The width of a row as a multiple of the letters' size."""
    return sum(entry.width for entry in row) + BETWEEN * (len(row) - 1)


def add_legend(sheet: Sheet, lines: list[list[Entry]], right: float, bottom: float, text: float, ink: str) -> None:
    """Put the rows on the sheet, right-aligned at `right`, the last row's base line at `bottom` (pixels)."""
    for number, row in enumerate(reversed(lines)):
        x = right - row_width(row) * text
        y = bottom + number * LINE * text
        for entry in row:
            side = round(PATCH * text)
            sheet.rectangle(f"legend {entry.name}", round(x), round(y - 0.12 * text), side, side, entry.colour)
            sheet.text(entry.name, x + (PATCH + GAP) * text, y, text, ink)
            x += (entry.width + BETWEEN) * text
