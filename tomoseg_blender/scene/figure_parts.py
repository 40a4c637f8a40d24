"""What a figure shows of the tomogram: surfaces, volumes, the slice plane, and the plane that cuts it open."""

from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import marks
from .figure_stage import add_to_stage, adopt
from .materials import node_tree
from .palette import linear
from .tomogram import shape_of

MATERIAL_KIND = "figure material"


def add_copy(scene: Any, original: Any) -> Any:
    """An object of the figure that shares the data of `original`; hiding or changing it leaves that alone."""
    copy = original.copy()
    copy.hide_render = copy.hide_viewport = False
    adopt(scene, copy, original.parent)
    return copy


def add_cut(scene: Any, tomogram: Any, axis: str, position: float, towards: Vector) -> Any:
    """The plane that cuts a figure open: nothing on the side of its arrow is drawn. It can be moved and turned.

    position: 0 to 1 along `axis` ("z", "y" or "x") of the tomogram. The arrow points to the viewer's side.
    """
    depth, height, width = shape_of(tomogram)
    number = "xyz".index(axis)
    lengths = (width, height, depth)
    direction = Vector((0, 0, 0))
    direction[number] = 1.0 if towards[number] >= 0 else -1.0
    cut = add_to_stage(scene, "Figure cut", None, tomogram)
    cut.empty_display_type = "SINGLE_ARROW"
    cut.empty_display_size = depth
    cut.location = [length * (position if place == number else 0.5) for place, length in enumerate(lengths)]
    cut.rotation_euler = direction.to_track_quat("Z", "Y").to_euler()
    return cut


def show_unlit(scene_object: Any) -> None:
    """Let the camera see an object that gives no light and no shadow to the others."""
    for name in ("diffuse", "glossy", "transmission", "volume_scatter", "shadow"):
        setattr(scene_object, f"visible_{name}", False)


def flat_material(name: str, colour: str) -> Any:
    """A material that shows exactly `colour` ('#rrggbb'), whatever the light."""
    found = marks.first_marked(bpy.data.materials, MATERIAL_KIND, flat=colour)
    if found is not None:
        return found
    material = bpy.data.materials.new(name)
    marks.mark(material, MATERIAL_KIND, flat=colour)
    tree = node_tree(material)
    tree.nodes.clear()
    emission = tree.nodes.new("ShaderNodeEmission")
    emission.inputs["Color"].default_value = linear(colour)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    material.diffuse_color = linear(colour)
    return material


def box_points(tomogram: Any) -> Any:
    """The corners of the tomogram's box in the world, (8, 3)."""
    matrix = world_matrix(tomogram)
    return np.array([matrix @ corner for corner in _box_corners(tomogram)])


def mesh_points(scene_object: Any) -> Any:
    """The corners of an object's bounding box in the world, (8, 3)."""
    matrix = world_matrix(scene_object)
    return np.array([matrix @ Vector(corner) for corner in scene_object.bound_box])


def world_matrix(scene_object: Any) -> Matrix:
    """The object's matrix, up to date even before Blender has evaluated the scene."""
    own = Matrix.LocRotScale(scene_object.location, scene_object.rotation_euler, scene_object.scale)
    if scene_object.parent is None:
        return own
    return world_matrix(scene_object.parent) @ scene_object.matrix_parent_inverse @ own


def _box_corners(tomogram: Any) -> Any:
    depth, height, width = shape_of(tomogram)
    return [Vector((width * (n & 1), height * (n >> 1 & 1), depth * (n >> 2 & 1))) for n in range(8)]


def give_material(scene_object: Any, material: Any) -> None:
    """Give an object a material of its own, leaving that of the shared mesh alone."""
    if not scene_object.material_slots:
        scene_object.data.materials.append(None)
    slot = scene_object.material_slots[0]
    slot.link = "OBJECT"
    slot.material = material
