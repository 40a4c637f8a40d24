"""One Blender at a time sets up the worker: a lock of the system's, which ends with its holder."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..tomo.errors import TomosegError
from ..tomo.files import NO_LOCKS, explain_write_error, lock_at_once


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the block, then remove it; raises TomosegError where another process holds it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("ab")
    except OSError as error:
        raise explain_write_error(path, error) from error
    with handle:
        if not _take(handle):
            raise TomosegError("Another Blender sets up or removes the worker right now: wait for its end.")
        try:
            yield
        finally:
            if sys.platform != "win32":
                path.unlink(missing_ok=True)
    if sys.platform == "win32":  # where an open file cannot be removed
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _take(handle: BinaryIO) -> bool:
    try:
        return lock_at_once(handle)
    except OSError as error:
        return error.errno in NO_LOCKS
