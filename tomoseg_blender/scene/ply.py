"""Reading triangle meshes from binary PLY files, as `tomoseg surface` and most programs write them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...tomo.errors import TomosegError

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_HEADER_LIMIT = 65536
COMPONENT = "component"


def read_ply(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Vertices (n, 3) float32, (x, y, z), and triangles (m, 3) int32 of a little-endian binary PLY.

    Raises TomosegError if the file can't be read, is cut off, or holds anything but triangles.
    """
    return read_numbered_ply(path)[:2]


def read_numbered_ply(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32] | None]:
    """The same, and the vertices' property "component", int32 (n,), or None where they have none.

    Raises TomosegError if the file can't be read, is cut off, or holds anything but triangles.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TomosegError(f"Cannot read the surface {path}: {error.strerror or error}.") from error
    try:
        return _parse(content)
    except (ValueError, KeyError, IndexError, UnicodeDecodeError, TypeError) as error:
        raise TomosegError(
            f"{path} is damaged or no binary PLY of triangles: make the surface again with `tomoseg surface`."
        ) from error


def _parse(content: bytes) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32] | None]:
    elements, start = _header(content)
    (vertex_name, vertex_count, vertex_fields), (face_name, face_count, face_fields) = elements[:2]
    if (vertex_name, face_name) != ("vertex", "face") or len(face_fields) != 1 or vertex_count < 0 or face_count < 0:
        raise ValueError("vertices and plain faces expected")
    vertex_type = np.dtype([(name, f"<{_TYPES[kind]}") for name, kind in vertex_fields])
    _, count_kind, index_kind = face_fields[0][1].split()
    face_type = np.dtype([("count", f"<{_TYPES[count_kind]}"), ("index", f"<{_TYPES[index_kind]}", 3)])
    table = np.frombuffer(content, vertex_type, vertex_count, start)
    faces = np.frombuffer(content, face_type, face_count, start + table.nbytes)
    if (faces["count"] != 3).any():
        raise ValueError("only triangles")
    vertices = np.stack([table["x"], table["y"], table["z"]], axis=1).astype(np.float32)
    triangles = faces["index"].astype(np.int32)
    if triangles.size and not 0 <= int(triangles.min()) <= int(triangles.max()) < vertex_count:
        raise ValueError("a triangle names a vertex that is not there")
    numbers = table[COMPONENT].astype(np.int32) if COMPONENT in (vertex_type.names or ()) else None
    return vertices, triangles, numbers


def _header(content: bytes) -> tuple[list[tuple[str, int, list[tuple[str, str]]]], int]:
    """Elements as (name, count, [(field, type)]), a list's type being "list COUNT INDEX", and where data begins."""
    end = content[:_HEADER_LIMIT].index(b"end_header")
    start = content.index(b"\n", end) + 1
    lines = content[:end].decode("ascii").split("\n")
    if lines[0].strip() != "ply" or lines[1].split() != ["format", "binary_little_endian", "1.0"]:
        raise ValueError("no little-endian binary PLY")
    elements: list[Any] = []
    for words in (line.split() for line in lines[2:]):
        if words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append((words[-1], " ".join(words[1:-1])))
    return elements, start
