"""Work that lets others go first: in a thread of low priority, so that the process itself stays as it was."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from ml.report import Cancelled

LEAST_URGENT = 19
AUTOGROUP = Path("/proc/self/autogroup")
LOOK_SECONDS = 0.1
Result = TypeVar("Result")


def gently(work: Callable[[], Result], nice: int) -> Result:
    """The result of `work`, done in a thread that Blender's window goes before. nice: Unix's niceness, 0 to 19.

    Niceness cannot be taken back, but on Linux it is a thread's own, and torch's threads inherit it from the one that
    starts them: so it ends with this thread, and the next step runs as before. A cancel that interrupts the main
    thread waits here for `work`, which learns of it from its report.
    """
    with ThreadPoolExecutor(1, "live training") as pool:
        done = pool.submit(_nicely, work, min(max(nice, 0), LEAST_URGENT))
        while not done.done():
            with suppress(Cancelled, KeyboardInterrupt):
                wait([done], LOOK_SECONDS)
        return done.result()


def _nicely(work: Callable[[], Result], nice: int) -> Result:
    with _low_priority(nice):
        return work()


@contextmanager
def _low_priority(nice: int) -> Iterator[None]:
    """Linux: of this thread. Windows: of the process, taken back at the end. macOS: none that can be taken back."""
    if sys.platform == "linux":
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, max(nice, os.getpriority(os.PRIO_PROCESS, own)))
        with _nice_session(nice):
            yield
    elif sys.platform == "win32" and nice:
        process = psutil.Process()
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        try:
            yield
        finally:
            process.nice(psutil.NORMAL_PRIORITY_CLASS)
    else:
        yield


@contextmanager
def _nice_session(nice: int) -> Iterator[None]:
    """Desktops let sessions share the processors evenly, and niceness counts only within one (sched(7), autogroup).

    The worker that Blender starts has a session of its own: so that is made nice, too, and taken back at the end.
    """
    found = re.search(r" nice (-?\d+)", AUTOGROUP.read_text()) if AUTOGROUP.exists() else None
    if found is None or os.getsid(0) != os.getpid() or int(found[1]) >= nice:
        yield
        return
    _set_session(nice)
    try:
        yield
    finally:
        _set_session(int(found[1]))


def _set_session(nice: int) -> None:
    """Linux takes one such change in a tenth of a second from all programs together; another try then."""
    for _ in range(5):
        try:
            AUTOGROUP.write_text(str(nice))
        except OSError:
            time.sleep(0.15)
        else:
            return
