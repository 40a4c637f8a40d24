"""World scale: how long one ångström is in Blender units."""

UNITS_PER_ANGSTROM = 0.01  # as in Molecular Nodes: a molecule placed beside a tomogram is at true scale
SHOWN_VOXEL_SIZE = 10.0  # Å that a voxel is drawn at while its size is unknown
