"""One Blender at a time sets up the worker: a lock of the system's, which ends with its holder."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..tomo.errors import TomosegError
from ..tomo.files import explain_write_error

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # some disks of clusters


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
        if sys.platform == "win32":
            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True
