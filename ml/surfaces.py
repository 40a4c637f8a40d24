"""Surfaces of labels and maps: marching cubes in blocks, welded at the seams into one watertight mesh.

Only blocks that the surface passes through are computed, so memory grows with the surface, not with the volume.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

from ml.components import Components
from ml.fields import Field
from ml.masks import LabelExtent, Mask, Region
from ml.mesh import Mesh
from ml.report import Report
from tomo.geometry import Geometry, require_voxel_size

BLOCK = (64, 64, 64)
COARSEST = 4
MOST_LOST = 1e-3  # of a label's voxels
_NONE = -1


@dataclass(eq=False)
class _Piece:
    """The mesh of one block. vertices: float32 (n, 3) in voxel indices z, y, x. keys: int64 (n,), see `_keys`."""

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    keys: NDArray[np.int64]
    owner: NDArray[np.int32]


def label_surface(
    mask: Mask,
    extent: LabelExtent,
    report: Report,
    *,
    components: Components | None = None,
    closed: bool = True,
    most: int = 0,
) -> Mesh:
    """The outline of one label, in voxels: x, y, z, voxel i covering [i, i + 1], not smoothed.

    components: where given, only what is in them is outlined, and `owner` tells each vertex's row in their table.
    closed: objects that leave the volume are capped at its border; else they stay open there.
    most: where there would be many more triangles than this, cells of 2 or 4 voxels along each axis are outlined
    instead, as long as nothing is too thin for them; 0: never. A map is outlined at its threshold, between voxels.
    """
    coarse = 1
    while most and coarse < COARSEST and extent.triangles > most * coarse**2:
        coarse *= 2
    while True:
        field = Field(mask, extent.entry.value, components, coarse)
        mesh = _outline(field, extent, report, closed)
        if field.lost <= MOST_LOST * extent.voxels:
            break
        report.log(f"{extent.entry.name} is too thin in places for cells of {coarse} voxels: outlining it more finely.")
        coarse //= 2
    if coarse > 1:
        report.log(f"{extent.entry.name} has a very large surface: it was outlined on cells of {coarse} voxels.")
    return mesh


def _outline(field: Field, extent: LabelExtent, report: Report, closed: bool) -> Mesh:
    pieces: list[_Piece] = []
    blocks = _blocks(field.cells(extent.box), field.shape, closed)
    for done, block in enumerate(blocks):
        report.progress(done / len(blocks), f"Outlining {extent.entry.name}")
        piece = _block_surface(field, block)
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


def _block_surface(field: Field, block: Region) -> _Piece | None:
    """Marching cubes in one block; None where the surface does not pass."""
    if any(part.stop - part.start < 2 for part in block):
        return None
    read = field.read(block)
    if read is None:
        return None
    heights, rows = read
    if heights.max() <= field.level or heights.min() > field.level:
        return None
    vertices, faces, _, _ = marching_cubes(heights, field.level, gradient_direction="descent", allow_degenerate=True)
    corner = np.array([part.start for part in block])
    keys = _keys(vertices, heights.shape, corner)
    return _Piece(field.voxels(vertices + corner), faces.astype(np.int32), keys, _owners(rows, vertices))


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
    # A vertex in the middle of an ambiguous cell has its voxel at another corner; neighbours tell in `_settled`.
    return (np.maximum(first, second) - 1).astype(np.int32)


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
