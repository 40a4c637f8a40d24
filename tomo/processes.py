"""Is a process alive? Asked with Python's own library alone, since Blender's Python has no psutil."""

import hashlib
import os
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

_QUERY_LIMITED_INFORMATION, _STILL_ACTIVE = 0x1000, 259


@cache
def machine_mark() -> str:
    """Six letters for this computer (this container, too): a process number means something only with it."""
    space = ""
    with suppress(OSError):  # Linux alone has it
        space = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:6]


def is_alive(pid: int) -> bool:
    """True while a process of this computer has the number `pid`; a zombie counts until it is taken leave of."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # another user's
    return True


def _is_alive_on_windows(pid: int) -> bool:
    # There, os.kill(pid, 0) would end the process.
    import ctypes

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return bool(known) and code.value == _STILL_ACTIVE
