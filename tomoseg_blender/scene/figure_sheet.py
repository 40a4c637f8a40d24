"""The sheet in front of a figure's camera on which scale bar and legend lie, measured in pixels of the picture."""

from typing import Any

import bpy

from .figure_parts import flat_material, show_unlit
from .figure_stage import add_to_stage
from .framing import Frame

TEXT_SHARE = 0.030  # the letters' size as a share of the picture's smaller side
SMALLEST_TEXT = 11  # pixels
BEHIND, OVER = 2.0, 8.0  # pixels


def text_size(size: tuple[int, int]) -> float:
    """The size of letters in pixels for a picture of (width, height)."""
    return max(TEXT_SHARE * min(size), SMALLEST_TEXT)


def measure_text(text: str) -> float:
    """The width of `text` in Blender's own font, as a multiple of the letters' size."""
    probe = bpy.data.objects.new("Tomoseg text probe", _text_curve(text))
    bpy.context.scene.collection.objects.link(probe)
    bpy.context.view_layer.update()
    width = float(probe.dimensions.x)
    curve = probe.data
    bpy.data.objects.remove(probe)
    bpy.data.curves.remove(curve)
    return width


class Sheet:
    """Puts flat pieces on the sheet; x and y are pixels from the picture's lower left corner."""

    def __init__(self, scene: Any, camera: Any, frame: Frame) -> None:
        self._scene, self._size = scene, frame.size
        self.backing: Any | None = None
        self.holder = add_to_stage(scene, "Figure sheet", None, camera)
        self.holder.empty_display_size = 0.1
        self.fit(frame)

    def fit(self, frame: Frame) -> None:
        """Keep the sheet as large as the picture, for a camera that sees as wide as `frame`."""
        self.holder.scale = (frame.pixel,) * 3
        self.holder.location = (0, 0, -0.1 * frame.width)

    def across(self, x: float) -> float:
        """Where x, in pixels from the picture's left side, lies on the sheet, whose middle is 0."""
        return x - self._size[0] / 2

    def rectangle(self, name: str, x: float, y: float, width: float, height: float, colour: str) -> Any:
        """A rectangle of plain colour with its lower left corner at (x, y)."""
        mesh = bpy.data.meshes.new(name)
        corners = [(0, 0, 0), (width, 0, 0), (width, height, 0), (0, height, 0)]
        mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
        return self._put(name, mesh, x, y, colour)

    def band(self, height: float, colour: str) -> None:
        """A quiet band along the picture's lower side, behind all other pieces, where a close view would fill it."""
        # A little larger than the picture: its outermost pixels take in what lies beside them.
        self.backing = self.rectangle("band", -OVER, -OVER, self._size[0] + 2 * OVER, height + OVER, colour)
        self.backing.location.z = -BEHIND

    def text(self, text: str, x: float, y: float, size: float, colour: str, align: str = "LEFT") -> Any:
        """One line of text, `size` pixels high, its base line at y and its start (or middle, "CENTER") at x."""
        curve = _text_curve(text)
        curve.align_x = align
        curve.size = size
        return self._put(text, curve, x, y, colour)

    def _put(self, name: str, data: Any, x: float, y: float, colour: str) -> Any:
        data.materials.append(flat_material(f"Figure {colour}", colour))
        piece = add_to_stage(self._scene, f"Figure {name}", data, self.holder)
        piece.location = (self.across(x), y - self._size[1] / 2, 0)
        show_unlit(piece)
        return piece


def _text_curve(text: str) -> Any:
    curve = bpy.data.curves.new("Tomoseg text", "FONT")
    curve.body = text
    curve.size = 1.0
    return curve
