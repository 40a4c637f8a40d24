"""Running one command of `tomoseg` and measuring it: seconds, CPU seconds, peak memory."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Measured:
    """What a process took, its children included. peak_memory_mb: anonymous and shared, no mapped file pages."""

    seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    output: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON that `--json` puts last on stdout."""
        result: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return result


def tomoseg(*words: object) -> Measured:
    """Run `tomoseg WORDS`; raises RuntimeError with its last words if it fails."""
    return measured([sys.executable, "-m", "ml", *map(str, words)])


def measured(command: list[str]) -> Measured:
    """Run a command to its end and measure it."""
    began, before = time.monotonic(), os.times()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watch = _Watch(process.pid)
    watch.start()
    output, errors = process.communicate()
    seconds, after = time.monotonic() - began, os.times()
    watch.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors[-500:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(seconds, cpu, watch.peak, output)


class _Watch(threading.Thread):
    """Follows a process and its children until it has gone; `peak` is in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process, self.peak = psutil.Process(pid), 0.0

    def run(self) -> None:
        """Look 50 times a second."""
        while True:
            try:
                family = [self._process, *self._process.children(recursive=True)]
                total = sum(_resident(member.pid) for member in family)
            except psutil.NoSuchProcess:
                return
            if not total:
                return
            self.peak = max(self.peak, total)
            time.sleep(LOOK_SECONDS)


def _resident(pid: int) -> float:
    """MB of anonymous and shared memory of one process; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith(("RssAnon", "RssShmem"))]
    return sum(map(int, sizes)) / 1024
