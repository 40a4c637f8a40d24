"""Volumes in the scene: a VDB in Å becomes a volume object that is a child of its tomogram, with a ready material."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy

from ...tomo.errors import TomosegError
from .. import compat
from . import marks
from .collections import VOLUMES, collection, link_only
from .materials import node_tree
from .palette import linear
from .tomogram import geometry_of, make_child, name_of
from .units import UNITS_PER_ANGSTROM, file_voxel_size
from .vdb import GRID

KIND = "volume"
MATERIAL_KIND = "volume material"
TOMOGRAM_KIND = "tomogram material"
TOMOGRAM_COLOUR = "#b0b0b0"
START_THRESHOLD = 0.5
SEE_THROUGH = 0.15  # of a label's opacity
OPACITY_PER_VOXEL = 0.7  # how much of the light a full voxel keeps back, roughly
GLOW = 0.5  # light that a full volume gives out in its colour, 1 = as bright as the colour itself


def import_volume(path: Path, tomogram: Any, feature: str, colour: str, *, see_through: bool = False) -> Any:
    """The volume object of a feature, showing the VDB at `path`; one imported before is updated in place.

    see_through: a new one gets the material of a tomogram, with a threshold.
    The path is kept relative to the .blend once that has been saved. Raises TomosegError if the file can't be read;
    a new object is then not left behind.
    """
    volume = find_volume(tomogram, feature)
    data = bpy.data.volumes.new(feature) if volume is None else volume.data
    before = data.filepath
    if not _load(data, path):
        error = _unreadable(data, path)
        if volume is None:
            bpy.data.volumes.remove(data)
        else:
            data.filepath = before
        raise error
    if volume is None:
        volume = bpy.data.objects.new(feature, data)
        material = tomogram_material(tomogram) if see_through else volume_material(feature, colour, tomogram)
        data.materials.append(material)
        make_child(volume, tomogram)
        link_only(volume, collection(name_of(tomogram), VOLUMES))
        marks.mark(volume, KIND, tomogram=name_of(tomogram), feature=feature)
    _place(volume, tomogram)
    return volume


def check_files(paths: Iterable[Path]) -> None:
    """Raise TomosegError if one of these files cannot be read as a volume: before the scene gets the first of them."""
    for path in paths:
        data = bpy.data.volumes.new("Tomoseg probe")
        try:
            if not _load(data, path):
                raise _unreadable(data, path)
        finally:
            bpy.data.volumes.remove(data)


def check_shown(volume: Any) -> None:
    """Raise TomosegError if the file behind a volume in the scene cannot be read any more."""
    check_files([Path(bpy.path.abspath(volume.data.filepath))])


def find_volume(tomogram: Any, feature: str) -> Any | None:
    """The volume of a feature in this tomogram, or None."""
    return marks.first_marked(tomogram.children, KIND, feature=feature)


def volumes(tomogram: Any) -> list[Any]:
    """All volumes of a tomogram."""
    return list(marks.marked(tomogram.children, KIND))


def use_relative_paths() -> None:
    """Make the paths of all volumes relative to the saved .blend, so that the folder can move."""
    for volume in marks.marked(bpy.data.objects, KIND):
        path = volume.data.filepath
        if bpy.data.filepath and not path.startswith("//"):
            volume.data.filepath = bpy.path.relpath(path)


def _load(data: Any, path: Path) -> bool:
    data.grids.unload()
    data.filepath = bpy.path.relpath(str(path)) if bpy.data.filepath else str(path.absolute())
    return path.is_file() and bool(data.grids.load()) and GRID in [grid.name for grid in data.grids]


def _unreadable(data: Any, path: Path) -> TomosegError:
    reason = data.grids.error_message or ("there is no such file" if not path.is_file() else f"it has no grid {GRID}")
    return TomosegError(f"{path} cannot be read as a volume ({reason}): write it again from the mask.")


def _place(volume: Any, tomogram: Any) -> None:
    """From the file's Å to voxel coordinates, and against Blender's own shift by half a voxel of the file."""
    geometry = geometry_of(tomogram)
    size = file_voxel_size(geometry)
    sides = volume.data.grids[GRID].matrix_object.to_scale()
    volume.scale = [1 / length for length in size]
    volume.location = [
        (compat.volume_shift() * side - start) / length
        for side, start, length in zip(sides, geometry.place, size, strict=True)
    ]


def volume_material(feature: str, colour: str, tomogram: Any) -> Any:
    """The material of a feature's volume, made with `colour` ('#rrggbb') where the file has none yet.

    Cycles and EEVEE: light is kept back and given out in the feature's colour, so that it stays true without lamps.
    """
    material = marks.first_marked(bpy.data.materials, MATERIAL_KIND, feature=feature)
    if material is None:
        material = bpy.data.materials.new(f"Volume {feature}")
        marks.mark(material, MATERIAL_KIND, feature=feature)
        _build_nodes(node_tree(material), colour, tomogram)
        material.diffuse_color = linear(colour)
    return material


def tomogram_material(tomogram: Any) -> Any:
    """The see-through material of a tomogram's own volume: grey above a threshold, made where the file has none yet."""
    name = name_of(tomogram)
    material = marks.first_marked(bpy.data.materials, TOMOGRAM_KIND, tomogram=name)
    if material is None:
        material = bpy.data.materials.new(f"Density {name}")
        marks.mark(material, TOMOGRAM_KIND, tomogram=name)
        tree = node_tree(material)
        _build_nodes(tree, TOMOGRAM_COLOUR, tomogram)
        _add_threshold(tree)
        material.diffuse_color = linear(TOMOGRAM_COLOUR)
    return material


def _add_threshold(tree: Any) -> None:
    """Between density and opacity: what lies below the threshold is clear, above it grows to full."""
    strength = tree.nodes["Opacity"]
    ramp = tree.nodes.new("ShaderNodeMapRange")
    ramp.name = ramp.label = "Threshold"
    ramp.location = (125, -250)
    tree.links.new(strength.inputs[0].links[0].from_socket, ramp.inputs["Value"])
    tree.links.new(ramp.outputs["Result"], strength.inputs[0])
    strength.inputs[1].default_value *= SEE_THROUGH
    set_threshold_of(tree, START_THRESHOLD)


def set_threshold_of(tree: Any, threshold: float) -> None:
    """Let a tomogram's material show densities above `threshold`, 0 to 1."""
    node = tree.nodes.get("Threshold")
    if node is not None:  # else it was rebuilt by hand
        node.inputs["From Min"].default_value = min(threshold, 0.999)


def set_threshold(tomogram: Any, threshold: float) -> None:
    """The same for the material of a tomogram's volume; nothing where it has none."""
    material = marks.first_marked(bpy.data.materials, TOMOGRAM_KIND, tomogram=name_of(tomogram))
    if material is not None:
        set_threshold_of(material.node_tree, threshold)


def _build_nodes(tree: Any, colour: str, tomogram: Any) -> None:
    tree.nodes.clear()
    voxel = min(file_voxel_size(geometry_of(tomogram))) * UNITS_PER_ANGSTROM
    density = tree.nodes.new("ShaderNodeAttribute")
    density.attribute_name = GRID
    strength = tree.nodes.new("ShaderNodeMath")
    strength.name = strength.label = "Opacity"
    strength.operation = "MULTIPLY"
    strength.inputs[1].default_value = OPACITY_PER_VOXEL / voxel
    shader = tree.nodes.new("ShaderNodeVolumePrincipled")
    shader.inputs["Density Attribute"].default_value = ""
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    for place, node in enumerate((density, strength, shader, output)):
        node.location = (250 * place, 0)
    # Scattered light gives shape; what is given out keeps the colour where little light comes in.
    shader.inputs["Color"].default_value = linear(colour)
    shader.inputs["Emission Color"].default_value = linear(colour)
    glow = tree.nodes.new("ShaderNodeMath")
    glow.operation = "MULTIPLY"
    glow.inputs[1].default_value = GLOW
    glow.location = (500, -250)
    tree.links.new(density.outputs["Fac"], strength.inputs[0])
    tree.links.new(strength.outputs[0], shader.inputs["Density"])
    tree.links.new(strength.outputs[0], glow.inputs[0])
    tree.links.new(glow.outputs[0], shader.inputs["Emission Strength"])
    tree.links.new(shader.outputs["Volume"], output.inputs["Volume"])
