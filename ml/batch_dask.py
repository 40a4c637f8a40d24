"""A batch's tasks on Dask's workers: they are sent, watched, and done again where a worker is lost."""

import math
import queue
import time
from typing import Any

from distributed import Client, Future, KilledWorker, get_worker

from ml.batch_run import Hear
from ml.batch_tasks import Call, perform
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


class DaskCrew:
    """Does tasks on the workers that a client's scheduler has.

    threads: CPU cores for each task; None for as many as the worker has. most: workers to expect, for the size of
    tasks. place: the scheduler's name in sentences. dashboard: the address of the pages that show what Dask does, where
    there are some. patience: seconds to go on without any worker.
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
    ) -> None:
        self._client, self._report, self._place, self._threads = client, report, place, threads
        self.most, self.dashboard, self._patience = most, dashboard, patience
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._futures: dict[int, Future[Any]] = {}
        self._run = f"tomoseg-{time.time_ns():x}"
        self._alive = self._had_workers = time.monotonic()
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
        future = self._client.submit(perform_there, call, self._threads, key, key=key, pure=False)
        self._futures[ticket] = future
        future.add_done_callback(lambda _: self._news.put(("done", ticket)))

    def wait(self, hear: Hear) -> list[tuple[int, dict[str, Any]]]:
        """The answers that have come; tells what tasks report. Raises TomosegError where the scheduler is gone."""
        self._watch()
        answers, patience = [], POLL_SECONDS
        while (news := _next(self._news, patience)) is not None:
            patience = 0.0
            kind, what = news
            if kind == "done" and what in self._futures:
                answers.append((what, self._answer(self._futures.pop(what))))
            elif kind == "event" and what["key"].startswith(self._run):
                hear(int(what["key"].rpartition("-")[2]), what["event"])
            elif kind == "lost":
                self._report.log("A worker was lost: its tasks are done again by another.")
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
        if not self._told and now - self._had_workers > QUIET_SECONDS:
            self._told = True
            self._report.log(f"No worker has come to {self._place} yet: the batch waits for one.")

    def _answer(self, future: "Future[Any]") -> dict[str, Any]:
        if future.status == "finished":
            answer: dict[str, Any] = future.result()
            return answer
        if future.status != "error":
            raise self._gone()
        error = future.exception()
        if isinstance(error, KilledWorker):
            return {"error": KILLED}
        return {"error": sentence_for(error) or f"Its task failed at {self._place} ({type(error).__name__}: {error})."}

    def _gone(self) -> TomosegError:
        return TomosegError(
            f"{self._place} does not answer any more: start it again, and give the same command; the batch goes on "
            "where it stopped."
        )


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
