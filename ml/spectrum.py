"""Show the Fourier amplitude of a slice, and find the missing wedge: the tilt axis and the highest tilt.

Where the slices show a missing wedge, features that run along the tilt axis look unlike those that run across it:
box and paint both. The picture is what EMAN2 shows with its Amp button.
"""

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

SUMMARY = "show a slice's Fourier amplitude and find the missing wedge"
_DARKEST, _BRIGHTEST = 1.0, 99.8  # percentiles of the picture's greys


@dataclass(frozen=True)
class Options:
    """Options of `tomoseg spectrum`."""

    tomogram: Path = option(help="tomogram", positional=True, metavar="TOMOGRAM")
    slice: int | None = option(None, help="z of the slice, from 0 (default: the middle one)", metavar="N")
    output: Path | None = option(None, help="where to write the log amplitude: .png or .mrc", metavar="FILE")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Tilt axis (degrees from x towards y), highest tilt, and the picture if asked for. Raises TomosegError."""
    if options.output and options.output.suffix.lower() not in (".png", ".mrc"):
        raise TomosegError(f"{options.output} is neither .png nor .mrc: name the picture so.")
    import numpy as np

    from ml.volumes import open_any
    from ml.wedge import find_wedge, slice_spectrum

    tomogram = open_any(options.tomogram)
    depth = tomogram.shape[0]
    z = depth // 2 if options.slice is None else options.slice
    if not 0 <= z < depth:
        raise TomosegError(f"{options.tomogram} has the slices 0 to {depth - 1}, not {z}: choose one of them.")
    if not np.isfinite(tomogram.data[z]).all():
        raise TomosegError(f"{options.tomogram} holds voxels that are no numbers (NaN or infinite): replace them.")
    report.progress(0.1, "Looking for the missing wedge")
    wedge = find_wedge(tomogram)
    if options.output:
        _save(options.output, slice_spectrum(tomogram.data[z]))
    return {
        "tomogram": str(options.tomogram),
        "slice": z,
        "output": str(options.output) if options.output else None,
        "tilt_axis_degrees": round(wedge.axis, 1) if wedge else None,
        "highest_tilt_degrees": wedge.highest_tilt if wedge else None,
        "strength": round(wedge.strength, 3) if wedge else None,
    }


def describe(result: dict[str, Any]) -> str:
    """What was found, in words."""
    lines = [f"Wrote {result['output']} (slice {result['slice']})"] if result["output"] else []
    axis = result["tilt_axis_degrees"]
    if axis is None:
        return "\n".join(["No missing wedge is seen.", *lines])
    near, off = ("x", axis) if abs(axis) <= 45 else ("y", (axis - 90) if axis > 0 else (axis + 90))
    return "\n".join(
        [
            f"Tilt axis: {axis:.1f}° from x towards y, that is {abs(off):.1f}° off {near}. "
            f"Tilts up to {result['highest_tilt_degrees']:.0f}°.",
            f"Give examples of features that run along {near} and across it.",
            *lines,
        ]
    )


def _save(path: Path, spectrum: "NDArray[np.float32]") -> None:
    if path.suffix.lower() == ".mrc":
        write_mrc(path, spectrum, Geometry())
        return
    import numpy as np
    from PIL import Image

    low, high = np.percentile(spectrum, (_DARKEST, _BRIGHTEST))
    grey = np.clip((spectrum - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    with replacing(path) as temporary:
        Image.fromarray(grey[::-1]).save(temporary)  # a picture starts at the top, a slice at the bottom
