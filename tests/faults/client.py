"""The real worker as a fault test drives it: start, ask, wait, kill."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import psutil

STILL_SECONDS = 120.0  # a step that computes nothing for so long hangs, however busy the machine is
CPU_SECONDS = 600.0  # what no step of these small projects takes


class Refused(Exception):
    """The worker answered with an error; code is JSON-RPC's, the text is what a person reads."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class Nursery:
    """The process that workers are forked from; see nursery.py."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        words = [sys.executable, str(Path(__file__).with_name("nursery.py")), str(theirs.fileno())]
        handle, name = tempfile.mkstemp(prefix="tomoseg-faults-", suffix=".log")
        self.log = Path(name)  # of all workers
        self._process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stderr=handle)
        os.close(handle)
        theirs.close()

    def fork(self, kind: bytes = b"w") -> tuple[int, BinaryIO, BinaryIO]:
        """A new child of a kind that nursery.py knows: its process number, its stdin and its stdout."""
        (requests, to_worker), (from_worker, answers) = os.pipe(), os.pipe()
        socket.send_fds(self._channel, [kind], [requests, answers])
        os.close(requests)
        os.close(answers)
        pid = int.from_bytes(self._channel.recv(8), "big")
        return pid, os.fdopen(to_worker, "wb"), os.fdopen(from_worker, "rb")

    def close(self) -> None:
        """End it; its workers end when their stdin does."""
        self._channel.close()
        self._process.wait(timeout=60)
        self.log.unlink(missing_ok=True)


class Watch:
    """Tells a hanging process from one that gets little of a busy machine, by the processor's time that it used."""

    def __init__(self, pid: int, log: Path) -> None:
        self._process, self._log, self._last = psutil.Process(pid), log, 0.0
        self._first = self._last = self._used()
        self._moved = time.monotonic()

    def _used(self) -> float:
        with suppress(psutil.NoSuchProcess):  # its end is told elsewhere
            return float(sum(self._process.cpu_times()[:2]))
        return self._last

    def look(self) -> None:
        """Raise TimeoutError for a process that hangs; with SIGUSR1 it first writes where it stands."""
        used, now = self._used(), time.monotonic()
        if used > self._last:
            self._last, self._moved = used, now
        if now - self._moved > STILL_SECONDS or used - self._first > CPU_SECONDS:
            os.kill(self._process.pid, signal.SIGUSR1)
            time.sleep(1.0)
            where = self._log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise TimeoutError(f"hangs: {used - self._first:.1f} s of CPU, none for {now - self._moved:.0f} s\n{where}")


class Worker:
    """One worker process, as `python -m ml worker` is one."""

    def __init__(self, nursery: Nursery, kind: bytes = b"w") -> None:
        self.pid, self._stdin, self._stdout = nursery.fork(kind)
        self._log = nursery.log
        self._messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._answers: dict[int, dict[str, Any]] = {}  # that came while another was waited for
        self._next = 0

    def _read(self) -> None:
        for line in self._stdout:
            self._messages.put(json.loads(line))
        self._messages.put(None)

    def send(self, method: str, params: dict[str, Any]) -> int:
        """Ask for a step; returns the request's id."""
        self._next += 1
        request = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        self._stdin.write(json.dumps(request).encode() + b"\n")
        self._stdin.flush()
        return self._next

    def answer(self, number: int) -> dict[str, Any]:
        """The result of a request; raises Refused for an error, TimeoutError where the step hangs.

        Not the clock on the wall tells that: among other programs a second's work may take minutes.
        """
        watch = Watch(self.pid, self._log)
        while number not in self._answers:
            try:
                message = self._messages.get(timeout=1.0)
            except queue.Empty:
                watch.look()
                continue
            if message is None:
                raise EOFError("The worker has gone.")
            if "method" not in message:
                self._answers[message["id"]] = message
        message = self._answers.pop(number)
        if "error" in message:
            raise Refused(message["error"]["code"], message["error"]["message"])
        return message["result"]

    def begin(self, method: str, params: dict[str, Any]) -> int:
        """Ask for a step and wait until the worker does it (or has done it); returns the request's id."""
        number = self.send(method, params)
        while number not in self._answers and self.answer(self.send("ping", {}))["running"] != number:
            time.sleep(0.002)
        return number

    def run(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Do a step to its end."""
        return self.answer(self.send(method, params))

    @property
    def is_answered(self) -> bool:
        """True where an answer waits."""
        waiting = any(message is not None and "method" not in message for message in list(self._messages.queue))
        return waiting or bool(self._answers)

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        self._end()

    def close(self) -> None:
        """End it as Blender does, by closing its stdin."""
        self._stdin.close()
        self._end()

    def _end(self) -> None:
        self._reader.join(timeout=60)  # its stdout ends with the process
        with suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
