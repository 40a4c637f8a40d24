"""Drawing the slice and its labels without Blender's materials: at once, and in exact greys.

In Solid mode Blender shows only the canvas of Texture Paint, and Material Preview first compiles EEVEE's shaders
(up to half a minute without a graphics card). So the slice is drawn over its plane in Solid mode, and under the
label that is painted in an Image Editor.
"""

from typing import Any

import bpy
import gpu
from mathutils import Matrix, Vector

from . import slice_texture, viewing
from .scene import materials, quad, slices
from .scene.slice_pixels import grey_steps

LIFT = 0.02  # voxels towards the eye, for a slice that is drawn over its own plane
_SLICE_ROLES = (materials.SLICE, *materials.OVERLAYS)
# Samplers are not passed to functions: Metal, which Blender translates this to on macOS, does not like it.
_FRAGMENT = """
#define AT(image, point) texelFetch(image, clamp(point, ivec2(0), textureSize(image, 0) - 1), 0)
#define HERE(image) AT(image, ivec2(floor(place * vec2(textureSize(image, 0)))))

float encoded(float c) { return c <= 0.0031308 ? 12.92 * c : 1.055 * pow(c, 1.0 / 2.4) - 0.055; }
float decoded(float c) { return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4); }
vec3 covered(vec3 below, vec4 over, float part)
{
  return mix(below, vec3(encoded(over.r), encoded(over.g), encoded(over.b)), over.a * part);
}

// The grey of a pixel of Blender's image, or of a voxel's value, as scene/slice_pixels.py has it. No number is black.
float shade(float own)
{
  if (values.w < 0.5) {
    return encoded(own);
  }
  float steps = own * values.x + values.y;
  steps = floor(min(steps > 0.0 ? steps : 0.0, 255.0)) / 255.0;
  return values.z > 0.5 ? 1.0 - steps : steps;
}
float light(float own) { return decoded(shade(own)); }

void main()
{
  float own = shade(HERE(grey).r);
  if (smoothing > 0.5) {
    vec2 point = place * vec2(textureSize(grey, 0)) - 0.5;
    ivec2 low = ivec2(floor(point));
    vec2 part = point - floor(point);
    float lower = mix(light(AT(grey, low).r), light(AT(grey, low + ivec2(1, 0)).r), part.x);
    float upper = mix(light(AT(grey, low + ivec2(0, 1)).r), light(AT(grey, low + ivec2(1, 1)).r), part.x);
    own = encoded(mix(lower, upper, part.y));
  }
  vec3 colour = vec3(own);
  colour = covered(colour, HERE(result), opacity.x);
  colour = covered(colour, HERE(label), opacity.y);
  // Ignore zones are hatched: no grey would be seen over a slice, and every colour may be a feature's.
  float stripe = mod(gl_FragCoord.x + gl_FragCoord.y, 8.0) < 4.0 ? 1.0 : 0.0;
  colour = mix(colour, vec3(stripe), HERE(ignored).a * opacity.z);
  shown = vec4(decoded(colour.r), decoded(colour.g), decoded(colour.b), 1.0);  // frame buffers take linear values
}
"""
_IMAGES = ("grey", "result", "label", "ignored")


class _Made:
    """The shader, compiled when something is drawn for the first time."""

    def __init__(self) -> None:
        self.shader: Any = None


_MADE = _Made()


def _shader() -> Any:
    if _MADE.shader is None:
        _MADE.shader = quad.compile_shader(
            "tomoseg_slice", _FRAGMENT, {"opacity": "VEC4", "values": "VEC4", "smoothing": "FLOAT"}, _IMAGES
        )
    return _MADE.shader


def _draw(item: Any, plane: Any, corners: list[Vector], matrix: Matrix) -> None:
    """The slice in grey with its overlays, on four corners (counted from the image's lower left)."""
    images = [_image(plane, role) for role in _SLICE_ROLES]
    if images[0] is None:
        return
    own = slice_texture.texture_of((item.name, item.slice_z, item.thickness))
    textures = [own if own is not None else gpu.texture.from_image(images[0])]
    textures += [textures[0] if image is None else gpu.texture.from_image(image) for image in images[1:]]
    nodes = plane.active_material.node_tree.nodes
    shader = _shader()
    shader.bind()
    shader.uniform_float("matrix", matrix)
    shader.uniform_float("smoothing", float(nodes[materials.SLICE].interpolation == "Linear"))
    shader.uniform_float("values", (*grey_steps(item.low, item.high), float(item.invert), float(own is not None)))
    shader.uniform_float(
        "opacity", (*(materials.overlay_opacity(plane.active_material, role) for role in materials.OVERLAYS), 0.0)
    )
    for name, texture in zip(_IMAGES, textures, strict=True):
        shader.uniform_sampler(name, texture)
    quad.draw(shader, corners)


def _image(plane: Any, role: str) -> Any | None:
    image = plane.active_material.node_tree.nodes[role].image
    return image if image is not None and image.size[0] else None


def draw_in_view() -> None:
    """Called by Blender for each 3D view: the z slice over its plane, in Solid mode."""
    context = bpy.context
    shown = viewing.shown_tomogram(context.scene)
    if shown is None:
        return
    if context.space_data.shading.type != "SOLID":
        viewing.fill_image_soon()
        return
    plane = slices.find_plane(shown[1], "z")
    if plane is None or not plane.visible_get(view_layer=context.view_layer):
        return
    view = context.region_data
    towards = view.view_rotation @ Vector((0, 0, 1))
    lift = towards * LIFT * max(abs(scale) for scale in shown[1].matrix_world.to_scale())
    corners = [plane.matrix_world @ vertex.co + lift for vertex in plane.data.vertices]
    gpu.state.depth_test_set("LESS_EQUAL")
    _draw(shown[0], plane, corners, view.perspective_matrix)
    gpu.state.depth_test_set("NONE")


def draw_in_editor() -> None:
    """Called by Blender for each Image Editor: the slice with its labels, where the shown slice's label is open."""
    context = bpy.context
    shown = viewing.shown_tomogram(context.scene)
    plane = None if shown is None else slices.find_plane(shown[1], "z")
    if shown is None or plane is None or not viewing.is_label_of_slice(context.scene, context.space_data.image):
        return
    view = context.region.view2d
    corners = [Vector((*view.view_to_region(u, v, clip=False), 0)) for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]
    _draw(shown[0], plane, corners, gpu.matrix.get_projection_matrix() @ gpu.matrix.get_model_view_matrix())
