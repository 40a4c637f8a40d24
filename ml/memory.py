"""How much memory a step takes: anonymous and shared memory of this process and its children, not mapped file pages."""

import threading
from pathlib import Path
from types import TracebackType

import psutil

INTERVAL = 0.2  # seconds


class PeakMemory:
    """A context manager; afterwards `megabytes` is the peak of what was in use inside it."""

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._sample()

    def _sample(self) -> None:
        self.megabytes = max(self.megabytes, memory_in_use() / 1e6)


def memory_in_use() -> int:
    """Bytes of anonymous and shared memory of this process and all processes that it started."""
    this = psutil.Process()
    return sum(_of_process(process) for process in (this, *this.children(recursive=True)))


def _of_process(process: psutil.Process) -> int:
    """Bytes of one process; 0 for one that has just ended."""
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup")
        if rollup.exists():
            return parse_rollup(rollup.read_text())
        # Without /proc (macOS, Windows) the nearest figure is what no other process shares.
        return int(process.memory_full_info().uss)
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError, PermissionError, FileNotFoundError):
        return 0


def parse_rollup(text: str) -> int:
    """Bytes of anonymous memory, and of shared memory (tmpfs, shm), in a /proc/…/smaps_rollup."""
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in text.splitlines() if line.endswith(" kB")}
    return sizes.get("Anonymous:", 0) + sizes.get("Pss_Shmem:", 0)
