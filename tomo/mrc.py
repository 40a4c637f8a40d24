"""Opening tomograms: MRC, REC, MAP and their kin, plain (memory-mapped) or compressed."""

import bz2
import errno
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import TomosegError
from .files import explain_read_error
from .geometry import Geometry
from .mrc_header import HEADER_BYTES, MrcHeader, parse_header
from .mrc_writer import MrcWriter, write_mrc
from .names import tomogram_name
from .words import counted

__all__ = ["MrcWriter", "Tomogram", "check_values", "open_tomogram", "slabs", "value_problem", "write_mrc"]

MAX_COMPRESSED_BYTES = 4 * 2**30  # of a .gz or .bz2 once unpacked: it must lie in memory
_CHUNK = 16 * 2**20
_SCAN_VOXELS = 4 * 2**20


@dataclass(frozen=True, eq=False)
class Tomogram:
    """A volume and what its file says about it.

    data: [z, y, x], read-only, a memory map where the file allows. notes: what was repaired or is
    unusual, one sentence each, to be shown to the user.
    """

    path: Path
    data: NDArray[Any]
    geometry: Geometry
    labels: list[str]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's name without its suffixes."""
        return tomogram_name(self.path)

    @property
    def shape(self) -> tuple[int, int, int]:
        """[z, y, x] in voxels."""
        z, y, x = self.data.shape
        return z, y, x


def open_tomogram(path: Path, *, single_slice: bool = False) -> Tomogram:
    """Open an MRC file, .gz and .bz2 included; costs no memory unless the file is compressed.

    single_slice: also accept one 2D image, as a volume of one slice (painted labels are such files).
    Raises TomosegError, one sentence that names the file, for anything that is no readable tomogram.
    """
    try:
        if path.is_dir():
            raise TomosegError(f"{path} is a folder: choose the tomogram's file in it.")
        suffix = path.suffix.lower()
        header, stored = _unpack(path) if suffix in (".gz", ".bz2") else _map(path)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError from error  # nothing is wrong with the file
        raise explain_read_error(path, error) from error
    data = stored.transpose(header.axes)
    data.flags.writeable = False
    if min(data.shape) == 1 and not single_slice:
        raise TomosegError(f"{path} is a single 2D image, no tomogram: choose a file with several slices.")
    return Tomogram(path, data, header.geometry, header.labels, tuple(header.notes))


def _map(path: Path) -> tuple[MrcHeader, NDArray[Any]]:
    """Memory-map a plain file once header and size agree."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = parse_header(file.read(HEADER_BYTES), size, path)
    _require_length(header, size, path)
    return header, np.memmap(path, header.dtype, "r", header.offset, header.file_shape)


def _unpack(path: Path) -> tuple[MrcHeader, NDArray[Any]]:
    """Read a compressed file into memory, which grows only as data really come out of it."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else bz2.open
    try:
        with opener(path, "rb") as file:
            header = parse_header(file.read(HEADER_BYTES), MAX_COMPRESSED_BYTES, path)
            if header.total_bytes > MAX_COMPRESSED_BYTES:
                raise TomosegError(
                    f"{path} unpacks to {header.total_bytes / 2**30:.0f} GB by its header, more than the "
                    f"{MAX_COMPRESSED_BYTES / 2**30:.0f} GB that are read compressed: unpack it first."
                )
            unpacked = _read(file, header.total_bytes - HEADER_BYTES)
            # Reading to the end also makes the library compare the checksum.
            excess = len(file.read(_CHUNK))
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's fault, not the file's
        raise TomosegError(f"{path} is damaged (it cannot be unpacked to its end): copy or export it again.") from error
    except MemoryError as error:
        raise TomosegError(f"{path} does not fit into memory when unpacked: unpack it on disk first.") from error
    _require_length(header, HEADER_BYTES + len(unpacked) + excess, path)
    return header, np.frombuffer(unpacked, header.dtype, offset=header.offset - HEADER_BYTES).reshape(header.file_shape)


def _read(file: BinaryIO, wanted: int) -> bytearray:
    """Up to `wanted` bytes, taking memory only as they come: a header may promise what is not there."""
    unpacked = bytearray()
    while len(unpacked) < wanted and (chunk := file.read(min(_CHUNK, wanted - len(unpacked)))):
        unpacked += chunk
    return unpacked


def _require_length(header: MrcHeader, size: int, path: Path) -> None:
    """Raise TomosegError where header and file size disagree by so much that voxels may be in wrong places."""
    z, y, x = header.file_shape
    promise = f"its header promises {x} × {y} × {z} voxels of {header.dtype.itemsize} bytes"
    if size < header.total_bytes:
        raise TomosegError(
            f"{path} is truncated: {promise}, {header.total_bytes} bytes in all, but only {size} are there: "
            "copy or export it again."
        )
    excess = size - header.total_bytes
    # A side that is wrong by one voxel leaves at least this much over; less than that is padding.
    if excess >= min(x * y, x * z, y * z) * header.dtype.itemsize:
        raise TomosegError(
            f"{path} and its header disagree: {promise}, {header.total_bytes} bytes in all, but {size} or more are "
            "there: export it again."
        )
    if excess:
        header.notes.append(f"{excess} bytes after the last voxel were ignored.")


def slabs(data: NDArray[Any], depth: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield (z0, slab) for slabs of `depth` slices (the last may be thinner) of `data` [z, y, x].

    Each slab is a contiguous array in the machine's byte order. Where the file stores its axes in
    another order than x, y, z, each slab may read much of the file.
    """
    if depth < 1:
        raise ValueError(f"A slab has at least 1 slice, not {depth}.")
    for z0 in range(0, len(data), depth):
        yield z0, np.ascontiguousarray(data[z0 : z0 + depth], data.dtype.newbyteorder("="))


def value_problem(data: NDArray[Any]) -> str | None:
    """What makes the voxels useless, as the end of a sentence that starts with the file's name; else None.

    Scans `data` [z, y, x] slab by slab and stops early where nothing can be wrong any more.
    """
    if data.size == 0:
        return "holds no voxels: choose another file."
    low, high, bad = np.inf, -np.inf, 0
    for _, slab in slabs(data, max(1, _SCAN_VOXELS // max(1, data[0].size))):
        finite = slab if slab.dtype.kind != "f" else slab[np.isfinite(slab)]
        bad += slab.size - finite.size
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        if slab.dtype.kind != "f" and low < high:
            return None
    if bad:
        return f"holds {counted(bad, 'voxel')} without a number (NaN or infinite): write the mean there, and retry."
    if low == high:
        return f"is constant (every voxel is {low:g}): nothing can be seen in it, so choose another file."
    return None


def check_values(tomogram: Tomogram) -> None:
    """Raise TomosegError where voxels are NaN or infinite, or all the same; reads the whole file once."""
    if problem := value_problem(tomogram.data):
        raise TomosegError(f"{tomogram.path} {problem}")
