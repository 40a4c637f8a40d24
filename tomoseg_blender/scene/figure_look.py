"""How things look in a figure: darker where they turn away and where something is near, and cut open by a plane.

All of it works on copies of materials: those of the person stay as they are. The hue is always the material's own.
"""

from typing import Any

import bpy

from . import marks
from .figure_parts import MATERIAL_KIND, give_material
from .materials import OVERLAYS, node_tree, set_overlay

CUT = "Cut"
EDGE_FROM, EDGE_SHARE, EDGE_DARKNESS = 0.7, 0.7, 0.22  # how far turned away, how much is covered, what is left
WALL = 0.72  # brightness of walls that a cut opens
REACH = 0.05  # of the picture's width: how far away things still darken each other
CREASE_SHARE = 0.75  # of the dark tone, in the deepest crease of a surface
CONTACT = 0.25  # brightness of the slice right where an object stands on it
LOOKS = 3  # rays for each of the picture's samples: few, since there are many of those


def figure_material(material: Any, width: float, cut: Any | None = None) -> Any:
    """A copy of `material` with darkened edges and creases, not drawn beyond the cut (where there is one).

    width: of the picture, in Blender units. Cut walls are filled with the feature's plain colour; what is cut away
    would still darken creases, so a cut surface has none. A material rebuilt by hand without a surface is only copied.
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
    if cut is None:
        open_sky = _openness(tree, REACH * width)
        share = _ranged(tree, open_sky, (0.0, 1.0), (CREASE_SHARE, 0.0))
        shown = _mix(tree, share, shown, _plain(tree, colour, EDGE_DARKNESS))
    else:
        wall = _plain(tree, colour, WALL)
        facing = tree.nodes.new("ShaderNodeNewGeometry").outputs["Backfacing"]
        shown = _mix(tree, facing, shown, wall)
        clear = tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0]
        shown = _mix(tree, _beyond(tree, cut), shown, clear)
    tree.links.new(shown, output.inputs["Surface"])
    return made


def prepare_slice(plane: Any, width: float | None) -> None:
    """Let the figure's copy of a slice plane show its greys alone, without what was painted or predicted on it.

    width: of the picture, in Blender units: it is darker right where objects stand on it; None: it is not.
    """
    made = plane.active_material.copy()
    marks.mark(made, MATERIAL_KIND)
    for overlay in OVERLAYS:
        set_overlay(made, overlay, None)
    tree = node_tree(made)
    if width is not None:
        light = _ranged(tree, _openness(tree, REACH * width), (0.5, 1.0), (CONTACT, 1.0))
        for node in tree.nodes:
            if node.type == "EMISSION":
                tree.links.new(light, node.inputs["Strength"])
    give_material(plane, made)


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


def _openness(tree: Any, reach: float) -> Any:
    """A socket that is 1 where nothing lies within `reach` (Blender units) before the surface, 0 deep in a crease."""
    node = tree.nodes.new("ShaderNodeAmbientOcclusion")
    node.samples = LOOKS
    node.inputs["Distance"].default_value = reach
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
