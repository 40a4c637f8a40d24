"""How much memory a step takes, and how much it may still take.

What it takes is anonymous and shared memory of this process and its children, not mapped file pages.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import psutil

INTERVAL = 0.2  # seconds
CONTROL_GROUPS = Path("/sys/fs/cgroup")
# Names of limit, use, and what of that are file pages that give way, in the two versions of Linux's control groups.
_UNIFIED = ("memory.max", "memory.current", "inactive_file")
_SEPARATE = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


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


def available_memory() -> int:
    """Bytes that may still be taken: what the machine has free, or less in a container or in a job of a cluster.

    More than that, and Linux kills the process without a word.
    """
    return max(0, min([int(psutil.virtual_memory().available), *left_in_groups()]))


def left_in_groups(mine: Path = Path("/proc/self/cgroup"), root: Path = CONTROL_GROUPS) -> Iterator[int]:
    """Bytes left of each memory limit that this process is under; nothing where there is none, as on other systems.

    mine: the file that names its control groups. root: where their folders are.
    """
    try:
        lines = mine.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for folder, names in _folders(controllers, root):
            group = folder / path.lstrip("/")  # in a container it may not be there, and the root is the container's own
            for place in (group, *(parent for parent in group.parents if parent.is_relative_to(folder))):
                left = _left(place, *names)
                if left is not None:
                    yield left


def _folders(controllers: str, root: Path) -> list[tuple[Path, tuple[str, str, str]]]:
    """Where the groups of these controllers are, and what their files are called; none where memory is not theirs."""
    if not controllers:
        return [(root, _UNIFIED), (root / "unified", _UNIFIED)]
    return [(root / "memory", _SEPARATE)] if "memory" in controllers.split(",") else []


def _left(group: Path, limit: str, use: str, pages: str) -> int | None:
    """Bytes left in one control group, None where it has no limit."""
    try:
        most, used = (group / limit).read_text().strip(), int((group / use).read_text())
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return int(most) - used + int(statistics.get(pages, 0)) if most.isdigit() else None
