"""Reading ahead and writing behind: the disk works while the network does, in a thread each.

Never more than one item waits on either side, so memory stays bounded. What goes wrong in a thread is raised where its
result would have come, as if the caller had done the work itself.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Any, TypeVar

Wanted = TypeVar("Wanted")
Made = TypeVar("Made")
PARTS = ("reading", "preprocessing", "computing", "writing")


class Stopwatch:
    """How long each of PARTS was at work; parts that overlap may sum up to more than the whole."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seconds = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def during(self, part: str) -> Iterator[None]:
        """Add the time of a `with` block to a part; each part belongs to one thread at a time."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - began

    def shares(self) -> dict[str, float]:
        """Each part's seconds as a share of the time since the watch was made."""
        whole = max(time.perf_counter() - self.began, 1e-9)
        return {part: round(seconds / whole, 3) for part, seconds in self.seconds.items()}


def in_words(shares: dict[str, float]) -> str:
    """The shares as a person reads them: `reading 2 %, preprocessing 12 %, …`."""
    return ", ".join(f"{part} {100 * share:.0f} %" for part, share in shares.items())


def ahead(make: Callable[[Wanted], Made], wanted: Iterable[Wanted]) -> Generator[Made]:
    """make(each) in order, the next one being made in a thread while the caller works with the present one.

    Close it when it is left early: then the thread has ended.
    """
    waiting = iter(wanted)
    with ThreadPoolExecutor(1, "reading ahead") as reader:
        coming = [reader.submit(make, each) for each in islice(waiting, 1)]
        while coming:
            made = coming.pop().result()
            coming = [reader.submit(make, each) for each in islice(waiting, 1)]
            yield made


class Behind:
    """Does calls in a thread, one after the other, while the caller goes on; a context manager.

    When the block ends all calls are done. Their errors are raised by the next `put`, or at the end.
    """

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1, "writing behind")
        self._last: Future[Any] | None = None

    def __enter__(self) -> "Behind":
        return self

    def put(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Let a call be done, once the one before has been; waits for that one, and raises its error."""
        self._wait()
        self._last = self._writer.submit(call, *arguments)

    def _wait(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writer:  # waits, also where the block was left by an error, which then is the one to tell
            if error is None:
                self._wait()
