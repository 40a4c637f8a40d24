"""The network's map drawn over the slice: a texture of its own, no Blender image, so that nothing can paint on it,
undo cannot take it away, and no file keeps it.
"""

from dataclasses import dataclass
from typing import Any

import gpu
import numpy as np
from mathutils import Color, Matrix, Vector
from numpy.typing import NDArray

from . import quad

LIFT = 0.04  # voxels towards the eye: above the slice, and above what is drawn over the slice
# Voxels that would be taken as label are striped, so that they are told from painted ones of the same colour; below
# the threshold the colour fades away.
_FRAGMENT = """
void main()
{
  ivec2 size = textureSize(found, 0);
  float value = texelFetch(found, clamp(ivec2(floor(place * vec2(size))), ivec2(0), size - 1), 0).r;
  float strength = clamp(value / look.y, 0.0, 1.0);
  float stripe = mod(gl_FragCoord.x + gl_FragCoord.y, 10.0) < 5.0 ? 1.0 : 0.4;
  shown = vec4(colour.rgb, look.x * (value > look.y ? stripe : 0.35 * strength * strength));
}
"""


@dataclass(frozen=True)
class Look:
    """colour: red, green, blue as on the screen, 0 to 1. opacity: 0 to 1. threshold: in the map's units."""

    colour: tuple[float, float, float]
    opacity: float
    threshold: float


@dataclass(frozen=True)
class Place:
    """world: voxels to the world. corner: first voxel (x, y). towards: the direction of the eye in the world."""

    world: Matrix
    corner: tuple[int, int]
    z: int
    towards: Vector
    perspective: Matrix

    def corners(self, shape: tuple[int, int]) -> list[Vector]:
        """Where the four corners of a map of `shape` [y, x] lie in the world, from the first voxel on."""
        x, y = self.corner
        height, width = shape
        lift = self.towards * LIFT * max(abs(scale) for scale in self.world.to_scale())
        ends = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        return [self.world @ Vector((*end, self.z + 0.5)) + lift for end in ends]


class _Made:
    """The shader, compiled when something is drawn for the first time, and the texture of the last map."""

    def __init__(self) -> None:
        self.shader: Any = None
        self.texture: Any = None
        self.key: Any = None


_MADE = _Made()


def texture_of(key: Any, values: NDArray[np.float32]) -> Any:
    """The texture of a map [y, x], handed over once for each `key`. Measured: see docs/live.md."""
    if _MADE.key != key or _MADE.texture is None:
        height, width = values.shape
        buffer = gpu.types.Buffer("FLOAT", values.size, np.ascontiguousarray(values, np.float32).reshape(-1))
        _MADE.texture = gpu.types.GPUTexture((width, height), format="R32F", data=buffer)
        _MADE.key = key
    return _MADE.texture


def draw(key: Any, values: NDArray[np.float32], look: Look, place: Place) -> None:
    """Draw a map [y, x] on its slice; call it where Blender draws a 3D view. key: another one for another map."""
    shader = _shader()
    shader.bind()
    shader.uniform_float("matrix", place.perspective)
    # What is drawn over a 3D view is blended in linear light and encoded for the screen afterwards.
    shader.uniform_float("colour", (*Color(look.colour).from_srgb_to_scene_linear(), 1.0))
    shader.uniform_float("look", (look.opacity, max(look.threshold, 1e-6)))
    shader.uniform_sampler("found", texture_of(key, values))
    corners = place.corners((values.shape[0], values.shape[1]))
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("LESS_EQUAL")
    quad.draw(shader, corners)
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("NONE")


def forget() -> None:
    """Give the texture's memory back."""
    _MADE.texture = _MADE.key = None


def _shader() -> Any:
    if _MADE.shader is None:
        _MADE.shader = quad.compile_shader(
            "tomoseg_prediction", _FRAGMENT, {"colour": "VEC4", "look": "VEC2"}, ("found",)
        )
    return _MADE.shader
