"""Dark lines along the rims of a figure's surfaces, as drawn by hand: where a shape ends before what lies behind it.

Each surface gets a shell around it, a little larger, of which only the far side is seen. Both engines draw it, it is
cut and faded like its surface, and it neither lights nor shades anything.
"""

from typing import Any

from . import figure_cut
from .figure_look import Haze, line_material
from .figure_parts import add_copy, give_material, show_unlit, world_matrix
from .framing import Frame
from .palette import linear

WIDTH = 1.5  # pixels of a picture that is 1200 wide; at least one of a smaller picture
NAME = "Figure line"


def add_silhouette(
    scene: Any, original: Any, frame: Frame, ink: str, cut: Any | None = None, haze: Haze | None = None
) -> Any:
    """The lines of one surface as `frame` sees it, in the colour `ink` ('#rrggbb'); returns the shell."""
    shell = add_copy(scene, original)
    shell.name = NAME
    if cut is not None:
        figure_cut.take_away(shell, cut)
    outward = shell.modifiers.new(NAME, "DISPLACE")
    outward.mid_level = 0.0
    outward.strength = _reach(shell, frame)
    give_material(shell, line_material(linear(ink), cut, haze))
    show_unlit(shell)
    return shell


def key_widths(scene: Any, frames: list[Frame]) -> None:
    """Let the lines of a film be equally wide in all of its frames, from frame 1 on, however near the camera comes."""
    zooms = len({round(frame.pixel, 9) for frame in frames}) > 1
    for shell in scene.objects:
        outward = shell.modifiers.get(NAME)
        if outward is None:
            continue
        outward.strength = _reach(shell, frames[0])
        for number, frame in enumerate(frames if zooms else (), 1):
            outward.strength = _reach(shell, frame)
            outward.keyframe_insert("strength", frame=number)


def _reach(shell: Any, frame: Frame) -> float:
    """How far the shell stands off its surface, in the surface's own coordinates."""
    wide = max(WIDTH * frame.size[0] / 1200, 1.0) * frame.pixel
    return float(wide / (sum(world_matrix(shell).to_scale()) / 3))
