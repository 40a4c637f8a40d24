"""A picture drawn on four corners by a shader of its own: what slices and predictions share."""

from collections.abc import Mapping, Sequence
from typing import Any

import gpu
from gpu_extras.batch import batch_for_shader
from mathutils import Vector

_VERTEX = "void main() { place = uv; gl_Position = matrix * vec4(pos, 1.0); }"
_UV = ((0, 0), (1, 0), (1, 1), (0, 1))


def compile_shader(name: str, fragment: str, constants: Mapping[str, str], images: Sequence[str]) -> Any:
    """A shader whose `fragment` gets `place` (0 to 1, from the lower left), `constants` (name: type) and `images`.

    It writes `shown`, in linear light. `matrix`, from the corners to the screen, is always a constant.
    """
    information = gpu.types.GPUShaderCreateInfo()
    between = gpu.types.GPUStageInterfaceInfo(name)
    between.smooth("VEC2", "place")
    for constant, kind in {"matrix": "MAT4", **constants}.items():
        information.push_constant(kind, constant)
    for number, image in enumerate(images):
        information.sampler(number, "FLOAT_2D", image)
    information.vertex_in(0, "VEC3", "pos")
    information.vertex_in(1, "VEC2", "uv")
    information.vertex_out(between)
    information.fragment_out(0, "VEC4", "shown")
    information.vertex_source(_VERTEX)
    information.fragment_source(fragment)
    return gpu.shader.create_from_info(information)


def draw(shader: Any, corners: Sequence[Vector]) -> None:
    """Draw with a bound shader on four corners, counted from the picture's lower left."""
    batch_for_shader(shader, "TRIS", {"pos": corners, "uv": _UV}, indices=((0, 1, 2), (0, 2, 3))).draw(shader)
