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


class ScaleBar:
    """The bar on a figure's sheet, with its length in words above it; where a film zooms, one for each length.

    x, y: its lower left corner; text: the letters' size; all in pixels. The bar begins on a whole pixel.
    """

    def __init__(self, sheet: Sheet, x: float, y: float, text: float, ink: str) -> None:
        self._sheet, self._place, self._text, self._ink = sheet, (round(x), round(y)), text, ink
        self._bars: dict[float, tuple[Any, Any]] = {}

    def fit(self, frame: Frame) -> float:
        """Show the bar that is right for `frame`, and no other; returns its length in nm."""
        nanometres = bar_length(frame)
        if nanometres not in self._bars:
            self._bars[nanometres] = self._new(nanometres)
        pixels = nanometres * UNITS_PER_NM / frame.pixel
        bar, words = self._bars[nanometres]
        bar.scale.x = pixels
        words.location.x = self._sheet.across(self._place[0] + pixels / 2)
        for length, pieces in self._bars.items():
            for piece in pieces:
                piece.hide_render = piece.hide_viewport = length != nanometres
        return nanometres

    def key(self, frame: Frame, number: int) -> None:
        """The same in frame `number` of a film; `fit` must have been called for all of its frames before."""
        bar, words = self._bars[self.fit(frame)]
        bar.keyframe_insert("scale", index=0, frame=number)
        words.keyframe_insert("location", index=0, frame=number)
        for piece in (piece for pieces in self._bars.values() for piece in pieces):
            piece.keyframe_insert("hide_render", frame=number)

    def _new(self, nanometres: float) -> tuple[Any, Any]:
        x, y = self._place
        thickness = max(round(THICKNESS * self._text), 2)
        bar = self._sheet.rectangle("scale bar", x, y, 1, thickness, self._ink)
        above = y + thickness + 0.45 * self._text
        return bar, self._sheet.text(length_name(nanometres), x, above, self._text, self._ink, "CENTER")
