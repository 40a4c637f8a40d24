"""Writing files so that a crash, a full disk or a kill never damages what was there."""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import TomosegError

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space, then try again",
    errno.EDQUOT: "your disk quota is used up: free some space, then try again",
    errno.EACCES: "the folder cannot be written to: choose another one, or change its permissions",
    errno.EPERM: "the folder cannot be written to: choose another one, or change its permissions",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.ENOENT: "its folder does not exist any more: choose another one",
    errno.ENOTDIR: "a part of its path is a file, not a folder: choose another folder",
    errno.ENAMETOOLONG: "its name is too long: choose a shorter name or folder",
}


def explain_write_error(path: Path, error: OSError) -> TomosegError:
    """The sentence that a user reads when `path` could not be written."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}: choose another folder")
    return TomosegError(f"Cannot write {path}: {reason}.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` once the block has succeeded.

    Missing folders are made. On any error the temporary file is removed and `path` stays as it was.
    Raises TomosegError for what the disk refuses (full, read-only, no permission).
    """
    temporary = path.with_name(f".{path.stem[:60]}.{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise explain_write_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _flush_to_disk(path: Path) -> None:
    # Without fsync a power cut after the rename can leave an empty file under the final name.
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise TomosegError if the disk that holds `folder` (or its nearest parent) lacks the space."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed_bytes > free:
        raise TomosegError(
            f"{folder} needs {needed_bytes / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free there: "
            "free some space or choose another folder."
        )


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
        raise TomosegError(f"Cannot read {path}: {error.strerror or error}.") from error
