"""Writing a map over hours: a run that was cancelled or killed goes on where it stopped.

The unfinished map lies beside its place under a hidden name, with a small JSON journal: which slices are done, and
what the map is made of. Where that is another network, tomogram or setting now, the map is begun anew.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ml.report import Cancelled
from tomo.errors import TomosegError
from tomo.exchange import exchange
from tomo.files import explain_write_error, require_space, write_json
from tomo.geometry import Geometry
from tomo.mrc import MrcWriter
from tomo.mrc_header import HEADER_BYTES
from tomo.standing import FolderGone, make_folder

if os.name == "posix":
    import fcntl

SCHEMA = 1
UNWRITTEN = [0.0] * 4
JOURNAL_SECONDS = 1.0  # at most so much work is lost by a kill


def unfinished_files(path: Path) -> tuple[Path, Path]:
    """Where the unfinished map of `path` and its journal lie."""
    mark = hashlib.sha256(path.name.encode()).hexdigest()[:8]
    return path.with_name(f".{path.stem[:60]}.{mark}.part"), path.with_name(f".{path.stem[:60]}.{mark}.json")


class ResumableWriter(MrcWriter):
    """An MrcWriter for slabs that come in order; `done` is the number of slices that an earlier run has left.

    identity: JSON-able, what the map is made of. After Cancelled, Ctrl+C, a kill, or where a folder went away (the
    tomogram's, say, on another disk), the finished slices stay for the next run; after any other error nothing is
    left. Two runs cannot write the same map at once.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        geometry: Geometry,
        labels: Iterable[str],
        identity: dict[str, Any],
    ) -> None:
        super().__init__(path, shape, dtype, geometry, labels)
        made_of = {**identity, "schema": SCHEMA, "shape": self.shape, "dtype": self.dtype.str}
        self._identity: dict[str, Any] = json.loads(json.dumps(made_of))
        self._partial, self._journal = unfinished_files(path)
        self._told = time.monotonic()
        self._size = HEADER_BYTES + int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        self.done = 0

    def __enter__(self) -> Self:
        try:
            make_folder(self.path.parent)
            self._file = _open_alone(self._partial, self.path)
            if not self._continue():
                self._begin(self._file)
        except OSError as error:
            raise explain_write_error(self.path, error) from error
        return self

    def _begin(self, file: BinaryIO) -> None:
        file.truncate(0)
        try:
            require_space(self.path.parent, self._size)
            file.write(self._header.tobytes())
            file.truncate(self._size)
        except BaseException:
            self._discard(file)
            raise

    def _continue(self) -> bool:
        """Take over what an earlier run has left, if it was made of the same things."""
        try:
            left = json.loads(self._journal.read_text(encoding="utf-8"))
            rows = left["statistics"]
            # Slices that nobody has written yet, between others, are null (ml/shared_map.py).
            statistics = np.array([UNWRITTEN if row is None else row for row in rows], float).reshape(-1, 4)
            fits = left["identity"] == self._identity and self._partial.stat().st_size == self._size
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not fits or not 0 < len(statistics) <= self.shape[0]:
            return False
        self._statistics[: len(statistics)] = statistics
        self._written[: len(statistics)] = [row is not None for row in rows]
        self.done = self._count_done()
        return self.done > 0

    def _count_done(self) -> int:
        """The slices before the first that is missing."""
        return self.shape[0] if self._written.all() else int(np.argmin(self._written))

    def _rows(self) -> list[list[float] | None]:
        """What the journal says of each slice that is done."""
        rows: list[list[float] | None] = self._statistics[: self.done].tolist()
        return rows

    def write(self, z0: int, slab: NDArray[Any]) -> None:
        """Append `slab` [z, y, x], which must begin at slice `done`."""
        if z0 != self.done:
            raise ValueError(f"The next slice is {self.done}, not {z0}.")
        super().write(z0, slab)
        self.done += len(slab)
        if time.monotonic() - self._told >= JOURNAL_SECONDS:
            self._tell()

    def _tell(self) -> None:
        """Note what is done; the slices must be on the disk before the journal says so."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        write_json(self._journal, {"identity": self._identity, "statistics": self._rows()})
        self._told = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, keep = self._file, isinstance(error, Cancelled | KeyboardInterrupt | GeneratorExit | FolderGone)
        assert file is not None
        try:
            if error is None:
                self._finish()
                file.flush()
                os.fsync(file.fileno())
                file.close()
                exchange(self._partial, self.path)
            elif keep and self.done:
                self._tell()
        except OSError as failure:
            raise explain_write_error(self.path, failure) from failure
        finally:
            if not (keep and self.done):
                self._discard(file)
            file.close()
            self._file = None
        if isinstance(error, OSError):
            raise explain_write_error(self.path, error) from error

    def _discard(self, file: BinaryIO) -> None:
        """Remove what is unfinished; after a success that is the journal alone."""
        file.close()
        for leftover in (self._partial, self._journal):
            with suppress(OSError):
                leftover.unlink()


def _open_alone(partial: Path, path: Path) -> BinaryIO:
    """Open the unfinished file without emptying it; raises TomosegError where another run is writing it."""
    file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
    if os.name != "posix":
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The other run may have finished, and so renamed the file, between the two lines above.
        same = partial.exists() and os.path.samestat(os.fstat(file.fileno()), partial.stat())
    except BlockingIOError:
        same = False
    if not same:
        file.close()
        raise TomosegError(f"{path} is being written by another run of Tomoseg: wait for its end, or stop it.")
    return file
