"""A child process that reads hostile files, one after the other; a script. Its memory and the time of each are bounded.

In: one line `FORMAT PATH`. Out: one JSON line: "ok", "refused" with the sentence, or "bug" with what was raised.
"""

import json
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz import formats
from tomo.errors import TomosegError

MEMORY = 2**30  # bytes beyond what the libraries take
SECONDS = 20


def main() -> None:
    """Serve until stdin ends."""
    read: dict[str, Callable[[Path], Any]] = {name: one.reader() for name, one in formats.FORMATS.items()}
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for line in sys.stdin:
        kind, _, place = line.rstrip("\n").partition(" ")
        print(json.dumps(_outcome(read[kind], Path(place))), flush=True)


def _outcome(read: Callable[[Path], Any], path: Path) -> dict[str, str]:
    signal.alarm(SECONDS)  # whose default is to end the process
    try:
        read(path)
    except TomosegError as error:
        return {"kind": "refused", "text": str(error)}
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return {"kind": "bug", "text": f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"}
    finally:
        signal.alarm(0)
    return {"kind": "ok", "text": ""}


if __name__ == "__main__":
    main()
