"""Writing files so that a crash, a full disk or a kill never damages what was there."""

import errno
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from .errors import TomosegError
from .exchange import exchange, is_held
from .processes import is_alive, machine_mark
from .standing import gone, make_folder

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # of disks that know no locks
_HELD = "another program has it open, or it cannot be written to: close it there, or choose another folder"
_REFUSED = "it or its folder cannot be written to: choose another folder, or change the permissions"
_REASONS = {
    errno.ENOSPC: "the disk is full: free some space, then try again",
    errno.EDQUOT: "your disk quota is used up: free some space, then try again",
    errno.EACCES: _REFUSED,
    errno.EPERM: _REFUSED,
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENOENT: "its folder does not exist any more: choose another one",
    errno.EEXIST: "a part of its path is a file, not a folder: choose another folder",
    errno.ENOTDIR: "a part of its path is a file, not a folder: choose another folder",
    errno.ENAMETOOLONG: "its name is too long: choose a shorter name or folder",
}
_FORBIDDEN = "it may not be read: change its permissions, or choose another file"
_UNREADABLE = {
    errno.ENOENT: "it is not there: check its name, or choose another file",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EISDIR: "it is a folder: choose a file",
}


def explain_write_error(path: Path, error: OSError) -> TomosegError:
    """The sentence that a user reads when `path` could not be written."""
    if error.errno == errno.ENOENT and (missing := gone(path)) is not None:
        return missing
    words = f"{error.strerror or error}: choose another folder"
    reason = _HELD if is_held(error) else _REASONS.get(error.errno or 0, words)
    return TomosegError(f"Cannot write {path}: {reason}.")


def explain_read_error(path: Path, error: OSError) -> TomosegError:
    """The sentence that a user reads when `path` could not be read."""
    words = f"{error.strerror or error}: check the disk, or choose another file"
    return TomosegError(f"Cannot read {path}: {_UNREADABLE.get(error.errno or 0, words)}.")


@contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` once the block has succeeded.

    lasting: wait until the disk has it, so that a power cut cannot empty it; not for what is shown once and forgotten.
    Missing folders are made (tomo/standing.py). On any error the temporary file is removed and `path` stays as it was.
    Raises TomosegError for what the disk refuses (full, read-only, no permission).
    """
    start = f".{path.stem[:30]}.{machine_mark()}-"
    temporary = path.with_name(f"{start}{os.getpid()}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        make_folder(path.parent)
        _remove_abandoned(path.parent, start)
        yield temporary
        if lasting:
            _flush_to_disk(temporary)
        exchange(temporary, path)
    except OSError as error:
        raise explain_write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _remove_abandoned(folder: Path, start: str) -> None:
    """Half-written files whose names begin so, and whose process was killed; those of other computers stay."""
    for left in folder.iterdir():
        if left.name.startswith(start) and ".part" in left.name:
            pid = left.name.removeprefix(start).partition(".")[0]
            if pid.isdecimal() and not is_alive(int(pid)):
                with suppress(OSError):
                    left.unlink()


def _flush_to_disk(path: Path) -> None:
    # Without fsync a power cut after the rename can leave an empty file under the final name.
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def require_folder(folder: Path) -> None:
    """Make `folder` where it is not there (tomo/standing.py); raises TomosegError where the disk refuses."""
    try:
        make_folder(folder)
    except OSError as error:
        raise explain_write_error(folder, error) from error


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise TomosegError if the disk that holds `folder` (or its nearest parent) lacks the space."""
    try:
        existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        free = shutil.disk_usage(existing).free
    except OSError as error:
        raise explain_write_error(folder, error) from error
    if needed_bytes > free:
        raise TomosegError(
            f"{folder} needs {_size(needed_bytes)}, but only {_size(free)} are free there: "
            "free some space or choose another folder."
        )


def _size(count: int) -> str:
    """`1.5 GB`, `0.3 MB`, `12 kB`, `7 bytes`."""
    if count < 1000:
        return f"{count} bytes"
    if count < 100_000:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def write_json(path: Path, data: Any) -> None:
    """Write `data` as readable JSON, all or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON in `path`; raises TomosegError if it cannot be read or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise TomosegError(f"{path} is damaged (no valid JSON): restore it from a backup or remove it.") from error
    except OSError as error:
        raise explain_read_error(path, error) from error


def read_list(path: Path, key: str, schema: int) -> list[Any]:
    """The list under `key` of a JSON file of the project; empty where the file does not exist yet.

    Raises TomosegError for a file that is damaged, or that a newer Tomoseg wrote.
    """
    if not path.exists():
        return []
    data = read_json(path)
    found = data.get("schema") if isinstance(data, dict) else None
    if isinstance(found, int) and found > schema:
        raise TomosegError(f"{path} was written by a newer Tomoseg (schema {found}, not {schema}): update Tomoseg.")
    if found != schema or not isinstance(data.get(key), list):
        raise TomosegError(f"{path} is damaged (no list of {key} of schema {schema}): restore it from a backup.")
    return list(data[key])


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change the lists in `folder`: wait for the others, then go on.

    A lock of the system's, so that one left by a crash does not hold. Disks that know no locks
    (some cluster file systems) are used without; there, two edits at the same moment can lose one.
    """
    path = folder / ".lock"
    try:
        make_folder(path.parent)
        handle = path.open("ab")
    except OSError as error:
        raise explain_write_error(path, error) from error
    with handle:
        _lock(handle)
        yield  # closing the file gives the lock back


def _lock(handle: BinaryIO) -> None:
    while True:
        try:
            _system_lock(handle, wait=True)
        except OSError as error:
            if error.errno == errno.EDEADLK:  # Windows waits for ten seconds only
                continue
            if error.errno not in NO_LOCKS:
                raise explain_write_error(Path(handle.name), error) from error
        return


def lock_at_once(handle: BinaryIO) -> bool:
    """Lock an open file until it is closed; False where another process has it. Raises OSError, NO_LOCKS included."""
    try:
        _system_lock(handle, wait=False)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):  # EACCES: Windows' word for "another has it"
            return False
        raise
    return True


def _system_lock(handle: BinaryIO, *, wait: bool) -> None:
    if sys.platform == "win32":
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
