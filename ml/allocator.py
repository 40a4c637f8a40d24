"""What glibc, Linux's C library, does with memory that arrays give back. Nothing happens with another C library."""

import ctypes
import platform
import sys

KEPT = 2**29  # bytes
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> bool:
    """Keep up to half a GB of it for the next arrays; tells whether that is so.

    Else Linux takes back each layer's, and hands it out anew a page at a time, all zeros: a sixth of the time that
    applying takes (docs/apply.md).
    """
    library = _glibc()
    return library is not None and all(library.mallopt(name, KEPT) for name in (_MMAP_THRESHOLD, _TRIM_THRESHOLD))


def give_back_memory() -> None:
    """Give back to Linux what was kept: another program may need it."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" and platform.libc_ver()[0] == "glibc" else None
