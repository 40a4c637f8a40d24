"""How many CPU cores numpy's matrix products use; ml/devices.py does the same for torch.

Sums are added up in another order on another number of cores, so equal bits need equal numbers.
"""

import os

from threadpoolctl import threadpool_limits


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_products(cores: int) -> None:
    """Let numpy's matrix products use so many cores from now on; 0 means all that this process may use."""
    import numpy  # noqa: F401, limits reach only libraries that are loaded

    threadpool_limits(limits=cores or available_cores(), user_api="blas")
