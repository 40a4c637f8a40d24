"""Writing surfaces as binary PLY, the plainest mesh format that Blender, ChimeraX and MeshLab all read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml.mesh import CHUNK, Mesh, normals
from tomo.errors import TomosegError
from tomo.files import replacing

_VERTEX = np.dtype([(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")])
COMPONENT = "component"  # the whole number that vertices may carry besides
_NUMBERED = np.dtype([*((name, "<f4") for name in _VERTEX.names or ()), (COMPONENT, "<i4")])
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", (3,))])


def write_ply(path: Path, mesh: Mesh, comments: Sequence[str] = (), *, numbered: bool = False) -> None:
    """Write vertices with outward normals, and triangles; all or nothing. comments: one line each, in the header.

    numbered: each vertex also carries the mesh's `owner`, as the property "component". Raises TomosegError where the
    disk refuses.
    """
    facing = normals(mesh)
    kind = _NUMBERED if numbered else _VERTEX
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(_header(mesh, comments, kind))
        for start in range(0, len(mesh.vertices), CHUNK):
            rows = slice(start, start + CHUNK)
            packed = np.empty(len(mesh.vertices[rows]), kind)
            for axis in range(3):
                packed["xyz"[axis]], packed[f"n{'xyz'[axis]}"] = mesh.vertices[rows, axis], facing[rows, axis]
            if numbered:
                packed[COMPONENT] = mesh.owner[rows]
            file.write(packed.tobytes())
        for start in range(0, len(mesh.faces), CHUNK):
            triangles = mesh.faces[start : start + CHUNK]
            packed_faces = np.empty(len(triangles), _FACE)
            packed_faces["count"] = 3
            packed_faces["corners"] = triangles
            file.write(packed_faces.tobytes())


def read_ply(path: Path) -> Mesh:
    """Read back what `write_ply` wrote; raises TomosegError for any other file."""
    raw = path.read_bytes()
    head, end, body = raw.partition(b"end_header\n")
    counts = {words[1]: int(words[2]) for line in head.split(b"\n") if (words := line.split())[:1] == [b"element"]}
    n, m = counts.get(b"vertex", 0), counts.get(b"face", 0)
    kind = _NUMBERED if f"property int {COMPONENT}\n".encode() in head else _VERTEX
    known = raw.startswith(b"ply\nformat binary_little_endian") and end
    if not known or len(body) != n * kind.itemsize + m * _FACE.itemsize:
        raise TomosegError(f"{path} is no surface that Tomoseg wrote: make the surfaces again.")
    vertices = np.frombuffer(body, kind, n)
    faces = np.frombuffer(body, _FACE, m, n * kind.itemsize)["corners"]
    xyz = np.stack([vertices["x"], vertices["y"], vertices["z"]], 1)
    owner = vertices[COMPONENT].astype(np.int32) if kind is _NUMBERED else np.zeros(n, np.int32)
    return Mesh(xyz, faces.astype(np.int32), owner)


def _header(mesh: Mesh, comments: Sequence[str], kind: "np.dtype[Any]") -> bytes:
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment {' '.join(comment.split())}" for comment in comments]
    lines += [f"element vertex {len(mesh.vertices)}"]
    lines += [f"property {'int' if name == COMPONENT else 'float'} {name}" for name in kind.names or ()]
    lines += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(lines).encode("ascii", "backslashreplace")
