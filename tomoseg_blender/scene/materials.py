"""Materials: a slice (grey image with tinted overlays, shown as it is) and a feature's surface."""

from typing import Any

import bpy

from .. import compat
from . import marks
from .palette import linear

SLICE = "Slice"  # the node with the grey image
RESULT, LABEL, IGNORE = "Result", "Label", "Ignore"  # overlays over the grey, each covering the ones before
OVERLAYS = (RESULT, LABEL, IGNORE)
OPACITY = 0.5
FEATURE_KIND = "feature material"


def node_tree(material: Any) -> Any:
    """The material's node tree, switched on where Blender still asks for that."""
    compat.enable_nodes(material)
    return material.node_tree


def slice_material(name: str) -> Any:
    """An emission material that shows its image exactly as written, with overlays mixed over it.

    Each overlay's own colour covers the grey by its alpha × the opacity, 0 until `set_overlay` gives an image.
    """
    material = bpy.data.materials.new(name)
    tree = node_tree(material)
    tree.nodes.clear()
    colour = _image_node(tree, SLICE, 0).outputs["Color"]
    for place, overlay in enumerate(OVERLAYS, 1):
        colour = _mix_overlay(tree, overlay, place, colour)
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.location = (1200, 0)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    output.location = (1400, 0)
    tree.links.new(colour, emission.inputs["Color"])
    tree.links.new(emission.outputs["Emission"], output.inputs["Surface"])
    return material


def _image_node(tree: Any, name: str, place: int) -> Any:
    node = tree.nodes.new("ShaderNodeTexImage")
    node.name = node.label = name
    node.location = (0, -300 * place)
    node.interpolation = "Closest"
    node.extension = "EXTEND"
    return node


def _mix_overlay(tree: Any, overlay: str, place: int, below: Any) -> Any:
    image = _image_node(tree, overlay, place)
    opacity = tree.nodes.new("ShaderNodeMath")
    opacity.name = _opacity_name(overlay)
    opacity.operation = "MULTIPLY"
    opacity.location = (350, -300 * place)
    opacity.inputs[1].default_value = 0.0
    mix = tree.nodes.new("ShaderNodeMix")
    mix.data_type = "RGBA"
    mix.location = (300 + 250 * place, 0)
    tree.links.new(image.outputs["Alpha"], opacity.inputs[0])
    tree.links.new(opacity.outputs[0], _socket(mix.inputs, "Factor_Float"))
    tree.links.new(below, _socket(mix.inputs, "A_Color"))
    tree.links.new(image.outputs["Color"], _socket(mix.inputs, "B_Color"))
    return _socket(mix.outputs, "Result_Color")


def _socket(sockets: Any, identifier: str) -> Any:
    # The Mix node has several sockets of one name, one for each data type.
    return next(socket for socket in sockets if socket.identifier == identifier)


def _opacity_name(overlay: str) -> str:
    return f"{overlay} opacity"


def set_overlay(material: Any, overlay: str, image: Any | None, opacity: float = OPACITY) -> None:
    """Show `image` (or nothing) as one of OVERLAYS over the slice, with opacity 0 to 1 times its alpha."""
    nodes = material.node_tree.nodes
    nodes[overlay].image = image
    nodes[_opacity_name(overlay)].inputs[1].default_value = 0.0 if image is None else opacity


def overlay_opacity(material: Any, overlay: str) -> float:
    """How strongly an overlay covers the slice now, 0 to 1; 0 where it has no image."""
    return float(material.node_tree.nodes[_opacity_name(overlay)].inputs[1].default_value)


def overlay_image(material: Any, overlay: str) -> Any | None:
    """The image that is shown as this overlay, or None."""
    return material.node_tree.nodes[overlay].image


def feature_material(feature: str, colour: str) -> Any:
    """The material of a feature's surfaces, made with `colour` ('#rrggbb') where the file has none yet.

    One that exists is returned as the person left it.
    """
    material = marks.first_marked(bpy.data.materials, FEATURE_KIND, feature=feature)
    if material is None:
        material = bpy.data.materials.new(f"Feature {feature}")
        marks.mark(material, FEATURE_KIND, feature=feature)
        shader = next(node for node in node_tree(material).nodes if node.type == "BSDF_PRINCIPLED")
        shader.inputs["Roughness"].default_value = 0.55
        shader.inputs["Specular IOR Level"].default_value = 0.25
        colour_material(material, colour)
    return material


def colour_material(material: Any, colour: str) -> None:
    """Give a feature's material another colour, '#rrggbb'."""
    for node in material.node_tree.nodes:  # a material rebuilt by hand may have none, or several
        if node.type == "BSDF_PRINCIPLED":
            node.inputs["Base Color"].default_value = linear(colour)
    material.diffuse_color = linear(colour)  # what Solid mode shows
