"""Training sets of Ais (.scnt): a tar of MRC and JSON files, read member by member, never unpacked to the disk.

Layout (Ais' core/se_scnt.py): metadata.json; sources.json, which tells for each box's name the tomogram, the centre
(z, y, x in voxels of the tomogram that was boxed) and the box's side there; x_<flavour>/<name>.mrc, the images, and
y/<name>.mrc, the labels [y, x]: 0 nothing, 1 feature, 2 ignore. Earlier ones are TIFF stacks without any places.
"""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomo.errors import TomosegError
from tomo.files import explain_read_error
from tomo.mrc_header import HEADER_BYTES

MOST_MEMBERS = 200_000
MOST_JSON = 64_000_000
MOST_SIDE = 2048  # of a box, voxels
FORMAT = 1


@dataclass(frozen=True)
class ScntBox:
    """One box. centre: (x, y, z) and side: in voxels of the tomogram that was boxed. negative: said to be empty."""

    name: str
    tomogram: str
    feature: str
    centre: tuple[int, int, int]
    side: int
    negative: bool


class Scnt:
    """An open training set; get one from `open_scnt`."""

    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self.path, self._tar = path, tar
        self._members = dict(_members(path, tar))
        if "sources.json" not in self._members or "metadata.json" not in self._members:
            raise TomosegError(f"{path} is no training set of Ais (it lacks sources.json): choose a .scnt file.")
        version = self._json("metadata.json").get("format_version")
        if version != FORMAT:
            raise TomosegError(f"{path} has the format {version!r} of Ais, Tomoseg knows {FORMAT}: update Tomoseg.")
        self.boxes = [_box(path, name, source) for name, source in self._json("sources.json").items()]

    def label(self, box: ScntBox) -> NDArray[np.int8]:
        """The label of a box, [y, x]; as coarse as Ais was told to bin it. Raises TomosegError where it is damaged."""
        name = f"y/{box.name}.mrc"
        data = _plane(self._read(name, HEADER_BYTES + 4 * MOST_SIDE**2 + 2**16), f"{name} in {self.path}")
        if not np.isin(data, (0, 1, 2)).all():
            raise TomosegError(f"{name} in {self.path} holds other values than 0, 1 and 2: export it from Ais again.")
        label: NDArray[np.int8] = data.astype(np.int8)
        return label

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self._read(name, MOST_JSON))
        except (ValueError, RecursionError) as error:
            raise TomosegError(f"{name} in {self.path} is damaged: export the training set from Ais again.") from error
        if not isinstance(found, dict):
            raise TomosegError(f"{name} in {self.path} is damaged: export the training set from Ais again.")
        return found

    def _read(self, name: str, most: int) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise TomosegError(f"{self.path} lacks {name}: export the training set from Ais again.")
        if member.size > most:
            raise TomosegError(f"{name} in {self.path} is far too large ({member.size / 1e6:.0f} MB): is it from Ais?")
        try:
            file = self._tar.extractfile(member)
            content = file.read() if file is not None else b""
        except (tarfile.TarError, OSError, EOFError) as error:
            raise TomosegError(f"{self.path} is damaged or truncated: copy it again.") from error
        return content


@contextmanager
def open_scnt(path: Path) -> Iterator[Scnt]:
    """Open a training set; raises TomosegError, one sentence, for whatever else the file may be."""
    try:
        with path.open("rb") as file:
            if file.read(4) in (b"II*\0", b"MM\0*"):
                raise TomosegError(
                    f"{path} is a training set of an old Ais, which does not tell where its boxes lie: extract it "
                    "again with today's Ais."
                )
        with tarfile.open(path, "r:") as tar:  # not compressed: nothing can grow on reading
            yield Scnt(path, tar)
    except tarfile.TarError as error:
        raise TomosegError(f"{path} is no training set of Ais, or it is damaged: choose a .scnt file.") from error
    except OSError as error:
        raise explain_read_error(path, error) from error


def _members(path: Path, tar: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The plain files of the archive by name. Raises TomosegError for what no training set holds."""
    for count, member in enumerate(tar):
        parts = PurePosixPath(member.name).parts
        if member.name.startswith("/") or ".." in parts or "\\" in member.name or ":" in member.name:
            raise TomosegError(f"{path} holds a path out of its folder ({member.name[:60]!r}): do not use this file.")
        if not (member.isfile() or member.isdir()) or member.issparse():
            raise TomosegError(f"{path} holds a link or device ({member.name[:60]!r}): do not use this file.")
        if count >= MOST_MEMBERS:
            raise TomosegError(f"{path} holds more than {MOST_MEMBERS} files: is it from Ais?")
        if member.isfile():
            yield str(PurePosixPath(*parts)), member


def _box(path: Path, name: str, source: Any) -> ScntBox:
    try:
        x, y, z = (int(source[f"aisBoxCoordinate{axis}"]) for axis in "XYZ")
        box = ScntBox(
            str(name),
            str(source["aisTomogramName"]),
            str(source["aisFeatureName"]),
            (x, y, z),
            int(source["aisBoxSizeExtracted"]),
            bool(source.get("aisNegative", False)),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise TomosegError(f"sources.json in {path} is damaged at {str(name)[:40]!r}: export it again.") from error
    if not 4 <= box.side <= MOST_SIDE or max(map(abs, box.centre)) > 1_000_000:
        raise TomosegError(f"sources.json in {path} has an impossible box at {str(name)[:40]!r}: export it again.")
    return box


def _plane(content: bytes, name: str) -> NDArray[np.float32]:
    """The one image of a small MRC file, [y, x], float32 (mode 2) as Ais writes it. Raises TomosegError."""
    header = np.frombuffer(content[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0"), "<i4")
    columns, rows, sections, mode = (int(value) for value in header[:4])
    extended = int(header[23])
    count = columns * rows
    sides_fit = 1 <= columns <= MOST_SIDE and 1 <= rows <= MOST_SIDE and sections == 1
    if not sides_fit or mode != 2 or extended < 0 or len(content) < HEADER_BYTES + extended + 4 * count:
        raise TomosegError(f"{name} is damaged: export the training set from Ais again.")
    return np.frombuffer(content, "<f4", count, HEADER_BYTES + extended).reshape(rows, columns)
