"""The scale bar of a figure: a round length, true to the pixel since the camera is orthographic."""

from typing import Any

from .figure_sheet import Sheet
from .framing import Frame, length_name, round_length
from .units import UNITS_PER_ANGSTROM

UNITS_PER_NM = 10 * UNITS_PER_ANGSTROM
LONGEST_SHARE = 0.22  # of the picture's width
THICKNESS = 0.22  # of the letters' size


def bar_length(frame: Frame) -> float:
    """The bar's length in nm: the longest round one that takes at most 22 % of the picture's width."""
    return round_length(LONGEST_SHARE * frame.width / UNITS_PER_NM)


def add_scale_bar(sheet: Sheet, frame: Frame, x: float, y: float, text: float, ink: str) -> Any:
    """Put the bar at (x, y), its lower left corner, and its length in words above it; returns the bar.

    text: the letters' size. All in pixels of the picture; the bar begins on a whole pixel.
    """
    nanometres = bar_length(frame)
    pixels = nanometres * UNITS_PER_NM / frame.pixel
    thickness = max(round(THICKNESS * text), 2)
    bar = sheet.rectangle("scale bar", round(x), round(y), pixels, thickness, ink)
    sheet.text(length_name(nanometres), round(x) + pixels / 2, round(y) + thickness + 0.45 * text, text, ink, "CENTER")
    return bar
