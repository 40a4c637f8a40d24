"""Giving a feature another colour in what shows it: materials of surfaces and volumes, and the objects' own colour."""

import bpy

from . import components, marks, materials, meshes, volumes
from .palette import linear


def recolour(feature: str, colour: str) -> None:
    """Let all of Tomoseg's materials of a feature, and of its single components, have `colour` ('#rrggbb')."""
    for material in bpy.data.materials:
        own = str(marks.value_of(material, "feature", ""))
        if own != feature and not (own.startswith(f"{feature}-") and own[len(feature) + 1 :].isdigit()):
            continue
        if marks.is_marked(material, materials.FEATURE_KIND):
            materials.colour_material(material, colour)
        elif marks.is_marked(material, volumes.MATERIAL_KIND):
            _colour_volume(material, colour)
    for surface in marks.marked(bpy.data.objects, meshes.KIND):
        if components.label_of(surface) == feature:
            surface.color = linear(colour)


def _colour_volume(material: bpy.types.Material, colour: str) -> None:
    for node in material.node_tree.nodes:
        if node.type == "PRINCIPLED_VOLUME":
            node.inputs["Color"].default_value = linear(colour)
            node.inputs["Emission Color"].default_value = linear(colour)
    material.diffuse_color = linear(colour)
