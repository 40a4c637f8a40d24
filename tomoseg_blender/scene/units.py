"""World scale: how long one ångström is in Blender units."""

from ...tomo.geometry import Geometry, Triple

UNITS_PER_ANGSTROM = 0.01  # as in Molecular Nodes: a molecule placed beside a tomogram is at true scale
SHOWN_VOXEL_SIZE = 10.0  # Å that a voxel is drawn at while its size is unknown


def file_voxel_size(geometry: Geometry) -> Triple:
    """Å along (x, y, z) that surface and volume files are made with: the header's value, or 1 where that is 0."""
    x, y, z = (size or 1.0 for size in geometry.voxel_size)
    return x, y, z
