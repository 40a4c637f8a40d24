"""The real worker with one more step, `odd`, that behaves badly on demand. Run as a script by test_worker.py."""

import ctypes
import os
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ml import worker
from ml.options import option
from tomo.errors import TomosegError


@dataclass(frozen=True)
class Options:
    """What `odd` takes."""

    mode: str = option(help="how to misbehave")
    seconds: float = option(0.0, help="for how long")


def run(options, report):
    """Behave as `mode` says; the ways in which steps go wrong."""
    end = time.monotonic() + options.seconds
    if options.mode == "prints":
        print("a library says hello")
        os.write(1, b'{"jsonrpc": "2.0", "id": 1, "result": "from C"}\n')
    elif options.mode == "user error":
        raise TomosegError("cell1.mrc is truncated: copy it again.")
    elif options.mode == "bug":
        raise KeyError("no such key")
    elif options.mode == "memory":
        raise MemoryError
    elif options.mode == "gpu memory":
        raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")
    elif options.mode == "no package":
        import a_package_that_nobody_has  # noqa: F401
    elif options.mode == "leaves":
        sys.exit(3)
    elif options.mode == "nan":
        return {"dice": float("nan")}
    elif options.mode == "wait in C":
        ctypes.CDLL(None).sleep(60)  # a call that lets other threads run, and that a signal ends
    elif options.mode == "hang in C":
        library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(256)
        library.pthread_mutex_lock(lock)
        library.pthread_mutex_lock(lock)  # for ever, whatever signals come
    while time.monotonic() < end:
        if options.mode == "tells":
            report.progress(1 - (end - time.monotonic()) / options.seconds, "Being odd")
            report.log("still here")
            report.preview("slice.npy")
        time.sleep(0.01)
    return {"mode": options.mode}


sys.modules["odd"] = types.ModuleType("odd")
sys.modules["odd"].Options, sys.modules["odd"].run = Options, run
worker.WORKER_STEPS["odd"] = "odd"
sys.exit(worker.main(sys.argv[1:]))
