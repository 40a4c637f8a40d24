"""Show the Fourier amplitude of a slice, and find the missing wedge: the tilt axis and the highest tilt.

Where the slices show a missing wedge, features that run along the tilt axis look unlike those that run across it:
box and paint both. The picture is what EMAN2 shows with its Amp button; orange marks at its rim lie on the tilt axis.
On a slice perpendicular to the tilt axis (see --axis) the wedge itself is seen, as two dark sectors.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Report
from tomo.errors import TomosegError
from tomo.files import replacing
from tomo.geometry import Geometry
from tomo.mrc import write_mrc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from ml.wedge import Wedge

SUMMARY = "show a slice's Fourier amplitude and find the missing wedge"
_DARKEST, _BRIGHTEST = 1.0, 99.8  # percentiles of the picture's greys
_MARK = (230, 159, 0)  # Okabe and Ito's orange
_MARK_FROM = 0.86  # of the picture's half width: the middle stays free
_SMALLEST = 360  # pixels: a smaller picture is enlarged, so that its caption can be read
_CAPTION = 0.036  # letters' height of the picture's


@dataclass(frozen=True)
class Options:
    """Options of `tomoseg spectrum`."""

    tomogram: Path = option(help="tomogram", positional=True, metavar="TOMOGRAM")
    slice: int | None = option(None, help="number of the slice, from 0 (default: the middle one)", metavar="N")
    axis: str = option("z", help="axis that the slice is perpendicular to", choices=("z", "y", "x"))
    output: Path | None = option(None, help="where to write the log amplitude: .png or .mrc", metavar="FILE")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Tilt axis (degrees from x towards y), highest tilt, and the picture if asked for. Raises TomosegError."""
    if options.output and options.output.suffix.lower() not in (".png", ".mrc"):
        raise TomosegError(f"{options.output} is neither .png nor .mrc: name the picture so.")
    import numpy as np

    from ml.volumes import open_any
    from ml.wedge import find_wedge, slice_spectrum

    tomogram = open_any(options.tomogram)
    across = "zyx".index(options.axis)
    count = tomogram.shape[across]
    number = count // 2 if options.slice is None else options.slice
    if not 0 <= number < count:
        raise TomosegError(f"{options.tomogram} has the slices 0 to {count - 1}, not {number}: choose one of them.")
    plane = tomogram.data[(slice(None),) * across + (number,)]
    if not np.isfinite(plane).all():
        raise TomosegError(f"{options.tomogram} holds voxels that are no numbers (NaN or infinite): replace them.")
    report.progress(0.1, "Looking for the missing wedge")
    wedge = find_wedge(tomogram)
    if options.output is not None and options.output.suffix.lower() == ".mrc":
        write_mrc(options.output, slice_spectrum(plane), Geometry())
    elif options.output is not None:
        _save_picture(options.output, slice_spectrum(plane, max(plane.shape)), wedge, options.axis)
    return {
        "tomogram": str(options.tomogram),
        "slice": number,
        "axis": options.axis,
        "output": str(options.output) if options.output else None,
        "tilt_axis_degrees": round(wedge.axis, 1) if wedge else None,
        "highest_tilt_degrees": wedge.highest_tilt if wedge else None,
        "strength": round(wedge.strength, 3) if wedge else None,
        "words": caption(wedge),
    }


def describe(result: dict[str, Any]) -> str:
    """What was found, in words."""
    lines = [f"Wrote {result['output']} (slice {result['axis']} {result['slice']})"] if result["output"] else []
    axis = result["tilt_axis_degrees"]
    if axis is None:
        return "\n".join(["No missing wedge is seen.", *lines])
    near, off = nearest(axis)
    return "\n".join(
        [
            f"Tilt axis: {axis:.1f}° from x towards y, that is {off:.1f}° off {near}. "
            f"Tilts up to {result['highest_tilt_degrees']:.0f}°.",
            f"Give examples of features that run along {near} and across it.",
            *lines,
        ]
    )


def _save_picture(path: Path, spectrum: "NDArray[np.float32]", wedge: "Wedge | None", axis: str) -> None:
    """A picture of a square spectrum, y upwards, with the tilt axis marked on that of a z slice, and in words."""
    import numpy as np
    from PIL import Image

    low, high = np.percentile(spectrum, (_DARKEST, _BRIGHTEST))
    grey = np.clip((spectrum - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    enlarged = -(-_SMALLEST // len(grey))
    grey = grey.repeat(enlarged, 0).repeat(enlarged, 1)[::-1]  # a picture starts at the top, a slice at the bottom
    picture = Image.fromarray(grey).convert("RGB")
    if wedge is not None and axis == "z":
        _mark(picture, wedge.axis)
    with replacing(path) as temporary:
        _with_caption(picture, caption(wedge)).save(temporary)


def caption(wedge: "Wedge | None") -> str:
    """What was found, in the few words that stand below the picture."""
    if wedge is None:
        return "No missing wedge is seen"
    near, off = nearest(wedge.axis)
    beside = f", {off:.0f}° off y" if near == "y" else ""
    return f"Tilt axis {wedge.axis:.0f}° from x{beside}, tilts up to {wedge.highest_tilt:.0f}°"


def nearest(degrees: float) -> tuple[str, float]:
    """The axis, x or y, that a direction is nearest to, and by how many degrees it is off; from x towards y."""
    if abs(degrees) <= 45:
        return "x", abs(degrees)
    return "y", 90 - abs(degrees)


def _mark(picture: "Image.Image", degrees: float) -> None:
    """A mark at both ends of the tilt axis; `degrees` count from x towards y, which points upwards."""
    from PIL import ImageDraw

    half = picture.width / 2
    x, y = math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))
    draw, width = ImageDraw.Draw(picture), max(2, picture.width // 120)
    for side in (-half, half):
        ends = [(half + part * side * x, half + part * side * y) for part in (_MARK_FROM, 1.0)]
        draw.line(ends, fill=_MARK, width=width)


def _with_caption(picture: "Image.Image", words: str) -> "Image.Image":
    from PIL import Image, ImageDraw, ImageFont

    size = _CAPTION * picture.width
    whole = Image.new("RGB", (picture.width, picture.height + round(2 * size)))
    whole.paste(picture, (0, 0))
    place = (size / 2, picture.height + size / 2)
    ImageDraw.Draw(whole).text(place, words, fill=_MARK, font=ImageFont.load_default(size))
    return whole
