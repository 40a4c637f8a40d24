"""Where the camera of a figure stands and how wide it sees: arithmetic only, no Blender data.

A figure is drawn by an orthographic camera, so that a scale bar is true everywhere in it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
MARGIN = 0.035  # of the picture's width, free on each side
ELEVATION, AZIMUTH = 42.0, -24.0  # degrees: above the slices, and to the left of their front


@dataclass(frozen=True)
class Frame:
    """An orthographic view. Lengths in Blender units; pixels are square.

    right, up, towards: unit vectors of the picture in the world (towards the viewer). middle: the world point in the
    picture's middle. width: what the picture's full width shows. size: (width, height) in pixels. depth: from the
    middle to the farthest shown point.
    """

    right: Vectors
    up: Vectors
    towards: Vectors
    middle: Vectors
    width: float
    size: tuple[int, int]
    depth: float

    @property
    def pixel(self) -> float:
        """The length of one pixel."""
        return self.width / self.size[0]

    @property
    def distance(self) -> float:
        """How far the camera stands from the middle: room for bar and legend in front of everything."""
        return self.depth + self.width


def directions(elevation: float, azimuth: float) -> tuple[Vectors, Vectors, Vectors]:
    """(right, up, towards the viewer) for a viewer `elevation` degrees above the x-y plane.

    With an azimuth of 0 the viewer stands on the -y side and sees x to the right; 90 is the +x side.
    """
    high, turn = math.radians(elevation), math.radians(azimuth)
    towards = np.array([math.sin(turn) * math.cos(high), -math.cos(turn) * math.cos(high), math.sin(high)])
    right = np.array([math.cos(turn), math.sin(turn), 0.0])
    return right, np.cross(towards, right), towards


def best_azimuth(lengths: Vectors) -> float:
    """The azimuth that lays the longer of the sides (x, y, z) of what is shown across the picture."""
    return AZIMUTH + 90.0 if lengths[1] > 1.3 * lengths[0] else AZIMUTH


def frame_points(points: Vectors, elevation: float, azimuth: float, size: tuple[int, int], strip: int) -> Frame:
    """The narrowest view that shows all points (n, 3) above a strip of `strip` pixels at the bottom.

    size: the picture's (width, height) in pixels.
    """
    right, up, towards = directions(elevation, azimuth)
    across, along, depth = points @ right, points @ up, points @ towards
    margin = MARGIN * size[0]
    free_width, free_height = size[0] - 2 * margin, size[1] - strip - 2 * margin
    pixel = max(np.ptp(across) / free_width, np.ptp(along) / free_height, 1e-9)
    middle_along = (along.min() + along.max()) / 2 - strip * pixel / 2  # the strip pushes the contents up
    middle_depth = (depth.min() + depth.max()) / 2
    middle = right * (across.min() + across.max()) / 2 + up * middle_along + towards * middle_depth
    reach = float(np.abs(depth - middle_depth).max())
    return Frame(right, up, towards, middle, float(pixel * size[0]), size, reach)


def to_pixels(points: Vectors, frame: Frame) -> Vectors:
    """Where world points (n, 3) fall in the picture: (n, 2), x to the right and y up from the lower left corner."""
    seen = points - frame.middle
    x = seen @ frame.right / frame.pixel + frame.size[0] / 2
    y = seen @ frame.up / frame.pixel + frame.size[1] / 2
    return np.stack([x, y], axis=1)


def round_length(longest: float) -> float:
    """The largest of 1, 2, 5 × a power of ten that is at most `longest` (any unit). For scale bars."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9))


def length_name(nanometres: float) -> str:
    """A round length as people write it: 50 nm, 0.5 nm, 2 µm."""
    return f"{nanometres / 1000:g} µm" if nanometres >= 1000 else f"{nanometres:g} nm"
