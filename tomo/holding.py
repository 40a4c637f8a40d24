"""Who has a project open: one Blender at a time may change it, all others may look.

A lock of the system's on `.in_use` decides, so that a holder that crashed or was killed holds nothing any more. The
note `.in_use.json` beside it only tells people who it is. Disks that know no locks go by the note: there, a holder
of this computer holds while its process lives, one of another computer until the note is removed.
"""

import getpass
import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from .errors import TomosegError
from .files import NO_LOCKS, explain_write_error, lock_at_once, write_json
from .processes import is_alive
from .standing import Folder

LOCK_FILE, NOTE_FILE = ".in_use", ".in_use.json"


@dataclass(frozen=True)
class Holder:
    """Somebody who has a project open. since: local time as text, for people only; no decision rests on a clock."""

    user: str
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"user {self.user}, computer {self.host}, process {self.pid}, since {self.since}"


def this_process() -> Holder:
    """What the note says of us."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in containers
        user = "unknown"
    return Holder(user, socket.gethostname(), os.getpid(), datetime.now().isoformat(" ", "minutes"))


class Holding:
    """Our claim on one project folder; `close` gives it back, and so does the end of the process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: BinaryIO | None = None

    @property
    def held(self) -> bool:
        """True while the project is ours; no longer once its folder was deleted, moved or exchanged."""
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), (self.folder / LOCK_FILE).stat())
        except OSError:
            return False

    def refusal(self) -> str | None:
        """Take the project if nobody has it, without waiting; else why it cannot be changed here, in one sentence."""
        if self.held:
            return None
        self.close()
        if not self.folder.is_dir():
            return str(Folder(self.folder, is_project=True))
        try:
            self._file = (self.folder / LOCK_FILE).open("ab")
            holder = self._holder()
            if holder is None:
                write_json(self.folder / NOTE_FILE, asdict(this_process()))
                return None
        except OSError as error:
            self.close()
            return str(explain_write_error(self.folder / LOCK_FILE, error))
        except TomosegError as error:
            self.close()
            return str(error)
        self.close(ours=False)
        return (
            f"{self.folder} is open in another Blender ({holder}): here it can be looked at, and changed once that "
            "one has closed it."
        )

    def _holder(self) -> Holder | str | None:
        """Who holds the project, None once it is ours."""
        assert self._file is not None
        try:
            return None if lock_at_once(self._file) else _noted(self.folder) or "a moment ago"
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        noted = _noted(self.folder)
        if noted is None or (noted.host == socket.gethostname() and not is_alive(noted.pid)):
            return None
        return None if (noted.host, noted.pid) == (socket.gethostname(), os.getpid()) else noted

    def close(self, *, ours: bool = True) -> None:
        """Give the project back, if it is ours."""
        if self._file is None:
            return
        if ours and self.held:
            with suppress(OSError):
                (self.folder / NOTE_FILE).unlink()
        self._file.close()
        self._file = None


def _noted(folder: Path) -> Holder | None:
    """Who the note names; None where there is none, or none that can be read."""
    try:
        told = json.loads((folder / NOTE_FILE).read_text(encoding="utf-8"))
        return Holder(str(told["user"]), str(told["host"]), int(told["pid"]), str(told["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
