"""How things look in a figure: darker where they turn away and where something is near, faded where far, cut open.

All of it works on copies of materials: those of the person stay as they are. The hue is always the material's own.
"""

import math
from dataclasses import dataclass
from typing import Any

import bpy

from . import marks
from .figure_parts import MATERIAL_KIND, give_material
from .figure_stage import AMBIENT, KEY, SUNS
from .materials import OVERLAYS, node_tree, set_overlay
from .palette import Rgba

CUT, HAZE = "Cut", "Haze"
EDGE_FROM, EDGE_SHARE, EDGE_DARKNESS = 0.7, 0.7, 0.22  # how far turned away, how much is covered, what is left
WALL = 0.72  # brightness of walls that a cut opens
REACH = 0.05  # of the picture's width: how far away things still darken each other
CREASE_SHARE = 0.75  # of the dark tone, in the deepest crease of a surface
CONTACT = 0.25  # brightness of the slice right where an object stands on it
CAST_REACH = 0.12  # of the picture's width: how far an object's shadow falls on the slice
CAST_FROM, CAST = (0.55, 0.95), 0.6  # the range of openness in which it falls, and the brightness that is left
LIT_FROM = (0.6, 0.95)  # in EEVEE: the range of light in which it falls
CLEAR = 0.5  # of the half depth, before the middle: nearer than that there is no haze
LOOKS = 3  # rays for each of the picture's samples: few, since there are many of those


@dataclass(frozen=True)
class Haze:
    """What is far fades into the background. colour: linear (r, g, b, 1). strength: 0 to 1, at the far end.

    near, far: distances from the camera in Blender units between which it grows.
    """

    colour: Rgba
    strength: float
    near: float
    far: float


def figure_material(material: Any, width: float, cut: Any | None = None, haze: Haze | None = None) -> Any:
    """A copy of `material` with darkened edges and creases, not drawn beyond the cut (where there is one).

    width: of the picture, in Blender units. Cut walls are filled with the feature's plain colour. A material rebuilt
    by hand without a surface is only copied.
    """
    made = material.copy()
    made.name = f"{material.name} {'figure' if cut is None else 'cut'}"
    marks.mark(made, MATERIAL_KIND)
    tree = node_tree(made)
    output = tree.get_output_node("ALL")
    if output is None or not output.inputs["Surface"].is_linked:
        return made
    colour = material.diffuse_color
    shown = _with_edges(tree, output.inputs["Surface"].links[0].from_socket, colour)
    share = _ranged(tree, _openness(tree, REACH * width), (0.0, 1.0), (CREASE_SHARE, 0.0))
    shown = _mix(tree, share, shown, _plain(tree, colour, EDGE_DARKNESS))
    if cut is not None:
        facing = tree.nodes.new("ShaderNodeNewGeometry").outputs["Backfacing"]
        shown = _mix(tree, facing, shown, _plain(tree, colour, WALL))
    tree.links.new(_far_and_cut(tree, shown, cut, haze), output.inputs["Surface"])
    return made


def line_material(colour: Rgba, cut: Any | None, haze: Haze | None) -> Any:
    """The material of a shell around a surface: only its far side is seen, as a line along the surface's rim."""
    made = bpy.data.materials.new("Figure line")
    marks.mark(made, MATERIAL_KIND)
    tree = node_tree(made)
    tree.nodes.clear()
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    ink = _far_and_cut(tree, _plain(tree, colour, 1.0), None, haze)
    facing = tree.nodes.new("ShaderNodeNewGeometry").outputs["Backfacing"]
    shown = _mix(tree, facing, tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0], ink)
    tree.links.new(_far_and_cut(tree, shown, cut, None), output.inputs["Surface"])
    return made


def haze_range(distance: float, depth: float) -> tuple[float, float]:
    """Between which distances from the camera a haze grows, for what reaches `depth` before and behind `distance`."""
    return distance - CLEAR * depth, distance + depth


def set_haze_range(scene: Any, near: float, far: float) -> None:
    """Let the haze in a figure's scene grow between these distances from the camera: for films."""
    materials = {slot.material for shown in scene.objects for slot in shown.material_slots if slot.material}
    for material in materials:
        node = material.node_tree.nodes.get(HAZE) if marks.is_marked(material, MATERIAL_KIND) else None
        if node is not None:
            node.inputs["From Min"].default_value, node.inputs["From Max"].default_value = near, far


def prepare_slice(plane: Any, width: float | None, engine: str, haze: Haze | None = None) -> None:
    """Let the figure's copy of a slice plane show its greys alone, without what was painted or predicted on it.

    width: of the picture, in Blender units: it is darker right where objects stand on it, and on their side away from
    the key light; None: it is not. Elsewhere its greys stay exact, unless a haze is asked for. engine: "cycles" or
    "eevee".
    """
    made = plane.active_material.copy()
    marks.mark(made, MATERIAL_KIND)
    for overlay in OVERLAYS:
        set_overlay(made, overlay, None)
    tree = node_tree(made)
    if width is not None:
        light = _light_on_slice(tree, width, engine)
        for node in tree.nodes:
            if node.type == "EMISSION":
                tree.links.new(light, node.inputs["Strength"])
    if haze is not None:
        surface = tree.get_output_node("ALL").inputs["Surface"]
        tree.links.new(_far_and_cut(tree, surface.links[0].from_socket, None, haze), surface)
    give_material(plane, made)


def _light_on_slice(tree: Any, width: float, engine: str) -> Any:
    """A socket with the brightness of a slice plane, 1 where nothing is near."""
    touched = _ranged(tree, _openness(tree, REACH * width), (0.5, 1.0), (CONTACT, 1.0))
    if engine == "eevee":  # sees what the camera sees only, but can ask how much light arrives
        shaded = _ranged(tree, _light_share(tree), LIT_FROM, (CAST, 1.0))
    else:
        shaded = _ranged(tree, _openness(tree, CAST_REACH * width, _to_key(tree)), CAST_FROM, (CAST, 1.0), smooth=True)
    return _math(tree, "MULTIPLY", touched, shaded)


def forget_materials() -> None:
    """Remove the copies that no figure uses any more."""
    for material in [one for one in marks.marked(bpy.data.materials, MATERIAL_KIND) if not one.users]:
        bpy.data.materials.remove(material)


def _with_edges(tree: Any, surface: Any, colour: Any) -> Any:
    """The surface, mixed with a dark tone of its colour where it turns away from the viewer."""
    weight = tree.nodes.new("ShaderNodeLayerWeight")
    weight.inputs["Blend"].default_value = 0.5
    share = _ranged(tree, weight.outputs["Facing"], (EDGE_FROM, 1.0), (0.0, EDGE_SHARE), smooth=True)
    return _mix(tree, share, surface, _plain(tree, colour, EDGE_DARKNESS))


def _far_and_cut(tree: Any, shown: Any, cut: Any | None, haze: Haze | None) -> Any:
    """`shown`, faded where it is far, and clear beyond the cut."""
    if haze is not None:
        share = _ranged(tree, _depth(tree), (haze.near, haze.far), (0.0, haze.strength))
        share.node.name = HAZE
        shown = _mix(tree, share, shown, _plain(tree, haze.colour, 1.0))
    if cut is not None:
        shown = _mix(tree, _beyond(tree, cut), shown, tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0])
    return shown


def _depth(tree: Any) -> Any:
    """A socket with the distance along the camera's view, in Blender units."""
    return tree.nodes.new("ShaderNodeCameraData").outputs["View Z Depth"]


def _to_key(tree: Any) -> Any:
    """A socket with the direction half-way between the plane's own and that to the key light, as the camera stands."""
    own = tree.nodes.new("ShaderNodeNewGeometry").outputs["Normal"]
    between = _vector_math(tree, "ADD", _to_light(tree, KEY), own)
    return _vector_math(tree, "NORMALIZE", between).outputs[0]


def _light_share(tree: Any) -> Any:
    """A socket with the light that arrives on the plane, as a share of what does where nothing is in its way: EEVEE."""
    white = tree.nodes.new("ShaderNodeBsdfDiffuse")
    white.inputs["Color"].default_value = (1, 1, 1, 1)
    seen = tree.nodes.new("ShaderNodeShaderToRGB")
    tree.links.new(white.outputs[0], seen.inputs[0])
    arriving = tree.nodes.new("ShaderNodeRGBToBW")
    tree.links.new(seen.outputs[0], arriving.inputs[0])
    own = tree.nodes.new("ShaderNodeNewGeometry").outputs["Normal"]
    free: Any = AMBIENT
    for strength, direction, _angle in SUNS:
        upon = _vector_math(tree, "DOT_PRODUCT", own, _to_light(tree, direction)).outputs["Value"]
        sunlight = _math(tree, "MULTIPLY", _math(tree, "MAXIMUM", upon, 0.0), strength / math.pi)
        free = _math(tree, "ADD", sunlight, free)
    return _math(tree, "DIVIDE", arriving.outputs[0], free)


def _to_light(tree: Any, direction: tuple[float, float, float]) -> Any:
    """A socket with the unit vector in the world to a light that the camera carries; direction: right, up, front."""
    x, y, z = (length / math.hypot(*direction) for length in direction)
    turned = tree.nodes.new("ShaderNodeVectorTransform")
    turned.vector_type, turned.convert_from, turned.convert_to = "VECTOR", "CAMERA", "WORLD"
    turned.inputs[0].default_value = (x, y, -z)  # here a camera's z counts away from the viewer
    return turned.outputs[0]


def _math(tree: Any, operation: str, *values: Any) -> Any:
    """A socket with the result for sockets or numbers."""
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for value, given in zip(values, node.inputs, strict=False):
        if isinstance(value, float):
            given.default_value = value
        else:
            tree.links.new(value, given)
    return node.outputs[0]


def _vector_math(tree: Any, operation: str, *vectors: Any) -> Any:
    """The node with the result for sockets or for nodes' first sockets."""
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = operation
    for vector, given in zip(vectors, node.inputs, strict=False):
        tree.links.new(getattr(vector, "outputs", (vector,))[0], given)
    return node


def _openness(tree: Any, reach: float, around: Any | None = None) -> Any:
    """A socket that is 1 where nothing lies within `reach` (Blender units) before the surface, 0 deep in a crease.

    around: a socket with the direction that is looked in, in place of the surface's own.
    """
    node = tree.nodes.new("ShaderNodeAmbientOcclusion")
    node.samples = LOOKS
    node.inputs["Distance"].default_value = reach
    if around is not None:
        tree.links.new(around, node.inputs["Normal"])
    return node.outputs["AO"]


def _ranged(
    tree: Any, value: Any, given: tuple[float, float], wanted: tuple[float, float], *, smooth: bool = False
) -> Any:
    """A socket with `value` moved from one range into another, and kept within that."""
    node = tree.nodes.new("ShaderNodeMapRange")
    node.interpolation_type = "SMOOTHSTEP" if smooth else "LINEAR"
    for name, number in zip(("From Min", "From Max", "To Min", "To Max"), (*given, *wanted), strict=True):
        node.inputs[name].default_value = number
    tree.links.new(value, node.inputs["Value"])
    return node.outputs["Result"]


def _plain(tree: Any, colour: Any, brightness: float) -> Any:
    """A socket that gives out the colour, whatever the light."""
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = (*(brightness * value for value in colour[:3]), 1)
    return emission.outputs[0]


def _beyond(tree: Any, cut: Any) -> Any:
    """A socket that is 1 where the point lies on the +z side of the cut, else 0."""
    place = tree.nodes.new("ShaderNodeTexCoord")
    place.name = CUT
    place.object = cut
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    beyond = tree.nodes.new("ShaderNodeMath")
    beyond.operation = "GREATER_THAN"
    beyond.inputs[1].default_value = 0.0
    tree.links.new(place.outputs["Object"], split.inputs[0])
    tree.links.new(split.outputs["Z"], beyond.inputs[0])
    return beyond.outputs[0]


def _mix(tree: Any, factor: Any, below: Any, above: Any) -> Any:
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(factor, mix.inputs[0])
    tree.links.new(below, mix.inputs[1])
    tree.links.new(above, mix.inputs[2])
    return mix.outputs[0]
