"""The gallery: a contact sheet of boxes, their labels tinted on top, and which box lies under a pixel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import POSITIVE, Box
from .features import check_colour
from .labels import FEATURE, IGNORE

FRAME = 3  # pixels around each tile
GAP = 4
TINT = 0.45
BACKGROUND = (0.12, 0.12, 0.12)
IGNORE_TINT = (0.5, 0.5, 0.5)
POSITIVE_FRAME, NEGATIVE_FRAME = (0.34, 0.71, 0.91), (0.84, 0.37, 0.0)  # told apart by colour-blind eyes too


@dataclass(frozen=True)
class Tile:
    """A box with its grey picture [y, x], 0 to 1, and its label [y, x]."""

    box: Box
    picture: NDArray[Any]
    label: NDArray[np.int8]


@dataclass(frozen=True)
class Sheet:
    """pixels: RGBA float32 [y, x, 4], row 0 at the bottom, the first box at the top left.

    cell: pixels from one tile to the next. ids: of the boxes, [row][column], the top row first.
    """

    pixels: NDArray[np.float32]
    cell: int
    ids: tuple[tuple[str, ...], ...]

    def box_at(self, x: float, y: float) -> str:
        """The id of the box under pixel (x, y), counted from the bottom left; "" between and beside the tiles."""
        row, column = int((self.pixels.shape[0] - y - GAP) // self.cell), int((x - GAP) // self.cell)
        if not (0 <= row < len(self.ids) and 0 <= column < len(self.ids[row])):
            return ""
        into_x, into_y = (x - GAP) % self.cell, (self.pixels.shape[0] - y - GAP) % self.cell
        return self.ids[row][column] if max(into_x, into_y) < self.cell - GAP else ""


def contact_sheet(tiles: Sequence[Tile], colour: str, per_row: int = 0, active: str = "") -> Sheet:
    """All tiles in one picture, in their order, row by row.

    colour: the feature's, '#rrggbb', for the label. per_row: 0 makes the sheet about square. active: the id of the
    box whose tile gets a white frame. A negative box's frame is dashed, a positive one's is not.
    """
    side = max((tile.picture.shape[0] for tile in tiles), default=1)
    cell = side + 2 * FRAME + GAP
    columns = per_row or max(1, math.ceil(math.sqrt(len(tiles))))
    rows = max(1, math.ceil(len(tiles) / columns))
    pixels = np.ones((rows * cell + GAP, columns * cell + GAP, 4), np.float32)
    pixels[..., :3] = BACKGROUND
    tint = tuple(int(check_colour(colour)[start : start + 2], 16) / 255 for start in (1, 3, 5))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top = pixels.shape[0] - GAP - row * cell
        left = GAP + column * cell
        place = pixels[top - side - 2 * FRAME : top, left : left + side + 2 * FRAME]
        _draw(place, tile, tint, active=tile.box.id == active)
    ids = tuple(
        tuple(tile.box.id for tile in tiles[start : start + columns]) for start in range(0, len(tiles), columns)
    )
    return Sheet(pixels, cell, ids)


def _draw(place: NDArray[np.float32], tile: Tile, tint: tuple[float, ...], *, active: bool) -> None:
    """Frame, picture and label into `place` [y, x, 4]; a smaller box than the others stands in the middle."""
    positive = tile.box.kind == POSITIVE
    place[..., :3] = POSITIVE_FRAME if positive else NEGATIVE_FRAME
    if active:
        place[..., :3] = 1.0
    elif not positive:
        steps = np.arange(place.shape[0]) // 6 % 2 == 1
        place[steps[:, None] ^ steps[None, :], :3] = BACKGROUND
    inner = place[FRAME:-FRAME, FRAME:-FRAME]
    inner[..., :3] = BACKGROUND
    size = tile.picture.shape[0]
    start = (inner.shape[0] - size) // 2
    shown = inner[start : start + size, start : start + size, :3]
    shown[:] = np.clip(np.nan_to_num(tile.picture), 0, 1)[..., None]
    for value, colour in ((FEATURE, tint), (IGNORE, IGNORE_TINT)):
        where = tile.label == value
        shown[where] = (1 - TINT) * shown[where] + TINT * np.array(colour, np.float32)
