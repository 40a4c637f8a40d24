"""Writing surfaces as binary PLY, the plainest mesh format that Blender, ChimeraX and MeshLab all read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml.mesh import CHUNK, Mesh, normals
from tomo.errors import TomosegError
from tomo.files import replacing

_VERTEX = np.dtype([(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")])
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", (3,))])


def write_ply(path: Path, mesh: Mesh, comments: Sequence[str] = ()) -> None:
    """Write vertices with outward normals, and triangles; all or nothing. comments: one line each, in the header.

    Raises TomosegError where the disk refuses.
    """
    facing = normals(mesh)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(_header(mesh, comments))
        for start in range(0, len(mesh.vertices), CHUNK):
            rows = slice(start, start + CHUNK)
            packed = np.concatenate([mesh.vertices[rows], facing[rows]], axis=1).astype("<f4")
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
    if not raw.startswith(b"ply\nformat binary_little_endian") or not end or len(body) != n * 24 + m * 13:
        raise TomosegError(f"{path} is no surface that Tomoseg wrote: make the surfaces again.")
    vertices = np.frombuffer(body, _VERTEX, n)
    faces = np.frombuffer(body, _FACE, m, n * _VERTEX.itemsize)["corners"]
    xyz = np.stack([vertices["x"], vertices["y"], vertices["z"]], 1)
    return Mesh(xyz, faces.astype(np.int32), np.zeros(n, np.int32))


def _header(mesh: Mesh, comments: Sequence[str]) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment {' '.join(comment.split())}" for comment in comments]
    lines += [f"element vertex {len(mesh.vertices)}"]
    lines += [f"property float {name}" for name in _VERTEX.names or ()]
    lines += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(lines).encode("ascii", "backslashreplace")
