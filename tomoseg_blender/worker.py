"""The worker's process and its handle: JSON-RPC 2.0, one message a line, over stdin and stdout.

The only module of the extension that keeps state of its own; unregistering ends it.
"""

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..tomo.errors import TomosegError
from .child import IN_OWN_GROUP

EXTENSION_FOLDER = Path(__file__).resolve().parents[1]
LOG_LINES = 200
STOP_SECONDS = 5.0
STUBBORN_SECONDS = 15.0  # after a cancel; the worker itself interrupts its step after half a second
LONGEST_LINE = 16 * 2**20  # of a message; arrays travel in files
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")


class WorkerError(TomosegError):
    """The worker could not start, refused a request, or ended; one sentence for the user."""


class Worker:
    """One running `python -m ml worker`. Only a reader thread waits for it; the main thread never does."""

    def __init__(self, python: Path) -> None:
        """Start the worker with the interpreter `python`; raises WorkerError where that cannot be run."""
        self.python = python
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._ids = itertools.count(1)
        self._open: set[int] = set()  # requests without an answer yet
        self._stubborn = False
        try:
            self._process = subprocess.Popen([str(python), "-m", "ml", "worker"], **_popen_settings())
        except OSError as error:
            raise WorkerError(
                f"The worker's Python {python} cannot be started ({error.strerror}): choose another interpreter in "
                "Tomoseg's preferences."
            ) from error
        targets = (self._read_messages, self._read_log)
        self._readers = [threading.Thread(target=target, daemon=True) for target in targets]
        for reader in self._readers:
            reader.start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _read_messages(self) -> None:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline(LONGEST_LINE):
            message = _message_in(line)
            if message is None:
                self.log.append(line.rstrip()[:500])  # a library printed to stdout
                continue
            if "method" not in message:
                self._open.discard(message["id"])
            self._messages.put(message)
        self._messages.put(None)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line.rstrip())

    def request(self, method: str, params: dict[str, Any]) -> int:
        """Send a request; returns its id. Raises WorkerError if the worker has gone."""
        number = next(self._ids)
        self._open.add(number)
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def cancel(self, number: int) -> None:
        """Ask for the end of request `number`; its response says whether it was cancelled.

        A worker that hangs so that it does not even notice this is ended after STUBBORN_SECONDS.
        """
        timer = threading.Timer(STUBBORN_SECONDS, self._end_if_stubborn, (number,))
        timer.daemon = True
        timer.start()
        self._send({"jsonrpc": "2.0", "method": "cancel", "params": {"id": number}})

    def _end_if_stubborn(self, number: int) -> None:
        if number in self._open and self.alive:
            self._stubborn = True
            self._process.kill()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise WorkerError(self.farewell()) from error

    def messages(self) -> list[dict[str, Any] | None]:
        """All messages that have arrived, without waiting; None at the end means that the worker is gone."""
        arrived: list[dict[str, Any] | None] = []
        with suppress(queue.Empty):
            while True:
                arrived.append(self._messages.get_nowait())
        return arrived

    def wait(self, seconds: float) -> dict[str, Any] | None:
        """The next message, waiting up to `seconds`; raises queue.Empty after that. For background mode only."""
        return self._messages.get(timeout=seconds)

    def farewell(self) -> str:
        """The sentence for a worker that ended by itself, with the last line that it wrote."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2.0)
        self._readers[1].join(timeout=1.0)  # the log's thread may be a moment behind
        last = next((line for line in reversed(self.log) if line.strip()), "it wrote no message").strip()
        if self._stubborn:
            return f"The worker hung and was ended ({last}): what it had finished is kept, so start the step again."
        return (
            f"The worker {_end_in_words(self._process.returncode)}; {last}): start the step "
            "again, and if it ends again, use Check Worker in Tomoseg's preferences."
        )

    def stop(self) -> None:
        """End the worker: it sees the end of its stdin, keeps its last checkpoint and goes."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader, stream in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            reader.join(timeout=1.0)
            if stream is not None and not reader.is_alive():
                stream.close()


def _message_in(line: str) -> dict[str, Any] | None:
    """The message in a line, its parts of the types that others rely on; None for anything else."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("params", {}), dict):
        return None
    if "method" in message:
        told = message.get("params", {})
        numbers = (told.get("fraction", 0.0), told.get("seconds_left") or 0.0)
        return message if all(isinstance(number, int | float) for number in numbers) else None
    if not isinstance(message.get("id"), int):
        return None
    if "error" not in message and not isinstance(message.get("result"), dict):
        message = {**message, "error": {}}
    if "error" in message and not isinstance(message["error"], dict):
        message["error"] = {}
    return message


def _end_in_words(status: int | None) -> str:
    """How a process ended: `was killed (signal 9, mostly since memory ran out`, the bracket still open."""
    name = ""
    with suppress(ValueError):
        name = signal.Signals(-(status or 0)).name
    if name == "SIGKILL":
        return "was killed (signal 9: mostly the system, because memory ran out"
    if name in _CRASHES or (sys.platform == "win32" and (status or 0) & 0xC0000000 == 0xC0000000):
        return f"crashed ({name or f'exit status {status}'}"
    return f"ended unexpectedly (exit status {status}"


def _popen_settings() -> dict[str, Any]:
    """How the worker starts: in the extension's folder, where `ml` and `tomo` are found, in UTF-8, in a group of
    its own so that Ctrl+C in Blender's terminal does not kill it in the middle of a file."""
    # Blender may point these at its own Python; another interpreter would load the wrong standard library.
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return {
        **IN_OWN_GROUP,
        "cwd": EXTENSION_FOLDER,
        "env": {**kept, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        **dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE),
    }


class Handle:
    """The one worker of this Blender, the job that it does now, and how the last one ended."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.job: Any = None
        self.outcome: Any = None

    def running(self, python: Path) -> Worker:
        """The worker in the interpreter `python`, started if there is none (or one in another interpreter)."""
        if self.worker is not None and (not self.worker.alive or self.worker.python != python):
            self.stop()
        if self.worker is None:
            self.worker = Worker(python)
        return self.worker

    def stop(self) -> None:
        """End the worker and forget its job."""
        worker, job, self.worker, self.job = self.worker, self.job, None, None
        if job is not None and hasattr(job.steps, "close"):
            job.steps.close()  # a set-up takes its child and its half-made folder with it
        if worker is not None:
            worker.stop()


HANDLE = Handle()
