"""A live session as Blender holds it: a worker, its messages with their times, and an annotator who knows the truth."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from tomo.boxes import POSITIVE, Box
from tomo.labels import load_label, save_label
from tomo.mrc import open_tomogram
from tomo.project import Project

LIVE_ID = "live"
Message = dict[str, Any]


class NothingCameError(RuntimeError):
    """What was waited for did not come in time; the session goes on."""


@dataclass(frozen=True)
class Shown:
    """A preview as it came. at: monotonic seconds. map: [y, x] in amplitude units."""

    at: float
    params: Message
    map: NDArray[np.float32]


class LiveClient:
    """Starts the request `live` in a worker of its own; every preview is read the moment it is told."""

    def __init__(self, **params: Any) -> None:
        command = [sys.executable, "-m", "ml", "worker"]
        self._worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._process = psutil.Process(self._worker.pid)
        self._changed = threading.Condition()
        self.shown: list[Shown] = []
        self.told: list[tuple[float, Message]] = []
        self.answer: Message | None = None
        self._count = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(LIVE_ID, "live", params)

    def tell(self, command: str, **more: Any) -> float:
        """Give a command; returns the moment."""
        self._count += 1
        now = time.monotonic()
        self._send(self._count, "tell", {"id": LIVE_ID, "command": command, **more})
        return now

    def wait(self, wanted: Callable[[], Any], seconds: float = 120.0) -> Any:
        """What `wanted` gives once it is not None. Raises NothingCameError, or RuntimeError where the session ends."""
        end = time.monotonic() + seconds
        with self._changed:
            while (found := wanted()) is None:
                if self.answer is not None and "error" in self.answer:
                    raise RuntimeError(self.answer["error"]["message"])
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    raise NothingCameError(f"Nothing came in {seconds:.0f} s; the last message was {self.told[-1:]}.")
        return found

    def preview(self, wanted: Callable[[Shown], bool], since: float, seconds: float = 120.0) -> Shown:
        """The first preview after `since` that is wanted."""
        found: Shown = self.wait(
            lambda: next((shown for shown in self.shown if shown.at > since and wanted(shown)), None), seconds
        )
        return found

    def event(self, event: str, wanted: Callable[[Message], bool], since: float, seconds: float = 120.0) -> float:
        """When the first such `live` message after `since` came."""
        found: float = self.wait(
            lambda: next(
                (at for at, told in self.told if at > since and told.get("event") == event and wanted(told)), None
            ),
            seconds,
        )
        return found

    def last(self, event: str) -> Message:
        """The latest `live` message of a kind."""
        return next((told for _, told in reversed(self.told) if told.get("event") == event), {})

    def cpu_seconds(self) -> float:
        """CPU time of the worker so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def close(self) -> float:
        """Close stdin as Blender's end does; returns the seconds until the worker has ended."""
        began = time.monotonic()
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        self._worker.stdin.close()
        self._worker.wait(timeout=30)
        seconds = time.monotonic() - began
        self._reader.join()
        self._worker.stdout.close()
        return seconds

    def _send(self, request_id: int | str, method: str, params: Message) -> None:
        assert self._worker.stdin is not None
        line = json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        self._worker.stdin.write(line.encode() + b"\n")
        self._worker.stdin.flush()

    def _read(self) -> None:
        assert self._worker.stdout is not None
        for line in self._worker.stdout:
            message, now = json.loads(line), time.monotonic()
            with self._changed:
                if message.get("method") == "preview":
                    params = message["params"]
                    self.shown.append(Shown(now, params, np.load(params["path"], allow_pickle=False)))
                elif message.get("method") in ("live", "log", "progress"):
                    self.told.append((now, {"event": message["method"], **message["params"]}))
                elif message.get("id") == LIVE_ID:
                    self.answer = message
                self._changed.notify_all()


class Annotator:
    """Places boxes of one feature and paints the truth in them. truth: [z, y, x], not 0 on the feature."""

    def __init__(self, project: Project, tomogram: str, feature: str, truth: NDArray[Any]) -> None:
        self._project, self._tomogram, self._feature, self._truth = project, tomogram, feature, truth
        path = project.tomogram_path(tomogram)
        self._geometry = open_tomogram(path).geometry

    def add(self, *boxes: Box) -> float:
        """Save boxes and, for positive ones, the painted slice; returns the moment at which all is on disk."""
        for box in boxes:
            if box.kind == POSITIVE:
                self._paint(box)
        self._project.save_boxes([*self._project.boxes(), *boxes])
        return time.monotonic()

    def _paint(self, box: Box) -> None:
        (x, y), z = box.corner, box.centre[2]
        path = self._project.label_path(self._tomogram, self._feature, z)
        label = load_label(path, (self._truth.shape[1], self._truth.shape[2]))
        inside = (slice(max(y, 0), y + box.size), slice(max(x, 0), x + box.size))
        label[inside] = self._truth[z][inside] != 0
        save_label(path, label, self._geometry)
