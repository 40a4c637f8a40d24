"""How surfaces look in a figure: darker where they turn away, so that shapes stand out, and cut open by a plane.

Both work on copies of the features' materials: those of the person stay as they are.
"""

from typing import Any

import bpy

from . import marks
from .figure_parts import MATERIAL_KIND
from .materials import node_tree

CUT = "Cut"
EDGE_FROM, EDGE_SHARE, EDGE_DARKNESS = 0.7, 0.7, 0.22  # how far turned away, how much is covered, what is left
WALL = 0.72  # brightness of walls that a cut opens


def figure_material(material: Any, cut: Any | None = None) -> Any:
    """A copy of `material` with darkened edges, not drawn beyond the cut (where there is one).

    Cut walls are filled with the feature's plain colour. A material rebuilt by hand without a surface is only copied.
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
    if cut is not None:
        wall = _plain(tree, colour, WALL)
        facing = tree.nodes.new("ShaderNodeNewGeometry").outputs["Backfacing"]
        shown = _mix(tree, facing, shown, wall)
        clear = tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0]
        shown = _mix(tree, _beyond(tree, cut), shown, clear)
    tree.links.new(shown, output.inputs["Surface"])
    return made


def forget_materials() -> None:
    """Remove the copies that no figure uses any more."""
    for material in [one for one in marks.marked(bpy.data.materials, MATERIAL_KIND) if not one.users]:
        bpy.data.materials.remove(material)


def _with_edges(tree: Any, surface: Any, colour: Any) -> Any:
    """The surface, mixed with a dark tone of its colour where it turns away from the viewer."""
    weight = tree.nodes.new("ShaderNodeLayerWeight")
    weight.inputs["Blend"].default_value = 0.5
    share = tree.nodes.new("ShaderNodeMapRange")
    share.interpolation_type = "SMOOTHSTEP"
    for name, value in (("From Min", EDGE_FROM), ("From Max", 1.0), ("To Min", 0.0), ("To Max", EDGE_SHARE)):
        share.inputs[name].default_value = value
    tree.links.new(weight.outputs["Facing"], share.inputs["Value"])
    return _mix(tree, share.outputs["Result"], surface, _plain(tree, colour, EDGE_DARKNESS))


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
