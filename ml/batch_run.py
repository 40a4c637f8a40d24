"""Runs the plans of a batch on whatever does the work: this process (`Here`), or Dask's workers (ml/batch_dask.py)."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ml.batch_plan import Answers, Plan
from ml.batch_tasks import Call, failure, perform
from ml.options import UsageError
from ml.report import Cancelled, Report
from tomo.errors import TomosegError

COLUMNS = ("tomogram", "status", "seconds", "found", "error")


class Hear(Protocol):
    """What a crew tells while its tasks run."""

    def __call__(self, ticket: int, event: dict[str, Any]) -> None:
        """One event of a task: `fraction`, `log`, or `z0` with `statistics`. Raises Cancelled."""


class Crew(Protocol):
    """Who does the tasks."""

    def slots(self) -> int:
        """How many tasks it wants to have now, at least one."""

    def submit(self, ticket: int, call: Call) -> None:
        """Let a task be done some time; its answer will come under this number."""

    def wait(self, hear: Hear) -> list[tuple[int, dict[str, Any]]]:
        """The answers that have come; returns empty-handed after half a second. Raises TomosegError, Cancelled."""


class Here:
    """Does the tasks in this process, one after the other."""

    most, dashboard = 1, None

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._waiting: deque[tuple[int, Call]] = deque()

    def slots(self) -> int:
        return 1

    def submit(self, ticket: int, call: Call) -> None:
        self._waiting.append((ticket, call))

    def wait(self, hear: Hear) -> list[tuple[int, dict[str, Any]]]:
        ticket, call = self._waiting.popleft()
        return [(ticket, perform(call, self._threads, _Telling(hear, ticket)))]


@dataclass(frozen=True)
class _Telling:
    hear: Hear
    ticket: int

    def __call__(self, event: dict[str, Any]) -> None:
        self.hear(self.ticket, event)


@dataclass
class Turn:
    """A tomogram whose turn it is. answers: of the tasks that it waits for, None where one has not come yet."""

    plan: Plan
    steps: Generator[list[Call], Answers, tuple[str, bool]]
    calls: list[Call] = field(default_factory=list)
    answers: list[dict[str, Any] | None] = field(default_factory=list)
    fractions: list[float] = field(default_factory=list)
    sent: int = 0
    begun: bool = False
    error: str = ""

    @property
    def waits(self) -> bool:
        """Some task is being done, or has to be."""
        due = self.sent if self.error else len(self.calls)
        return sum(answer is not None for answer in self.answers) < due

    @property
    def fraction(self) -> float:
        """How much of the tomogram is done."""
        start, end = self.plan.span
        return start + (end - start) * sum(self.fractions) / max(len(self.fractions), 1)


class Coordinator:
    """Gives the tasks of all plans to a crew, those of the first tomograms first, and makes the table of results."""

    def __init__(self, plans: Iterable[Plan], crew: Crew, report: Report) -> None:
        self._waiting, self._crew, self._report = deque(plans), crew, report
        self._count = len(self._waiting)
        self._rows: dict[str, dict[str, Any]] = {}
        self._turns: list[Turn] = []
        self._tickets: dict[int, tuple[Turn, int]] = {}
        self._next, self._title = 0, "Starting"

    def run(self) -> list[dict[str, Any]]:
        """One row per plan, in the order of their ends. Raises Cancelled, UsageError, or TomosegError of the crew."""
        try:
            while self._fill():
                for ticket, answer in self._crew.wait(self._hear):
                    self._take(ticket, answer)
                self._tell()
        finally:
            for turn in self._turns:
                turn.steps.close()  # maps keep what is done
        return list(self._rows.values())

    def _fill(self) -> bool:
        """Send tasks while the crew can take some; False once all is done."""
        while len(self._tickets) < self._crew.slots():
            call = next(self._due(), None)
            if call is not None:
                turn, number = call
                self._send(turn, number)
            elif self._waiting:
                plan = self._waiting.popleft()
                plan.began = time.monotonic()
                turn = Turn(plan, plan.steps())
                self._turns.append(turn)
                self._advance(turn)
            else:
                break
        return bool(self._tickets)

    def _due(self) -> Iterator[tuple[Turn, int]]:
        for turn in self._turns:
            if turn.sent < len(turn.calls) and not turn.error:
                yield turn, turn.sent

    def _send(self, turn: Turn, number: int) -> None:
        self._tickets[self._next] = (turn, number)
        turn.sent += 1
        self._crew.submit(self._next, replace(turn.calls[number], folders=turn.plan.folders))
        self._next += 1

    def _take(self, ticket: int, answer: dict[str, Any]) -> None:
        turn, number = self._tickets.pop(ticket)
        turn.answers[number], turn.fractions[number] = answer, 1.0
        turn.error = turn.error or answer.get("error", "")
        if not turn.waits:
            self._advance(turn)

    def _advance(self, turn: Turn) -> None:
        """Give a plan its answers and take its next tasks, until it waits for one or has ended."""
        attempt = Attempt(turn.plan)
        with attempt:
            while not turn.waits:
                if not self._next_tasks(turn, attempt):
                    break
            else:
                return
        self._turns.remove(turn)
        self._rows[turn.plan.path.name] = attempt.row()
        if attempt.error:
            self._report.log(f"{turn.plan.path.name}: {attempt.error}")

    def _next_tasks(self, turn: Turn, attempt: "Attempt") -> bool:
        """Take the plan's next tasks; False where it has ended. Raises whatever the plan raises."""
        answers = [answer["result"] for answer in turn.answers if answer is not None and "result" in answer]
        try:
            if turn.error:
                turn.calls = turn.steps.throw(turn.plan.gone() or TomosegError(turn.error))
            else:
                turn.calls = turn.steps.send(answers) if turn.begun else next(turn.steps)
        except StopIteration as end:
            attempt.found, attempt.kept = end.value
            return False
        turn.begun, turn.sent = True, 0
        turn.answers, turn.fractions = [None] * len(turn.calls), [0.0] * len(turn.calls)
        return True

    def _hear(self, ticket: int, event: dict[str, Any]) -> None:
        if ticket in self._tickets:
            turn, number = self._tickets[ticket]
            turn.fractions[number] = event.get("fraction", turn.fractions[number])
            self._title = turn.calls[number].title
            if "z0" in event:
                turn.plan.note(event["z0"], event["statistics"])
            if "log" in event:
                self._report.log(event["log"])
        self._tell()

    def _tell(self) -> None:
        done = len(self._rows) + sum(turn.fraction for turn in self._turns)
        message = f"{self._title} ({len(self._rows)} of {self._count} tomograms done)"
        self._report.progress(min(done / self._count, 1.0), message)


class Attempt:
    """One tomogram's turn, as a `with` block: whatever goes wrong becomes its row in the table, except a cancel."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.found, self.kept, self.error = "", False, ""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: Any) -> bool:
        if error is None or isinstance(error, Cancelled | UsageError) or not isinstance(error, Exception):
            return False
        # Where a folder went away, that is the reason, whatever the processes made of it.
        self.error = str(self._plan.gone() or failure(error))
        return True

    def row(self) -> dict[str, Any]:
        """The tomogram's line: done, kept from an earlier run, or failed."""
        status = "failed" if self.error else "kept" if self.kept else "done"
        seconds = time.monotonic() - self._plan.began
        values = (self._plan.path.name, status, seconds, self.found, self.error)
        return dict(zip(COLUMNS, values, strict=True))
