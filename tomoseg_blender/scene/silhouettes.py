"""Dark lines along the rims of a figure's surfaces, as drawn by hand: where a shape ends before what lies behind it.

Each surface gets a shell around it, a little larger, of which only the far side is seen. Both engines draw it, it is
cut and faded like its surface, and it neither lights nor shades anything.
"""

from typing import Any

from . import figure_cut
from .figure_look import Haze, line_material
from .figure_parts import add_copy, give_material, show_unlit, world_matrix
from .palette import linear

WIDTH = 1.5  # pixels of a picture that is 1200 wide; at least one of a smaller picture
NAME = "Figure line"


def add_silhouette(
    scene: Any, original: Any, width: float, ink: str, cut: Any | None = None, haze: Haze | None = None
) -> Any:
    """The lines of one surface, `width` Blender units wide, in the colour `ink` ('#rrggbb'); returns the shell."""
    shell = add_copy(scene, original)
    shell.name = NAME
    if cut is not None:
        figure_cut.take_away(shell, cut)
    outward = shell.modifiers.new(NAME, "DISPLACE")
    outward.mid_level = 0.0
    scale = world_matrix(original).to_scale()
    outward.strength = width / (sum(scale) / 3)  # in the surface's own coordinates
    give_material(shell, line_material(linear(ink), cut, haze))
    show_unlit(shell)
    return shell
