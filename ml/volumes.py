"""Opening any tomogram that the worker reads: MRC and its kin, EMAN2 HDF, TIFF stacks."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.scratch import scratch_array
from tomo.errors import TomosegError
from tomo.files import explain_read_error
from tomo.geometry import Geometry
from tomo.mrc import Tomogram, open_tomogram

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SLAB_VOXELS = 4 * 2**20


def open_any(path: Path, *, single_slice: bool = False) -> Tomogram:
    """Open a tomogram of any format; what the file holds decides, not its name.

    The data are mapped from the file where possible; compressed ones are unpacked to a temporary file first.
    A stack of 2D images of one size is a volume, as in EMAN2. Nothing is ever flipped: row 0 of a TIFF page is
    y = 0. single_slice: also accept one 2D image. Raises TomosegError, one sentence, for what cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise explain_read_error(path, error) from error
    from ml.hdf import SIGNATURE

    if start == SIGNATURE:
        tomogram = _open_hdf_volume(path)
    elif start[:4] in TIFF_SIGNATURES:
        from ml.tiff import open_tiff

        tomogram = open_tiff(path)
    else:
        return open_tomogram(path, single_slice=single_slice)
    if min(tomogram.shape) == 1 and not single_slice:
        raise TomosegError(f"{path} is a single 2D image, no tomogram: choose a file with several slices.")
    tomogram.data.flags.writeable = False
    return tomogram


def _open_hdf_volume(path: Path) -> Tomogram:
    from ml.hdf import open_hdf

    with open_hdf(path) as reader:
        shapes = {reader.dataset(index).shape for index in range(len(reader))}
        if len(shapes) > 1:
            raise TomosegError(f"{path} holds images of {len(shapes)} different sizes: choose a file with one volume.")
        shape = shapes.pop()
        if len(shape) == 3 and len(reader) > 1 and shape[0] > 1:
            raise TomosegError(f"{path} holds {len(reader)} volumes: write the one you want to a file of its own.")
        if len(shape) < 2:
            raise TomosegError(f"{path} holds rows of numbers, not images: choose another file.")
        header = reader.header(0)
        data = _volume_data(reader, shape)
    return Tomogram(path, data, geometry_of_header(header), [], _scale_notes(header))


def _volume_data(reader: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    dataset = reader.dataset(0)
    offset = dataset.id.get_offset()
    if len(reader) == 1 and offset is not None and reader.scale(0) is None:
        sides = (1, *dataset.shape)[-3:]
        return np.memmap(reader.path, dataset.dtype, "r", offset, sides)
    if len(shape) == 3 and shape[0] > 1:
        return _unpacked(reader, shape)
    data = scratch_array((len(reader), *shape[-2:]), np.float32)
    for index in range(len(reader)):
        data[index] = reader.read(index).reshape(shape[-2:])
    return data


def _unpacked(reader: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """The one compressed volume in `reader`, slab by slab into a scratch array."""
    data = scratch_array(shape, np.float32 if reader.scale(0) else reader.dataset(0).dtype.newbyteorder("="))
    depth = max(1, _SLAB_VOXELS // (shape[1] * shape[2]))
    for z in range(0, shape[0], depth):
        data[z : z + depth] = reader.read(0, slice(z, z + depth))
    return data


def geometry_of_header(header: dict[str, Any]) -> Geometry:
    """Voxel size and origin from an EMAN2 header: apix_x … and origin_x …, both Å; absent or odd ones are 0."""
    x, y, z, i, j, k = (_number(header.get(f"{name}_{axis}")) for name in ("apix", "origin") for axis in "xyz")
    sizes = (x, y, z) if min(x, y, z) > 0 else (0.0, 0.0, 0.0)
    return Geometry(sizes, (i, j, k))


def _number(value: Any) -> float:
    known = isinstance(value, int | float) and bool(np.isfinite(value))
    return float(value) if known else 0.0


def _scale_notes(header: dict[str, Any]) -> tuple[str, ...]:
    bits = header.get("stored_renderbits")
    return (f"The voxels are stored with {bits} bits each (EMAN2's compression).",) if bits else ()
