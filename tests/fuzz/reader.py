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
from types import TracebackType
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
        attempt = Attempt()
        with attempt:
            read[kind](Path(place))
        print(json.dumps(attempt.outcome), flush=True)


class Attempt:
    """One file's turn, as a `with` block: whatever is raised there becomes its outcome."""

    def __init__(self) -> None:
        self.outcome = {"kind": "ok", "text": ""}

    def __enter__(self) -> None:
        signal.alarm(SECONDS)  # whose default is to end the process

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        signal.alarm(0)
        if isinstance(error, TomosegError):
            self.outcome = {"kind": "refused", "text": str(error)}
        elif error is not None:
            last = traceback.extract_tb(trace)[-1]
            text = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
            self.outcome = {"kind": "bug", "text": text}
        return True


if __name__ == "__main__":
    main()
