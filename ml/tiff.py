"""TIFF stacks as tomograms, with their voxel size where ImageJ's or OME's metadata tell it."""

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from ml.scratch import scratch_array
from tomo.errors import TomosegError
from tomo.geometry import Geometry, Triple
from tomo.mrc import Tomogram

_ANGSTROMS = {
    "å": 1.0,
    "a": 1.0,
    "angstrom": 1.0,
    "angstroms": 1.0,
    "ångström": 1.0,
    "nm": 10.0,
    "nanometer": 10.0,
    "µm": 1e4,
    "μm": 1e4,  # the Greek letter, beside the micro sign
    "um": 1e4,
    "micron": 1e4,
    "microns": 1e4,
    "micrometer": 1e4,
    "\\u00b5m": 1e4,  # as ImageJ writes it
    "mm": 1e7,
}
_UNKNOWN: Triple = (0.0, 0.0, 0.0)
# What tifffile was seen to raise for damaged files (tests/fuzz).
_DAMAGE = (
    *(tifffile.TiffFileError, zlib.error, struct.error, OSError, RuntimeError, ArithmeticError),
    *(ValueError, TypeError, LookupError, AttributeError, AssertionError, MemoryError),
)


def open_tiff(path: Path) -> Tomogram:
    """Open a TIFF stack as a volume [z, y, x]: mapped if it is not compressed, else unpacked to scratch space.

    Raises TomosegError for colour, several channels, numbers that are not real, and damaged files.
    """
    try:
        with _complaints_raised(), tifffile.TiffFile(path) as file:
            series = file.series[0]
            _require_grey(series, path)
            data = _data(series, path)
            return Tomogram(path, data, Geometry(_voxel_size(file)), [])
    except _DAMAGE as error:
        reason = (
            "is compressed in a way that is not read" if "imagecodecs" in str(error) else "is damaged or incomplete"
        )
        raise TomosegError(f"{path} {reason}: export it again, as MRC best of all.") from error


class _Complaints(logging.Handler):
    """Turns tifffile's log into errors: it would otherwise return the pages that it still finds."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise what tifffile would only have logged."""
        if record.levelno >= logging.WARNING:
            raise tifffile.TiffFileError(record.getMessage()[:120])


@contextmanager
def _complaints_raised() -> Iterator[None]:
    logger = logging.getLogger("tifffile")
    before = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [_Complaints()], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before


def _require_grey(series: Any, path: Path) -> None:
    sides = {axis: size for axis, size in zip(series.axes, series.shape, strict=True) if size > 1}
    if sides.get("S", 1) > 1:
        raise TomosegError(f"{path} is a colour image: convert it to grey values first.")
    if series.dtype is None or series.dtype.kind not in "iuf":
        raise TomosegError(f"{path} holds {series.dtype} numbers: a tomogram needs real grey values.")
    if not {"Y", "X"} <= set(series.axes) or len(sides) > 3:
        raise TomosegError(f"{path} has the axes {series.axes}, not one stack of slices: split its channels first.")


def _data(series: Any, path: Path) -> NDArray[Any]:
    y, x = (series.shape[series.axes.index(axis)] for axis in "YX")
    shape = (int(np.prod(series.shape, dtype=np.int64)) // (y * x), y, x)
    dtype = series.dtype.newbyteorder(series.parent.byteorder)
    if series.dataoffset is not None:
        if path.stat().st_size < series.dataoffset + series.nbytes:
            raise TomosegError(f"{path} is truncated: {series.nbytes} bytes of voxels were promised; export it again.")
        return np.memmap(path, dtype, "r", series.dataoffset, shape)
    data = scratch_array(shape, series.dtype)
    for z, page in enumerate(series.pages):
        data[z] = page.asarray().reshape(y, x)
    return data


def _voxel_size(file: tifffile.TiffFile) -> Triple:
    """Å along x, y and z; 0 where no metadata tell it (a bare TIFF's resolution is one of printing)."""
    if file.ome_metadata:
        return _ome_voxel_size(file.ome_metadata)
    metadata = file.imagej_metadata or {}
    angstroms = _ANGSTROMS.get(str(metadata.get("unit", "")).strip().lower(), 0.0)
    x, y = (_resolution(file, name) for name in ("XResolution", "YResolution"))
    if not (angstroms and x and y):
        return _UNKNOWN
    return angstroms / x, angstroms / y, angstroms * float(metadata.get("spacing", 1 / x))


def _resolution(file: tifffile.TiffFile, name: str) -> float:
    """Pixels per unit, 0 if absent."""
    tag = file.pages.first.tags.get(name)
    over, under = tag.value if tag is not None else (0, 1)
    return over / under if under else 0.0


def _ome_voxel_size(text: str) -> Triple:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return _UNKNOWN
    pixels = next((node for node in root.iter() if node.tag.endswith("Pixels")), None)
    if pixels is None:
        return _UNKNOWN
    x, y, z = (_ome_length(pixels.attrib, axis) for axis in "XYZ")
    return (x, y, z or x) if x and y else _UNKNOWN


def _ome_length(attributes: dict[str, str], axis: str) -> float:
    unit = attributes.get(f"PhysicalSize{axis}Unit", "µm").strip().lower()
    return float(attributes.get(f"PhysicalSize{axis}", 0)) * _ANGSTROMS.get(unit, 0.0)
