"""The MRC header: what it says about the data, checked before anything is read or allocated.

Format: MRC2014 (Cheng et al., J. Struct. Biol. 192, 146, 2015) and IMOD's additions to it
(https://bio3d.colorado.edu/imod/doc/mrc_format.txt). The layout of the fields is mrcfile's.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mrcfile import utils
from mrcfile.dtypes import HEADER_DTYPE

from .errors import TomosegError
from .geometry import Geometry, Triple

HEADER_BYTES = 1024
MAX_LABELS, LABEL_LENGTH = 10, 80
DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED_MODES = {
    3: "complex numbers (mode 3): a tomogram needs real ones, so choose another file",
    4: "complex numbers (mode 4, a Fourier transform): transform it back first, or choose another file",
    16: "colour (mode 16): convert it to grey values first",
    101: "4-bit numbers (mode 101): convert it to bytes first, with IMOD's newstack -mode 0",
}
_IMOD_STAMP_AT, _IMOD_STAMP = 152, 1146047817  # the letters "IMOD" as a little-endian integer
_IMOD_SIGNED, _IMOD_4BIT = 1, 16


@dataclass
class MrcHeader:
    """What matters of an MRC header, and how the data lie in the file.

    file_shape: sections, rows, columns as stored. axes: the transposition that makes it [z, y, x].
    offset: bytes before the first voxel. notes: what was repaired or is unusual, for the user.
    """

    file_shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    geometry: Geometry
    labels: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int]:
        """[z, y, x] in voxels."""
        z, y, x = (self.file_shape[axis] for axis in self.axes)
        return z, y, x

    @property
    def data_bytes(self) -> int:
        """How many bytes the voxels take; a Python integer, so that it cannot overflow."""
        return math.prod(self.file_shape) * self.dtype.itemsize

    @property
    def total_bytes(self) -> int:
        """How long the file must be."""
        return self.offset + self.data_bytes


def parse_header(raw: bytes, size: int, path: Path) -> MrcHeader:
    """Read the first 1024 bytes of a file that is `size` bytes long (at most, for a compressed one).

    Raises TomosegError for what is no MRC file, holds no real numbers, or has impossible dimensions.
    Whether the file is long enough is left to the caller: compare `total_bytes`.
    """
    if size == 0 or not raw:
        raise TomosegError(f"{path} is empty (0 bytes): copy or export it again.")
    if len(raw) < HEADER_BYTES:
        raise TomosegError(
            f"{path} is no MRC file (only {len(raw)} bytes, fewer than a header's {HEADER_BYTES}): choose another file."
        )
    notes: list[str] = []
    record = _in_its_byte_order(raw, size, path, notes)
    mode = int(record["mode"])
    if mode in _REFUSED_MODES:
        raise TomosegError(f"{path} holds {_REFUSED_MODES[mode]}.")
    if int(record["ispg"]) > 400 and 0 < int(record["mz"]) < int(record["nz"]):
        raise TomosegError(f"{path} is a stack of several volumes: split it into one file per volume first.")
    axes = _axis_order(record, notes)
    return MrcHeader(
        (int(record["nz"]), int(record["ny"]), int(record["nx"])),
        _transposition(axes),
        _dtype(record, raw, path, notes),
        HEADER_BYTES + int(record["nsymbt"]),
        _geometry(record, axes, notes),
        _labels(record),
        notes,
    )


def _in_its_byte_order(raw: bytes, size: int, path: Path, notes: list[str]) -> Any:
    """The header's fields in the byte order in which they make sense; the machine stamp's goes first."""
    little: Any = np.frombuffer(raw, HEADER_DTYPE.newbyteorder("<"), count=1)[0]
    big: Any = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(">"), count=1)[0]
    is_mrc = bytes(little["map"])[:3] == b"MAP"
    try:
        stamped_big = utils.byte_order_from_machine_stamp(little["machst"]) == ">"
        stamp_known = True
    except ValueError:
        stamped_big, stamp_known = False, False
    orders = [big, little] if stamped_big else [little, big]
    fitting = next((record for record in orders if _sensible(record) and _needed_bytes(record) <= size), None)
    record = fitting if fitting is not None else orders[0]
    if not is_mrc and fitting is None:
        raise TomosegError(f"{path} is no MRC file: choose another file, or convert it to MRC.")
    _require_sensible(record, path)
    if not is_mrc:
        notes.append("The header lacks the word MAP (an old file): its origin was not used.")
    if record is not orders[0]:
        notes.append("The machine stamp tells the wrong byte order: the one that fits the dimensions was used.")
    elif not stamp_known:
        notes.append("The machine stamp is unknown: the byte order that fits the dimensions was used.")
    return record


def _sensible(record: Any) -> bool:
    sizes_fit = all(int(record[name]) > 0 for name in ("nx", "ny", "nz"))
    return sizes_fit and int(record["nsymbt"]) >= 0 and int(record["mode"]) in DTYPES.keys() | _REFUSED_MODES.keys()


def _needed_bytes(record: Any) -> int:
    itemsize = np.dtype(DTYPES.get(int(record["mode"]), "u1")).itemsize
    sides = (int(record[name]) for name in ("nx", "ny", "nz"))
    return HEADER_BYTES + int(record["nsymbt"]) + math.prod(sides) * itemsize


def _require_sensible(record: Any, path: Path) -> None:
    """Raise the sentence that says which field of the header is impossible."""
    sides = " × ".join(str(int(record[name])) for name in ("nx", "ny", "nz"))
    if any(int(record[name]) <= 0 for name in ("nx", "ny", "nz")):
        raise TomosegError(f"The header of {path} gives impossible dimensions ({sides} voxels): export the file again.")
    if int(record["nsymbt"]) < 0:
        raise TomosegError(
            f"The header of {path} gives an extended header of {int(record['nsymbt'])} bytes: export the file again."
        )
    if not _sensible(record):
        raise TomosegError(
            f"{path} has the unknown MRC mode {int(record['mode'])}: convert it to mode 0, 1, 2, 6 or 12 first."
        )


def _axis_order(record: Any, notes: list[str]) -> tuple[int, int, int]:
    """(mapc, mapr, maps): which of x, y, z (1, 2, 3) runs along columns, rows and sections."""
    order = (int(record["mapc"]), int(record["mapr"]), int(record["maps"]))
    if sorted(order) == [1, 2, 3]:
        if order != (1, 2, 3):
            notes.append(f"The axes are stored in the order {order[0]}, {order[1]}, {order[2]} and were put right.")
        return order
    if order != (0, 0, 0):  # old programs leave them empty
        notes.append(f"The axis order {order[0]}, {order[1]}, {order[2]} is impossible: 1, 2, 3 was used.")
    return 1, 2, 3


def _transposition(axes: tuple[int, int, int]) -> tuple[int, int, int]:
    # The array as stored is [section, row, column]; ask in turn where z, y and x are in it.
    stored = (axes[2], axes[1], axes[0])
    return stored.index(3), stored.index(2), stored.index(1)


def _dtype(record: Any, raw: bytes, path: Path, notes: list[str]) -> np.dtype[Any]:
    code = DTYPES[int(record["mode"])]
    order = record.dtype["mode"].byteorder
    if code != "i1":
        return np.dtype(code).newbyteorder(order)
    stamp, flags = (int(value) for value in np.frombuffer(raw, np.dtype("u4").newbyteorder(order), 2, _IMOD_STAMP_AT))
    if stamp == _IMOD_STAMP:
        if flags & _IMOD_4BIT:
            raise TomosegError(f"{path} holds {_REFUSED_MODES[101]}.".replace("mode 101", "IMOD's flag 16"))
        return np.dtype("i1" if flags & _IMOD_SIGNED else "u1")
    if float(record["dmin"]) >= 0 and 127 < float(record["dmax"]) <= 255:
        notes.append("The bytes were read as unsigned, since the header's maximum is above 127.")
        return np.dtype("u1")
    return np.dtype("i1")


def _geometry(record: Any, axes: tuple[int, int, int], notes: list[str]) -> Geometry:
    """nstart follows the axis order, the cell and the origin do not."""
    starts = dict(zip(axes, ("nxstart", "nystart", "nzstart"), strict=True))
    nstart = (int(record[starts[1]]), int(record[starts[2]]), int(record[starts[3]]))
    voxel_size = (_voxel_size(record, "x"), _voxel_size(record, "y"), _voxel_size(record, "z"))
    if any(
        abs(float(record["cellb"][name]) - 90) > 0.01 for name in ("alpha", "beta", "gamma") if record["cellb"][name]
    ):
        notes.append("The cell's angles are not 90°: the volume is shown as if they were.")
    origin: Triple = (0.0, 0.0, 0.0)
    if bytes(record["map"])[:3] == b"MAP":
        origin = (float(record["origin"]["x"]), float(record["origin"]["y"]), float(record["origin"]["z"]))
    if not all(math.isfinite(value) for value in origin):
        notes.append("The origin in the header is no number: 0 was used.")
        origin = (0.0, 0.0, 0.0)
    return Geometry(voxel_size, origin, nstart)


def _voxel_size(record: Any, axis: str) -> float:
    """Å, 0 where the header does not tell. Rounded to what its 32-bit numbers can carry."""
    cell, intervals = float(record["cella"][axis]), int(record["m" + axis])
    if intervals <= 0 or not 0 < cell < math.inf:
        return 0.0
    return float(f"{cell / intervals:.7g}")


def _labels(record: Any) -> list[str]:
    texts = (bytes(label).split(b"\0")[0].decode("ascii", "replace").strip() for label in record["label"])
    return [text for text in texts if text]


def build_header(
    shape: tuple[int, int, int], dtype: np.dtype[Any], geometry: Geometry, labels: list[str]
) -> np.ndarray[Any, Any]:
    """A little-endian header of one record for a volume of `shape` [z, y, x], statistics still unknown."""
    header = np.zeros(1, HEADER_DTYPE.newbyteorder("<"))
    record = header[0]
    for axis, name in enumerate("xyz"):
        count = shape[2 - axis]
        record["n" + name] = record["m" + name] = count
        record["cella"][name] = count * geometry.voxel_size[axis]
        record["origin"][name] = geometry.origin[axis]
        record[f"n{name}start"] = geometry.nstart[axis]
    for number, name in enumerate(("mapc", "mapr", "maps"), 1):
        record[name] = number
    record["cellb"] = (90.0, 90.0, 90.0)
    record["mode"] = next(mode for mode, code in DTYPES.items() if np.dtype(code) == dtype)
    record["ispg"], record["nversion"], record["map"] = 1, 20141, b"MAP "
    record["machst"] = tuple(utils.machine_stamp_from_byte_order("<"))
    kept = labels[-MAX_LABELS:]
    record["nlabl"] = len(kept)
    for number, label in enumerate(kept):
        record["label"][number] = label.encode("ascii", "replace")[:LABEL_LENGTH].ljust(LABEL_LENGTH)
    set_statistics(header, 0.0, -1.0, -2.0, -1.0)  # MRC2014's way to say "not known"
    return header


def set_statistics(header: np.ndarray[Any, Any], low: float, high: float, mean: float, rms: float) -> None:
    """Fill the header's minimum, maximum, mean and root mean square deviation."""
    header["dmin"], header["dmax"], header["dmean"], header["rms"] = low, high, mean, rms
