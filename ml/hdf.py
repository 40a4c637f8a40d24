"""EMAN2's HDF files: image N is /MDF/images/N/image, its header the attributes `EMAN.<name>` of that group.

The layout follows EMAN2's libEM/io/hdfio2.cpp. Newer files hold compressed integers v of b bits; the value
is v / (2^b - 1) × (max - min) + min, with b, min and max in EMAN.stored_renderbits, -min and -max.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tomo.errors import TomosegError
from tomo.files import explain_read_error, replacing

SIGNATURE = b"\x89HDF\r\n\x1a\n"
Header = dict[str, Any]
_IMAGES = "MDF/images"
_PREFIX = "EMAN."
MOST_BITS = 32  # of a stored voxel
_RENDER = ("stored_renderbits", "stored_rendermin", "stored_rendermax")


class HdfReader:
    """The images of one open EMAN2 HDF file; get one from `open_hdf`."""

    def __init__(self, path: Path, group: h5py.Group) -> None:
        self.path, self._group = path, group
        self._names = sorted((name for name in group if name.isdigit()), key=int)
        if not self._names:
            raise TomosegError(f"{path} holds no image: choose another file, or write it again with EMAN2.")

    def __len__(self) -> int:
        """How many images there are."""
        return len(self._names)

    def header(self, index: int) -> Header:
        """The attributes of image `index` without their prefix; arrays as lists, 'T' and 'F' as bool."""
        attributes = self._group[self._names[index]].attrs
        # h5py gives names that are no text as bytes; EMAN2 writes none.
        return {name.removeprefix(_PREFIX): _plain(attributes[name]) for name in attributes if isinstance(name, str)}

    def dataset(self, index: int) -> h5py.Dataset:
        """The voxels as stored, [y, x] or [z, y, x], integers not yet scaled."""
        group = self._group[self._names[index]]
        if "image" not in group:
            raise TomosegError(f"{self.path} has no voxels in its image {self._names[index]}: write it again.")
        data = group["image"]
        if not isinstance(data, h5py.Dataset):
            raise TomosegError(f"{self.path} holds something else than voxels as its image: choose another file.")
        if data.dtype.kind not in "iuf" or not 1 <= data.ndim <= 3 or data.size == 0:
            raise TomosegError(f"{self.path} holds {data.dtype} numbers in {data.ndim}D, not an image: choose another.")
        return data

    def scale(self, index: int) -> tuple[float, float] | None:
        """(slope, offset) that turn stored integers into values; None where they are the values."""
        header = self.header(index)
        if not header.get(_RENDER[0]) or None in (header.get(_RENDER[1]), header.get(_RENDER[2])):
            return None
        bits, low, high = (self.number(header, name) for name in _RENDER)
        if bits < 0:
            return None
        if bits > MOST_BITS:
            raise TomosegError(f"{self.path} is damaged (voxels of {bits:g} bits): copy or export it again.")
        return (high - low) / (2.0 ** int(bits) - 1.0), low

    def number(self, header: Header, name: str) -> float:
        """A finite number of a header; raises TomosegError for anything else."""
        value = header.get(name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise TomosegError(f"{self.path} is damaged (its {name} is no number): copy or export it again.")
        return float(value)

    def read(self, index: int, rows: slice = slice(None)) -> NDArray[Any]:
        """Image `index`, or some of its first axis; float32 where integers had to be scaled."""
        stored = self.dataset(index)[rows]
        scale = self.scale(index)
        if scale is None:
            return np.asarray(stored)
        values = stored.astype(np.float32)
        values *= np.float32(scale[0])
        values += np.float32(scale[1])
        return values


@contextmanager
def open_hdf(path: Path) -> Iterator[HdfReader]:
    """Open an EMAN2 HDF file for reading; raises TomosegError for what is none or is damaged."""
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(_IMAGES), h5py.Group):
                raise TomosegError(f"{path} is no EMAN2 file (it has no /MDF/images): convert it to MRC.")
            yield HdfReader(path, file[_IMAGES])
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise explain_read_error(path, error) from error
        raise TomosegError(f"{path} is damaged or truncated: copy or export it again.") from error


def write_hdf(path: Path, images: Sequence[NDArray[Any]], headers: Sequence[Mapping[str, Any]] | None = None) -> None:
    """Write images [x], [y, x] or [z, y, x] as EMAN2 does, all or nothing.

    headers: one mapping per image, names without prefix (apix_x, ptcl_source_coord, …). Sizes are filled in.
    Integers of 8 and 16 bits stay integers, all else becomes float32.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        group = file.create_group(_IMAGES)
        group.attrs["imageid_max"] = np.int32(len(images) - 1)
        for number, image in enumerate(images):
            entry = group.create_group(str(number))
            data = image if image.dtype.kind in "iu" and image.itemsize <= 2 else image.astype(np.float32)
            entry.create_dataset("image", data=data)
            sizes = dict(zip(("nx", "ny", "nz"), (*reversed(image.shape), 1, 1), strict=False))
            for name, value in {**(headers[number] if headers else {}), **sizes}.items():
                entry.attrs[_PREFIX + name] = _storable(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | np.bytes_):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype.fields is None:
        return _plain(value.reshape(-1)[0]) if value.size == 1 else value.tolist()
    if isinstance(value, np.int8 | np.uint8):
        return int(value) == ord("T")  # EMAN2 stores a bool as one letter
    return value.item() if isinstance(value, np.generic) else value


def _storable(value: Any) -> Any:
    """A header value in the types that EMAN2 reads: int32, float32, fixed text, one letter for a bool."""
    if isinstance(value, bool):
        return np.int8(ord("T" if value else "F"))
    if isinstance(value, str):
        return np.bytes_(value.encode("utf-8") or b"\0")
    array = np.asarray(value)
    return array.astype(np.int32 if array.dtype.kind in "iub" else np.float32)
