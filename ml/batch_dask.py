"""A batch's tasks on Dask's workers: they are sent, watched, and done again where a worker is lost."""

import math
import pickle
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future, KilledWorker, get_worker

from ml.batch_run import Hear
from ml.batch_tasks import BATCH_OPTIONS, Call, perform
from ml.faults import sentence_for
from ml.report import Cancelled, Report
from tomo.errors import TomosegError

TOPIC = "tomoseg"
POLL_SECONDS = 0.5
GONE_SECONDS = 30.0  # without a scheduler, before the batch is given up
KILLED = (
    "The processes that worked on it were ended again and again, for lack of memory perhaps: lower --memory or "
    "--workers, and give the same command again."
)
QUIET_SECONDS = 15.0  # without any worker, before the user is told
FETCH_SECONDS = 5.0
RENEW_SECONDS = 30.0  # Dask itself counts a worker as lost after 15


class DaskCrew:
    """Does tasks on the workers that a client's scheduler has.

    threads: CPU cores for each task; None for as many as the worker has. most: workers to expect, for the size of
    tasks. place: the scheduler's name in sentences. dashboard: the address of the pages that show what Dask does, where
    there are some. patience: seconds to go on without any worker. renew: called now and then, to replace lost workers.
    """

    def __init__(
        self,
        client: Client,
        report: Report,
        *,
        place: str,
        threads: int | None,
        most: int,
        dashboard: str | None = None,
        patience: float = math.inf,
        renew: Callable[[], None] | None = None,
    ) -> None:
        self._client, self._report, self._place, self._threads = client, report, place, threads
        self.most, self.dashboard, self._patience = most, dashboard, patience
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._futures: dict[int, Future[Any]] = {}
        self._run = f"tomoseg-{time.time_ns():x}"
        self._alive = self._had_workers = self._renewed = time.monotonic()
        self._renew = renew
        self._told = False
        client.subscribe_topic(TOPIC, self._event)
        client.subscribe_topic("all", self._happened)

    def slots(self) -> int:
        """One for each worker there is now, and one that waits."""
        count = len(self._client.scheduler_info()["workers"])
        if count:
            self._had_workers = time.monotonic()
        return count + 1

    def submit(self, ticket: int, call: Call) -> None:
        key = f"{self._run}-{ticket}"
        parcel = pickle.dumps(_Parcel(call, self._threads, key))
        future = self._client.submit(pickle.loads, parcel, key=key, pure=False)
        self._futures[ticket] = future
        future.add_done_callback(lambda _: self._news.put(("done", ticket)))

    def wait(self, hear: Hear) -> list[tuple[int, dict[str, Any]]]:
        """The answers that have come; tells what tasks report. Raises TomosegError where the scheduler is gone."""
        self._watch()
        answers, again, patience = [], [], POLL_SECONDS
        while (news := _next(self._news, patience)) is not None:
            patience = 0.0
            kind, what = news
            if kind == "done" and what in self._futures:
                answer = self._answer(self._futures[what])
                if answer is None:
                    again.append(what)
                else:
                    del self._futures[what]
                    answers.append((what, answer))
            elif kind == "event" and what["key"].startswith(self._run):
                hear(int(what["key"].rpartition("-")[2]), what["event"])
            elif kind == "lost":
                self._report.log("A worker was lost: its tasks are done again by another.")
        for ticket in again:
            self._news.put(("done", ticket))
        return answers

    def close(self) -> None:
        """Cancel what has not been done."""
        if self._futures and self._client.status == "running":
            self._client.cancel(list(self._futures.values()), force=True)
        self._futures.clear()

    def _event(self, event: tuple[float, Any]) -> None:
        self._news.put(("event", event[1]))

    def _happened(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if isinstance(message, dict) and message.get("action") == "remove-worker" and message.get("processing-tasks"):
            self._news.put(("lost", message.get("worker")))

    def _watch(self) -> None:
        now = time.monotonic()
        if self._client.status == "running":
            self._alive = now
        elif now - self._alive > GONE_SECONDS:
            raise self._gone()
        if now - self._had_workers > self._patience:
            raise self._gone()
        if self._renew is not None and now - self._renewed > RENEW_SECONDS:
            self._renewed = now
            self._renew()
        if not self._told and now - self._had_workers > QUIET_SECONDS:
            self._told = True
            self._report.log(f"No worker has come to {self._place} yet: the batch waits for one.")

    def _answer(self, future: "Future[Any]") -> dict[str, Any] | None:
        """None where it was lost with its worker before it could be fetched: the task is being done again."""
        if future.status in ("pending", "lost"):
            time.sleep(POLL_SECONDS)
            return None
        if future.status == "finished":
            try:
                answer: dict[str, Any] = future.result(FETCH_SECONDS)
            except TimeoutError:
                return None  # without a limit, and without a worker, this would wait for ever
            return answer
        if future.status != "error":
            raise self._gone()
        error = future.exception()
        if isinstance(error, KilledWorker):
            return {"error": KILLED}
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in ("ml", "tomo"):
            raise TomosegError(
                f"{self._place} has a worker whose Python lacks Tomoseg ({error}): start its workers from Tomoseg's "
                "environment, then give the same command again; the batch goes on where it stopped."
            )
        sentence = sentence_for(error, BATCH_OPTIONS)
        return {"error": sentence or f"Its task failed at {self._place} ({type(error).__name__}: {error})."}

    def _gone(self) -> TomosegError:
        return TomosegError(
            f"{self._place} does not answer any more: start it again, and give the same command; the batch goes on "
            "where it stopped."
        )


@dataclass(frozen=True)
class _Parcel:
    """A task that is done by unpacking it.

    Dask unpacks what a task consists of before the task begins, and a worker that cannot, since its Python lacks
    Tomoseg, ends without a word. `pickle.loads` every worker has: so the task fails, and says why.
    """

    call: Call
    threads: int | None
    key: str

    def __reduce__(self) -> tuple[Any, ...]:
        return perform_there, (self.call, self.threads, self.key)


def perform_there(call: Call, threads: int | None, key: str) -> dict[str, Any]:
    """One task on a Dask worker; what it reports goes to the batch by way of the scheduler."""
    from ml.cli import prepare_process

    prepare_process()
    worker = get_worker()

    def tell(event: dict[str, Any]) -> None:
        # Its batch was cancelled: nobody waits for it any more.
        if getattr(worker.state.tasks.get(key), "state", "") in ("", "cancelled", "released"):
            raise Cancelled
        worker.log_event(TOPIC, {"key": key, "event": event})

    return perform(call, threads or worker.state.nthreads, tell)


def _next(news: "queue.SimpleQueue[tuple[str, Any]]", patience: float) -> tuple[str, Any] | None:
    try:
        return news.get(timeout=patience) if patience else news.get_nowait()
    except queue.Empty:
        return None
