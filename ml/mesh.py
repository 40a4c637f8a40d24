"""Triangle meshes as arrays: area, volume, normals, smoothing that keeps the volume, fewer triangles."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

# Taubin 1995 ("Curve and surface smoothing without shrinkage"): a step inwards, then a slightly larger one out.
SHRINK, GROW = 0.5, -0.53
CHUNK = 2**20
EDGE = 1.0  # the length of edges for the collapse: shorter is faster still, but uneven
GROUP = 1_000_000


@dataclass(eq=False)
class Mesh:
    """A surface of triangles.

    vertices: float32 (n, 3), x, y, z. faces: int32 (m, 3), counter-clockwise seen from outside.
    owner: int32 (n,), for each vertex the number of the component it belongs to (0 where nobody asked).
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    owner: NDArray[np.int32]


def area(mesh: Mesh) -> float:
    """The area of all triangles, in the square of the vertices' unit."""
    return float(sum(np.linalg.norm(cross, axis=1).sum() for _, cross in _crosses(mesh)) / 2)


def volume(mesh: Mesh) -> float:
    """The enclosed volume, positive where normals point outward (Gauss' theorem); for closed meshes."""
    middle = mesh.vertices.mean(0, dtype=np.float64) if len(mesh.vertices) else np.zeros(3)
    total = 0.0
    for rows, cross in _crosses(mesh):
        corner = mesh.vertices[mesh.faces[rows, 0]].astype(np.float64) - middle
        total += float(np.einsum("ij,ij->", corner, cross))
    return total / 6


def normals(mesh: Mesh) -> NDArray[np.float32]:
    """float32 (n, 3): unit normals at the vertices, outward, weighted by the triangles' areas."""
    summed = np.zeros((len(mesh.vertices), 3))
    for rows, cross in _crosses(mesh):
        for corner in range(3):
            index = mesh.faces[rows, corner]
            for axis in range(3):
                summed[:, axis] += np.bincount(index, cross[:, axis], len(summed))
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    return np.divide(summed, length, out=np.zeros_like(summed), where=length > 0).astype(np.float32)


def is_closed(mesh: Mesh) -> bool:
    """True for a watertight, consistently turned manifold: each edge is used once in either direction."""
    starts = mesh.faces[:, [0, 1, 2]].ravel().astype(np.int64)
    ends = mesh.faces[:, [1, 2, 0]].ravel().astype(np.int64)
    forth = starts * len(mesh.vertices) + ends
    back = ends * len(mesh.vertices) + starts
    forth.sort()
    back.sort()
    return bool((forth[1:] != forth[:-1]).all() and (forth == back).all())


def smooth(mesh: Mesh, iterations: int) -> Mesh:
    """Taubin smoothing: terraces of voxels go, the volume stays. Each iteration costs two sparse products."""
    if iterations <= 0 or len(mesh.faces) == 0:
        return mesh
    mean = _neighbour_mean(mesh)
    vertices = mesh.vertices
    for _ in range(iterations):
        for step in (SHRINK, GROW):
            vertices = vertices + np.float32(step) * (mean @ vertices - vertices)
    return Mesh(vertices, mesh.faces, mesh.owner)


def _neighbour_mean(mesh: Mesh) -> csr_array:
    """The sparse matrix that takes vertices to the means of their neighbours. float32, n rows."""
    starts = mesh.faces.ravel()
    ends = mesh.faces[:, [1, 2, 0]].ravel()
    count = len(mesh.vertices)
    # Of a closed mesh each edge occurs once in either direction; at an open border the one way there must do.
    matrix = csr_array((np.ones(len(starts), np.float32), (starts, ends)), shape=(count, count))
    degree = np.diff(matrix.indptr)
    matrix.data = np.repeat(np.float32(1) / np.maximum(degree, 1).astype(np.float32), degree)
    return matrix


def decimate(mesh: Mesh, triangles: int) -> Mesh:
    """At most about `triangles` triangles, by quadric edge collapse; the mesh itself where it has no more.

    Owners are lost. Objects that do not touch are done in groups of about GROUP triangles, each with its share of
    the budget: the collapse takes 250 bytes a triangle.
    """
    if triangles <= 0 or len(mesh.faces) <= triangles:
        return mesh
    share = triangles / len(mesh.faces)
    vertices, faces, start = [], [], 0
    for part in split(Mesh(mesh.vertices, mesh.faces, _groups(mesh))).values():
        fewer = _collapsed(part, max(4, int(share * len(part.faces))))
        vertices.append(fewer.vertices)
        faces.append(fewer.faces + np.int32(start))
        start += len(fewer.vertices)
    return Mesh(np.concatenate(vertices), np.concatenate(faces), np.zeros(start, np.int32))


def _edge_length(mesh: Mesh) -> float:
    """The mean length of some thousands of edges, in the vertices' unit; 1 where all are of no length."""
    some = mesh.faces[:: max(1, len(mesh.faces) // 4096)]
    return float(np.linalg.norm(mesh.vertices[some[:, 0]] - mesh.vertices[some[:, 1]], axis=1).mean()) or 1.0


def _collapsed(mesh: Mesh, triangles: int) -> Mesh:
    from fast_simplification import simplify

    # Moved to the middle first: float32 far from 0 would cost the collapse its precision. Its steps are made for short
    # edges: with the tens of Å that voxels measure it takes more of them, and nearly twice as long.
    middle, unit = mesh.vertices.mean(0), np.float32(_edge_length(mesh) / EDGE)
    vertices, faces = simplify((mesh.vertices - middle) / unit, mesh.faces, target_count=triangles)
    moved = (vertices * unit + middle).astype(np.float32)
    return Mesh(moved, faces.astype(np.int32), np.zeros(len(moved), np.int32))


def with_owners_of(fine: Mesh, mesh: Mesh) -> Mesh:
    """`mesh`, made of `fine` by merging triangles, with owners: each connected piece gets that of the nearest vertices.

    A component may have several pieces (the inside of a vesicle), but no piece belongs to two components.
    """
    from scipy.spatial import cKDTree

    if len(mesh.vertices) == 0 or fine is mesh:
        return mesh
    piece = _pieces(mesh)
    _, first = np.unique(piece, return_index=True)
    _, nearest = cKDTree(fine.vertices).query(mesh.vertices[first])
    return Mesh(mesh.vertices, mesh.faces, fine.owner[nearest][piece])


def _pieces(mesh: Mesh) -> NDArray[np.int32]:
    """For each vertex the number, from 0, of the connected piece that it is part of."""
    starts, ends = mesh.faces[:, [0, 1]].ravel(), mesh.faces[:, [1, 2]].ravel()
    count = len(mesh.vertices)
    touching = csr_array((np.ones(len(starts), np.int8), (starts, ends)), shape=(count, count))
    piece: NDArray[np.int32] = connected_components(touching, directed=False)[1]
    return piece


def _groups(mesh: Mesh) -> NDArray[np.int32]:
    """A group number for each vertex: whole objects, GROUP triangles or a little more together."""
    piece = _pieces(mesh)
    sizes = np.bincount(piece[mesh.faces[:, 0]], minlength=int(piece.max()) + 1)
    group: NDArray[np.int32] = ((np.cumsum(sizes) - sizes) // GROUP).astype(np.int32)[piece]
    return group


def split(mesh: Mesh) -> dict[int, Mesh]:
    """One mesh for each owner, by its number."""
    face_owner = mesh.owner[mesh.faces[:, 0]] if len(mesh.faces) else np.zeros(0, np.int32)
    order = np.argsort(face_owner, kind="stable")
    numbers, starts = np.unique(face_owner[order], return_index=True)
    parts = np.split(mesh.faces[order], starts[1:])
    return {int(number): _compact(mesh, faces) for number, faces in zip(numbers, parts, strict=False)}


def _compact(mesh: Mesh, faces: NDArray[np.int32]) -> Mesh:
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(mesh.vertices[used], renumbered.reshape(-1, 3).astype(np.int32), mesh.owner[used])


def _crosses(mesh: Mesh) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield (rows of faces, cross products of two of their sides, float64), in chunks that stay small."""
    for start in range(0, len(mesh.faces), CHUNK):
        rows = slice(start, start + CHUNK)
        a, b, c = (mesh.vertices[mesh.faces[rows, corner]].astype(np.float64) for corner in range(3))
        yield rows, np.cross(b - a, c - a)
