"""Putting a finished file into the place of an old one, also on Windows, where whoever has that open holds it.

There a tomogram that Blender shows, or a file that a virus scanner looks at, cannot be replaced: those who can let go
are asked to (`ASKED`), and it is tried again for some seconds.
"""

import time
from collections.abc import Callable
from pathlib import Path

HELD = (5, 32, 33, 1224)  # Windows' errors for a file that somebody has open, locked or mapped; 5 also for a refusal
PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.1

ASKED: list[Callable[[Path], None]] = []
"""Called with a file that cannot be replaced: how this process closes it, or asks another one to."""


def is_held(error: OSError) -> bool:
    """True for Windows' way to say that somebody has the file open; other systems never say it."""
    return getattr(error, "winerror", None) in HELD


def exchange(new: Path, place: Path) -> None:
    """Rename `new` to `place`, whatever is there. Raises OSError, on Windows after some seconds of patience."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            new.replace(place)
            return
        except OSError as error:
            if not is_held(error) or time.monotonic() > limit:
                raise
        for ask in ASKED:
            ask(place)
        time.sleep(PAUSE_SECONDS)
