"""Surfaces of labels and maps: marching cubes in blocks, welded at the seams into one watertight mesh.

Only blocks that the surface passes through are computed, so memory grows with the surface, not with the volume.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from ml.components import Components
from ml.masks import LabelExtent, Mask, Region
from ml.mesh import Mesh
from ml.report import Report
from tomo.geometry import Geometry, require_voxel_size

BLOCK = (64, 128, 128)
# The outline lies a hair off the middle between 0 and 1. At exactly the middle marching cubes cannot tell which
# diagonal neighbours hang together, and two blocks may decide differently: the mesh would have holes.
MASK_LEVEL = 0.499
UNEVEN = 1.00137  # the same for maps of few values: heights above the threshold count a hair more than depths
NUDGE = 1e-4  # of the largest height: no vertex may fall onto a lattice point, where its edge is unclear
_NONE = -1


@dataclass(eq=False)
class _Piece:
    """The mesh of one block. vertices: float32 (n, 3) in voxel indices z, y, x. keys: int64 (n,), see `_keys`."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    keys: NDArray[np.int64]
    owner: NDArray[np.int32]


def label_surface(
    mask: Mask, extent: LabelExtent, report: Report, *, components: Components | None = None, closed: bool = True
) -> Mesh:
    """The outline of one label, in voxels: x, y, z, voxel i covering [i, i + 1], not smoothed.

    components: where given, only what is in them is outlined, and `owner` tells each vertex's row in their table.
    closed: objects that leave the volume are capped at its border; else they stay open there.
    A map with a threshold is outlined at the threshold, between voxels.
    """
    pieces: list[_Piece] = []
    blocks = _blocks(extent.box, mask.shape, closed)
    ids = None if components is None else _IdReader(components)
    for done, block in enumerate(blocks):
        report.progress(done / len(blocks), f"Outlining {extent.entry.name}")
        rows = None if ids is None else ids.read(block, mask.shape)
        piece = _block_surface(mask, extent.entry.value, block, rows)
        if piece is not None:
            pieces.append(piece)
    return _weld(pieces)


def to_angstrom(mesh: Mesh, geometry: Geometry, name: str) -> Mesh:
    """The mesh at its place in Å. Raises TomosegError where the voxel size is unknown."""
    size = np.array(require_voxel_size(geometry, name))
    vertices = (mesh.vertices * size + np.array(geometry.place)).astype(np.float32)
    return Mesh(vertices, mesh.faces, mesh.owner)


def _blocks(box: Region, shape: tuple[int, int, int], closed: bool) -> list[Region]:
    """Blocks of voxels that share one layer with their neighbours and cover `box` and a voxel around it.

    Where `closed`, they reach one voxel out of the volume, so that surfaces close there.
    """
    cuts = []
    for part, length, size in zip(box, shape, BLOCK, strict=True):
        first = max(part.start - 1, -1 if closed else 0)
        last = min(part.stop, length if closed else length - 1)
        cuts.append([*range(first, last, size), last])
    return [
        (slice(z0, z1 + 1), slice(y0, y1 + 1), slice(x0, x1 + 1))
        for z0, z1 in pairwise(cuts[0])
        for y0, y1 in pairwise(cuts[1])
        for x0, x1 in pairwise(cuts[2])
    ]


def _inside(block: Region, shape: tuple[int, int, int]) -> tuple[Region, tuple[tuple[int, int], ...]]:
    """The part of `block` that lies in the volume, and how much is missing before and after it on each axis."""
    parts, missing = [], []
    for part, length in zip(block, shape, strict=True):
        start, stop = max(part.start, 0), min(part.stop, length)
        parts.append(slice(start, stop))
        missing.append((start - part.start, part.stop - stop))
    return (parts[0], parts[1], parts[2]), tuple(missing)


def _block_surface(mask: Mask, value: int, block: Region, rows: NDArray[np.int32] | None) -> _Piece | None:
    """Marching cubes in one block; None where the surface does not pass. rows: 1 + component row per voxel."""
    if any(part.stop - part.start < 2 for part in block):
        return None
    region, missing = _inside(block, mask.shape)
    inside = mask.read(region) == value
    if rows is not None:
        inside &= rows > 0
    if not inside.any() or (inside.all() and not np.any(missing)):
        return None
    field, level = _field(mask, region, inside)
    field = _capped(field, level, missing)
    vertices, faces, _, _ = marching_cubes(field, level, gradient_direction="descent", allow_degenerate=True)
    corner = np.array([part.start for part in block])
    owner = np.zeros(len(vertices), np.int32)
    if rows is not None:
        owner = _owners(np.pad(rows * inside, missing), vertices)
    return _Piece(
        (vertices + corner).astype(np.float32), faces.astype(np.int32), _keys(vertices, field.shape, corner), owner
    )


def _field(mask: Mask, region: Region, inside: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """What is outlined, float32, and at which level: 0 and 1 for a mask; for a map its height above the threshold.

    Heights are scaled to at most 1. Voxels of dropped components sink just below 0, like all that lies outside.
    """
    if mask.threshold is None:
        return inside.astype(np.float32), MASK_LEVEL
    height = ((mask.data[region].astype(np.float32) - np.float32(mask.threshold)) / mask.reach).astype(np.float32)
    above = np.maximum(height, np.float32(NUDGE)) * np.float32(UNEVEN)
    return np.where(inside, above, np.minimum(height, np.float32(-NUDGE))), 0.0


def _capped(field: NDArray[np.float32], level: float, missing: tuple[tuple[int, int], ...]) -> NDArray[np.float32]:
    """`field` with a layer of outside where the block leaves the volume, mirrored at the level: so that caps lie
    on the volume's border."""
    if not np.any(missing):
        return field
    padded = np.pad(field, missing, mode="edge")
    beyond = np.pad(np.zeros(field.shape, bool), missing, constant_values=True)
    padded[beyond] = np.float32(level) - np.abs(padded[beyond] - np.float32(level))
    return padded


def _keys(vertices: NDArray[np.float32], shape: tuple[int, ...], corner: NDArray[np.int64]) -> NDArray[np.int64]:
    """For vertices on the block's faces: a number that the neighbour block gives the same vertex; else -1.

    A vertex lies on an edge of the lattice: it is named by the edge's first voxel and its axis.
    """
    whole = np.floor(vertices)
    fraction = vertices - whole
    last = np.array(shape) - 1
    on_face = ((fraction == 0) & ((whole == 0) | (whole == last))).any(1)
    keys = np.full(len(vertices), _NONE, np.int64)
    axis = fraction[on_face].argmax(1)
    z, y, x = (whole[on_face].astype(np.int64) + corner + 1).T
    keys[on_face] = ((z * 2**18 + y) * 2**18 + x) * 3 + axis
    return keys


def _owners(rows: NDArray[np.int32], vertices: NDArray[np.float32]) -> NDArray[np.int32]:
    """The component row of the voxel inside, next to each vertex; int32 (n,)."""
    below = np.floor(vertices).astype(np.int64)
    above = np.minimum(np.ceil(vertices).astype(np.int64), np.array(rows.shape) - 1)
    first, second = rows[tuple(below.T)], rows[tuple(above.T)]
    # A vertex in the middle of an ambiguous cell has its voxel at another corner; neighbours tell in `_weld`.
    return np.maximum(first, second) - 1


def _weld(pieces: list[_Piece]) -> Mesh:
    """One mesh from the blocks' meshes: vertices of one key become one vertex."""
    if not pieces:
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros(0, np.int32))
    keys = np.concatenate([piece.keys for piece in pieces])
    target = np.arange(len(keys))
    seam = np.flatnonzero(keys != _NONE)
    _, first, group = np.unique(keys[seam], return_index=True, return_inverse=True)
    target[seam] = seam[first][group]
    kept = target == np.arange(len(keys))
    number = (np.cumsum(kept) - 1)[target].astype(np.int32)
    starts = np.cumsum([0] + [len(piece.vertices) for piece in pieces])
    faces = np.concatenate([number[start:][piece.faces] for start, piece in zip(starts, pieces, strict=False)])
    vertices = np.concatenate([piece.vertices for piece in pieces])[kept]
    owner = np.concatenate([piece.owner for piece in pieces])[kept]
    # Voxel centres lie at + 0.5. skimage's triangles face inward in z, y, x, so outward once read as x, y, z.
    return _settled(Mesh(np.ascontiguousarray(vertices[:, ::-1]) + np.float32(0.5), faces, owner))


def _settled(mesh: Mesh) -> Mesh:
    """Give vertices without an owner that of a vertex on one of their triangles."""
    lost = mesh.owner < 0
    if lost.any():
        for corner in range(3):
            for other in range(3):
                a, b = mesh.faces[:, corner], mesh.faces[:, other]
                rows = (mesh.owner[a] < 0) & (mesh.owner[b] >= 0)
                mesh.owner[a[rows]] = mesh.owner[b[rows]]
    return mesh


class _IdReader:
    """Component rows of blocks that are asked for in the order of z; keeps the slabs that a block needs."""

    def __init__(self, components: Components) -> None:
        self._slabs: Iterator[tuple[int, NDArray[np.int32]]] = components.slabs()
        self._held: list[tuple[int, NDArray[np.int32]]] = []

    def read(self, block: Region, shape: tuple[int, int, int]) -> NDArray[np.int32]:
        """1 + component row for the part of `block` that lies in the volume, [z, y, x]; 0 where there is none."""
        (z, y, x), _ = _inside(block, shape)
        self._held = [(z0, ids) for z0, ids in self._held if z0 + len(ids) > z.start]
        while not self._held or self._held[-1][0] + len(self._held[-1][1]) < z.stop:
            self._held.append(next(self._slabs))
        parts = [ids[max(0, z.start - z0) : max(0, z.stop - z0), y, x] for z0, ids in self._held]
        return np.concatenate(parts)
