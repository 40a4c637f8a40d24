"""What a figure can be asked for, and what of it makes no sense."""

from dataclasses import dataclass

import bpy
import numpy as np

from ...tomo.errors import TomosegError
from .figure_stage import BACKGROUNDS
from .framing import ELEVATION, Vectors, best_azimuth

PRESETS = ("overview", "cut_open", "single")
ENGINES = ("cycles", "eevee")


@dataclass(frozen=True)
class FigureSettings:
    """What a figure shows. size: (width, height) in pixels. Angles in degrees; azimuth None: the long side across.

    preset: "overview" (all), "cut_open" (a movable plane takes away what lies before it), "single" (one feature).
    turn: how far the viewer walks round the tomogram from the azimuth, to the right.
    features: names to show, empty for all. cut_axis, cut_position (0 to 1): where the cut plane begins.
    slice_axis: the slice plane to show ("z", "y", "x"), or "" for none; it must have been shown in the scene.
    engine: "cycles" works everywhere; "eevee" needs a graphics card, or its software stand-in.
    silhouettes: dark lines along the rims of surfaces. haze: 0 to 1, how much of the background's colour the farthest
    points of surfaces and of the slice take on.
    """

    preset: str = "overview"
    features: tuple[str, ...] = ()
    background: str = "white"
    transparent: bool = False
    size: tuple[int, int] = (1200, 900)
    slice_axis: str = ""
    outline: bool = True
    scale_bar: bool = True
    legend: bool = True
    use_volumes: bool = False
    cut_axis: str = "z"
    cut_position: float = 0.5
    elevation: float = ELEVATION
    azimuth: float | None = None
    turn: float = 0.0
    engine: str = "cycles"
    silhouettes: bool = True
    haze: float = 0.0

    def azimuth_for(self, points: Vectors) -> float:
        """The azimuth from which points (n, 3) in the world are seen."""
        return self.turn + (best_azimuth(np.ptp(points, axis=0)) if self.azimuth is None else self.azimuth)


def check_settings(settings: FigureSettings) -> None:
    """Raise TomosegError, with one sentence, for what cannot be drawn."""
    for value, known, what in (
        (settings.preset, PRESETS, "preset"),
        (settings.background, tuple(BACKGROUNDS), "background"),
        (settings.slice_axis, ("", "z", "y", "x"), "slice axis"),
        (settings.cut_axis, ("z", "y", "x"), "cut axis"),
        (settings.engine, ENGINES, "engine"),
    ):
        if value not in known:
            raise TomosegError(f"There is no {what} {value!r}: choose one of {', '.join(filter(None, known))}.")
    if settings.engine == "cycles" and not hasattr(bpy.context.scene, "cycles"):
        raise TomosegError("Figures are rendered by Cycles: switch on its add-on in the preferences.")
    if not -90 <= settings.elevation <= 90:
        raise TomosegError(f"An elevation of {settings.elevation:g}°: choose -90 (from below) to 90 (from above).")
    if not 0 <= settings.haze <= 1:
        raise TomosegError(f"A haze of {settings.haze:g}: choose 0 (none) to 1 (what is farthest is gone).")
    if settings.preset == "single" and len(settings.features) != 1:
        raise TomosegError("A figure of a single feature needs its name: choose one feature.")
    if min(settings.size) < 64 or max(settings.size) > 16384:
        raise TomosegError(f"A picture of {settings.size[0]} × {settings.size[1]} pixels: choose 64 to 16384 a side.")
