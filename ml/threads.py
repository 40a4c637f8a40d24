"""How many CPU cores numpy's matrix products use; ml/devices.py does the same for torch.

Sums are added up in another order on another number of cores, so equal bits need equal numbers.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_products(cores: int) -> None:
    """Let numpy's matrix products use so many cores from now on; 0 means all that this process may use.

    Raises MemoryError where there is no memory for that many threads.
    """
    import numpy  # noqa: F401, limits reach only libraries that are loaded

    with _lack_of_memory_told():
        threadpool_limits(limits=cores or available_cores(), user_api="blas")


@contextmanager
def _lack_of_memory_told() -> Iterator[None]:
    """OpenBLAS sends its own thread SIGINT where it cannot start another one: that is no Ctrl+C of the user's."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
        if signal.SIGINT not in before and signal.SIGINT in signal.sigpending():
            signal.sigwait({signal.SIGINT})
            raise MemoryError("no memory for the threads of matrix products")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
