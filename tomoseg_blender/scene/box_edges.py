"""The outline box of a figure: thin tubes along the edges of the tomogram, never across what it holds.

Of a box seen from outside, only the three edges that meet in the corner nearest to the viewer can pass in front of
what lies inside. They are hidden, so that the box looks open to the viewer; the others lie behind or around it.
"""

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .figure_parts import box_points, flat_material, show_unlit
from .figure_stage import add_to_stage
from .framing import Frame

NAME = "Figure outline"
WIDTH = 1.6  # pixels of a picture that is 1200 wide


@dataclass(frozen=True)
class Edge:
    """One edge of the box. corners: its two ends as numbers of `box_points`."""

    corners: tuple[int, int]
    shown: Any


def add_edges(scene: Any, tomogram: Any, frame: Frame, colour: str) -> list[Edge]:
    """The twelve edges of the tomogram's box, as `frame` sees them, an object each."""
    corners = box_points(tomogram)
    ends = [(start, start | bit) for start in range(8) for bit in (1, 2, 4) if not start & bit]
    return [Edge(pair, _tube(scene, corners[list(pair)], radius(frame), colour)) for pair in ends]


def radius(frame: Frame) -> float:
    """Half the thickness of an edge in Blender units, for pictures that are as near as `frame`."""
    return WIDTH / 2 * frame.pixel * frame.size[0] / 1200


def _tube(scene: Any, ends: NDArray[np.float64], radius: float, colour: str) -> Any:
    curve = bpy.data.curves.new(NAME, "CURVE")
    curve.dimensions = "3D"
    line = curve.splines.new("POLY")
    line.points.add(1)
    for point, end in zip(line.points, ends, strict=True):
        point.co = (*end, 1)
    curve.bevel_depth = radius
    curve.use_fill_caps = True
    curve.materials.append(flat_material(NAME, colour))
    tube = add_to_stage(scene, NAME, curve)
    show_unlit(tube)
    return tube


def nearest_corner(tomogram: Any, towards: Any) -> int:
    """The number of the box's corner that is nearest to a viewer in the direction `towards`."""
    return int(np.argmax(box_points(tomogram) @ np.asarray(towards, float)))


def hide_near_edges(edges: list[Edge], corner: int) -> None:
    """Hide the edges that meet in the corner nearest to the viewer, and show all others."""
    for edge in edges:
        edge.shown.hide_render = edge.shown.hide_viewport = corner in edge.corners
