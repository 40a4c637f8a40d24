"""What a training came to, to look at: box, label and output side by side, a score for each box, the loss curve."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tomo.files import replacing, write_json
from tomo.geometry import Geometry
from tomo.mrc import write_mrc

MOST_SHOWN = 100  # boxes of the sheet, as in EMAN2
SIGMAS = 3.0
GAP = 2  # pixels between images
FRAME = {True: (80, 200, 120), False: (200, 90, 80)}  # positive and negative boxes
Floats = NDArray[np.float32]


def stack_of(images: Floats, labels: Floats, outputs: Floats) -> Floats:
    """ROI, label, output, ROI, label, output …, (3 n, y, x) float32: images 3 i, 3 i + 1 and 3 i + 2 belong together.

    images, labels, outputs: (n, y, x); the outputs divided by the amplitude.
    """
    stack = np.stack([images, labels, outputs], axis=1)
    return np.ascontiguousarray(stack.reshape(-1, *images.shape[1:]), dtype=np.float32)


def sheet_of(stack: Floats, positive: NDArray[np.bool_], per_row: int = 4) -> Image.Image:
    """The stack as a picture with `per_row` triplets a row; a green bar marks positive boxes, a red one negative ones.

    Row 0 of an image is its bottom row, as everywhere in Tomoseg.
    """
    count, (height, width) = len(positive), stack.shape[1:]
    rows = math.ceil(count / per_row)
    cell_width, cell_height = 3 * (width + GAP) + 3 * GAP, height + 2 * GAP
    sheet = Image.new("RGB", (per_row * cell_width, rows * cell_height), (30, 30, 30))
    draw = ImageDraw.Draw(sheet)
    for number in range(count):
        left, top = (number % per_row) * cell_width, (number // per_row) * cell_height
        draw.rectangle((left, top, left + GAP, top + height - 1), fill=FRAME[bool(positive[number])])
        for part in range(3):
            grey = _grey(stack[3 * number + part], is_image=part == 0)
            sheet.paste(Image.fromarray(grey[::-1]), (left + 2 * GAP + part * (width + GAP), top))
    return sheet


def _grey(picture: Floats, *, is_image: bool) -> NDArray[np.uint8]:
    """0 … 255: images from −3 to 3 standard deviations, labels and outputs from 0 to 1."""
    scaled = (picture / SIGMAS + 1) / 2 if is_image else picture
    return np.asarray(np.clip(scaled, 0, 1) * 255, np.uint8)


def curve_of(rows: list[dict[str, Any]], size: tuple[int, int] = (480, 240)) -> Image.Image:
    """The losses over the iterations: training in orange, validation in blue; the axes carry their ranges."""
    picture = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    names = {"loss": (230, 159, 0), "validation_loss": (0, 114, 178)}
    values = [row[name] for row in rows for name in names if math.isfinite(row[name])]
    if not values:
        return picture
    low, high = min(values), max(*values, min(values) + 1e-6)
    left, top, right, bottom = 56, 14, size[0] - 12, size[1] - 26
    draw.rectangle((left, top, right, bottom), outline=(150, 150, 150))
    for name, colour in names.items():
        points = [
            (
                left + (right - left) * number / max(1, len(rows) - 1),
                bottom - (bottom - top) * (row[name] - low) / (high - low),
            )
            for number, row in enumerate(rows)
        ]
        draw.line(points, fill=colour, width=2)
        x, y = points[-1]
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=colour)
    draw.text((4, top - 6), f"{high:.3g}", fill=(0, 0, 0))
    draw.text((4, bottom - 6), f"{low:.3g}", fill=(0, 0, 0))
    draw.text((left, bottom + 8), f"iteration 1 to {len(rows)}: orange training, blue validation loss", fill=(0, 0, 0))
    return picture


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a PNG, all or nothing."""
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")


def files_beside(path: Path) -> dict[str, Path]:
    """The files that belong to the triplet sheet `path`: its stack, scores and loss curve."""
    return {
        "triplets": path,
        "stack": path.with_suffix(".mrcs"),
        "scores": path.with_suffix(".json"),
        "losses": path.with_name(f"{path.stem}_losses.png"),
    }


def write_triplets(
    path: Path,
    stack: Floats,
    positive: NDArray[np.bool_],
    scores: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    geometry: Geometry,
) -> dict[str, str]:
    """Write the sheet, the stack, the scores of all boxes and the loss curve; returns where they are.

    stack: of the first 100 boxes at most. scores: one entry for each box of the training set.
    """
    places = files_beside(path)
    write_picture(places["triplets"], sheet_of(stack, positive))
    write_mrc(places["stack"], stack, geometry, ["Tomoseg triplets: ROI, label, output"])
    write_json(places["scores"], {"boxes": scores})
    write_picture(places["losses"], curve_of(rows))
    return {name: str(place) for name, place in places.items()}
