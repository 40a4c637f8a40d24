"""A child process whose lines are read in a thread: nothing waits unless asked to, and it can be killed whole."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..tomo.errors import TomosegError

KILL_SECONDS = 5.0
# Lines of UTF-8 text, and a group of its own: Ctrl+C in Blender's terminal does not kill it in the middle of a file.
IN_OWN_GROUP: dict[str, Any] = {"text": True, "encoding": "utf-8", "errors": "replace"}
if sys.platform == "win32":
    IN_OWN_GROUP["creationflags"] = subprocess.CREATE_NO_WINDOW
else:
    IN_OWN_GROUP["start_new_session"] = True


class Child:
    """One running command; its stdout and stderr are one stream of lines."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start `command` in `folder`; raises TomosegError where it cannot be run."""
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._ended = False
        try:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment),
                **IN_OWN_GROUP,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise TomosegError(
                f"{command[0]} cannot be started ({error.strerror or error}): name another Python in Tomoseg's "
                "preferences."
            ) from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._process.wait()
        self._lines.put(None)

    def lines(self, wait: float) -> list[str] | None:
        """The lines that have come, waiting up to `wait` seconds for the first; None once the command has ended."""
        if self._ended:
            return None
        arrived: list[str] = []
        with suppress(queue.Empty):
            line = self._lines.get(timeout=wait) if wait else self._lines.get_nowait()
            while line is not None:
                arrived.append(line)
                line = self._lines.get_nowait()
            self._ended = True
        return None if self._ended and not arrived else arrived

    @property
    def failed(self) -> bool:
        """True once the command has ended with an exit status other than 0."""
        return self._process.poll() not in (None, 0)

    def stop(self) -> None:
        """Kill the command with all that it started, if it still runs, and close its stream."""
        if self._process.poll() is None:
            _kill_group(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=KILL_SECONDS)
        self._reader.join(timeout=KILL_SECONDS)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()


def _kill_group(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        words = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        hidden = IN_OWN_GROUP["creationflags"]  # else a console window flashes up
        subprocess.run(words, capture_output=True, check=False, creationflags=hidden)
    else:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the child leads a group of its own
    process.kill()
