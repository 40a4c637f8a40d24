"""Cutting a figure's surfaces open by a plane that can be moved: what lies beyond it is taken out of the geometry.

Triangles across the plane stay whole; the materials show only their near part (figure_look). What is gone can no
longer darken what is left, which a material that only hides it would let happen.
"""

from typing import Any

import bpy

from . import marks

NAME = "Figure cut"
KIND = "figure cut nodes"


def take_away(scene_object: Any, cut: Any) -> None:
    """Give an object a modifier that removes its triangles on the +z side of `cut`, wherever that is moved."""
    modifier = scene_object.modifiers.new(NAME, "NODES")
    modifier.node_group = _nodes(cut)


def forget_nodes() -> None:
    """Remove the node groups that no figure uses any more."""
    for group in [one for one in marks.marked(bpy.data.node_groups, KIND) if not one.users]:
        bpy.data.node_groups.remove(group)


def _nodes(cut: Any) -> Any:
    """The group of geometry nodes for this cut: one for all surfaces of the figure."""
    found = marks.first_marked(bpy.data.node_groups, KIND, cut=cut.name)
    if found is not None:
        return found
    tree = bpy.data.node_groups.new(NAME, "GeometryNodeTree")
    marks.mark(tree, KIND, cut=cut.name)
    for direction in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=direction, socket_type="NodeSocketGeometry")
    given, shown = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
    remove = tree.nodes.new("GeometryNodeDeleteGeometry")
    remove.domain = "FACE"
    # Asked of the corners, a triangle goes only where all three lie beyond.
    corners = tree.nodes.new("GeometryNodeFieldOnDomain")
    corners.domain, corners.data_type = "POINT", "BOOLEAN"
    tree.links.new(given.outputs[0], remove.inputs["Geometry"])
    tree.links.new(_is_beyond(tree, cut), corners.inputs[0])
    tree.links.new(corners.outputs[0], remove.inputs["Selection"])
    tree.links.new(remove.outputs[0], shown.inputs[0])
    return tree


def _is_beyond(tree: Any, cut: Any) -> Any:
    """A socket that is true for points on the +z side of the cut."""
    placed = tree.nodes.new("GeometryNodeObjectInfo")
    placed.transform_space = "RELATIVE"
    placed.inputs["Object"].default_value = cut
    back = tree.nodes.new("FunctionNodeInvertMatrix")
    place = tree.nodes.new("GeometryNodeInputPosition")
    seen = tree.nodes.new("FunctionNodeTransformPoint")
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    beyond = tree.nodes.new("FunctionNodeCompare")
    beyond.data_type, beyond.operation = "FLOAT", "GREATER_THAN"
    tree.links.new(placed.outputs["Transform"], back.inputs[0])
    tree.links.new(place.outputs[0], seen.inputs["Vector"])
    tree.links.new(back.outputs[0], seen.inputs["Transform"])
    tree.links.new(seen.outputs[0], split.inputs[0])
    tree.links.new(split.outputs["Z"], beyond.inputs[0])
    beyond.inputs[1].default_value = 0.0
    return beyond.outputs[0]
