"""How a step tells its progress: to a terminal, to a log file, to Blender, or to nobody."""

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from tqdm import tqdm

LINE_SECONDS = 10.0


class Cancelled(Exception):
    """The user cancelled the step; what was finished stays, nothing half-written is left."""


class Report(Protocol):
    """What every step gets as its last argument. Each call may raise Cancelled."""

    def progress(self, fraction: float, message: str) -> None:
        """Tell how much is done (0 to 1) and what is being done now, in the protocol's words."""

    def log(self, message: str) -> None:
        """Tell something that the user may want to read again later."""

    def preview(self, path: str) -> None:
        """Name a file with an intermediate result that can be shown now."""


class LiveReport(Report, Protocol):
    """What a step gets that listens while it runs: live training."""

    def check(self) -> None:
        """Raises Cancelled where the user has cancelled, or nobody listens any more."""

    def commands(self, seconds: float = 0.0) -> list[dict[str, Any]]:
        """What was told to the step since the last call, in order; waits so long for the first one."""

    def live(self, event: str, **more: Any) -> None:
        """Tell how the step stands."""

    def preview(self, path: str, **more: Any) -> None:
        """Name a file that can be shown now, and what it shows."""


class Silent:
    """Reports to nobody; for tests and for steps inside steps."""

    def progress(self, fraction: float, message: str) -> None:
        pass

    def log(self, message: str) -> None:
        pass

    def preview(self, path: str) -> None:
        pass


class Part:
    """A report for one part of a step: its 0 to 1 becomes start to end of the whole."""

    def __init__(self, whole: Report, start: float, end: float) -> None:
        self._whole, self._start, self._end = whole, start, end

    def progress(self, fraction: float, message: str) -> None:
        self._whole.progress(self._start + fraction * (self._end - self._start), message)

    def log(self, message: str) -> None:
        self._whole.log(message)

    def preview(self, path: str) -> None:
        self._whole.preview(path)


class TimeLeft:
    """Estimates the seconds left from the fraction done so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began = clock, clock()

    def seconds(self, fraction: float) -> float | None:
        """Seconds left, or None while it is too early to tell."""
        spent = self._clock() - self._began
        return None if fraction < 0.01 or spent < 0.5 else spent * (1 - fraction) / fraction


class TerminalBar:
    """A progress bar on a terminal's stderr; log lines go above it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        form = "{desc} {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left"
        self._bar: Any = tqdm(total=1.0, file=stream or sys.stderr, bar_format=form, leave=False, dynamic_ncols=True)

    def progress(self, fraction: float, message: str) -> None:
        self._bar.set_description_str(message, refresh=False)
        self._bar.n = min(max(fraction, 0.0), 1.0)
        self._bar.refresh()

    def log(self, message: str) -> None:
        self._bar.write(message, file=self._bar.fp)

    def preview(self, path: str) -> None:
        pass

    def close(self) -> None:
        self._bar.close()


class LogLines:
    """Where stderr is no terminal: a line every 10 s, the first after 10 s."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream or sys.stderr, clock
        self._last = clock()
        self._left = TimeLeft(clock)

    def progress(self, fraction: float, message: str) -> None:
        now = self._clock()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            left = self._left.seconds(fraction)
            ending = "" if left is None else f", {left:.0f} s left"
            print(f"{message}: {100 * fraction:.0f} %{ending}", file=self._stream, flush=True)

    def log(self, message: str) -> None:
        print(message, file=self._stream, flush=True)

    def preview(self, path: str) -> None:
        pass

    def close(self) -> None:
        pass
