"""The worker: serves Blender over stdin and stdout, one step at a time (JSON-RPC 2.0, one message a line).

The main thread runs the steps. A reader thread answers `ping`, `versions`, `cancel` and `tell` at once, whatever the
main thread does; what is told lies in the job's mailbox until the step looks there. When stdin ends, Blender has gone:
the running step is cancelled (checkpoints stay) and the worker ends.
"""

import _thread
import argparse
import gc
import importlib
import os
import platform
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from importlib import metadata
from types import ModuleType, TracebackType
from typing import Any

from ml.allocator import give_back_memory
from ml.cli import STEPS, prepare_process, run_step
from ml.faults import bug_sentence, sentence_for
from ml.options import from_json
from ml.protocol import (
    BUG,
    CANCELLED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MACHINE,
    MENDABLE,
    METHOD_NOT_FOUND,
    Channel,
    Id,
    ProtocolError,
    Request,
    lines_from,
    parse_request,
)
from ml.report import Cancelled, TimeLeft
from tomo import exchange
from tomo.errors import TomosegError

WORKER_STEPS = {
    **STEPS,
    "preview": "ml.preview",
    "check": "ml.check",
    "import_rois": "ml.import_rois",
    "import_scnt": "ml.import_scnt",
    "export_rois": "ml.export_rois",
    "import_mask": "ml.import_mask",
    "component": "ml.component",
    "live": "ml.live",
}
USES_TORCH = {"trainset", "train", "apply", "preview", "evaluate", "batch", "convert", "check", "live"}
LISTENS = {"live"}  # steps that look into their mailbox
PROGRESS_SECONDS = 0.1  # Blender's timer looks no more often
GRACE_SECONDS = 0.5  # after a cancel, for the step to notice by itself
END_SECONDS = 4.0  # after the end of stdin, for the step to end by itself
_PACKAGES = ("torch", "numpy", "mrcfile", "scipy", "scikit-image", "h5py", "tifffile", "safetensors")


class Job:
    """One request for a step, waiting or running, and the report that the step gets."""

    def __init__(self, request: Request, channel: Channel) -> None:
        self.request, self._channel = request, channel
        self.cancelled = False
        self.noticed = False  # Cancelled was raised inside the step: it must end in peace
        self._left, self._last = TimeLeft(), -PROGRESS_SECONDS
        self.mailbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def progress(self, fraction: float, message: str) -> None:
        """Send a notification, ten a second at most; raises Cancelled once the user has cancelled."""
        self.check()
        now = time.monotonic()
        if now - self._last >= PROGRESS_SECONDS or fraction >= 1:
            self._last = now
            told = {"fraction": fraction, "message": message, "seconds_left": self._left.seconds(fraction)}
            self._channel.notify("progress", {"id": self.request.id, **told})

    def log(self, message: str) -> None:
        """Send a line that the user may want to read again later."""
        self.check()
        self._channel.notify("log", {"id": self.request.id, "message": message})

    def preview(self, path: str, **more: Any) -> None:
        """Name a file that can be shown now; more: what else is known about it."""
        self.check()
        self._channel.notify("preview", {"id": self.request.id, "path": path, **more})

    def live(self, event: str, **more: Any) -> None:
        """Tell how live training stands."""
        self.check()
        self._channel.notify("live", {"id": self.request.id, "event": event, **more})

    def commands(self, seconds: float = 0.0) -> list[dict[str, Any]]:
        """What was told to this job since the last call, in order; waits so long for the first one."""
        found: list[dict[str, Any]] = []
        with suppress(queue.Empty):
            while True:
                found.append(self.mailbox.get(timeout=seconds) if seconds and not found else self.mailbox.get_nowait())
        return found

    def check(self) -> None:
        """Raises Cancelled where the user has cancelled or nobody listens any more."""
        if self.cancelled or self._channel.broken:
            self.noticed = True
            raise Cancelled


class Answering:
    """Runs a step inside a `with` block: whatever goes wrong there becomes the answer to its request."""

    def __init__(self, job: Job, channel: Channel) -> None:
        self._job, self._channel = job, channel

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # From here on the step is over, and an interrupt that comes too late must not hit the answer.
        self._job.noticed = True
        if error is None:
            return True
        code, sentence = self._fault(error)
        if code in (BUG, MACHINE):
            traceback.print_exception(error, file=sys.stderr)
        self._channel.error(self._job.request.id, code, sentence)
        return True

    def _fault(self, error: BaseException) -> tuple[int, str]:
        if isinstance(error, Cancelled) or self._job.cancelled:
            return CANCELLED, f"{self._job.request.method}: cancelled."
        if isinstance(error, ProtocolError):
            return error.code, str(error)
        if isinstance(error, TomosegError):
            return MENDABLE, str(error)
        if sentence := sentence_for(error, options_of(self._job.request.method)):
            return MACHINE, sentence
        return BUG, bug_sentence(error)


class Server:
    """Reads requests in one thread and runs the steps in the main thread, in the order of their arrival."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._jobs: dict[Id | None, Job] = {}
        self._current: Job | None = None
        self._stopping = False
        self._interrupting = False
        # Reentrant, since a signal may arrive while the main thread holds it.
        self._lock = threading.RLock()
        self._ended = threading.Event()

    def read(self, descriptor: int) -> None:
        """The reader thread: take requests until stdin ends, then see to it that the process ends too."""
        for line in lines_from(descriptor):
            try:
                self._dispatch(parse_request(line))
            except ProtocolError as error:
                self._channel.error(error.request_id, error.code, str(error))
        self.stop()

    def work(self) -> None:
        """The main thread: run one job after the other until the server stops."""
        while (job := self._queue.get()) is not None:
            try:
                if not self._stopping:
                    self._run(job)
            except Cancelled:
                # The interrupt hit the moment in which the step had just ended with an error of its own.
                self._channel.error(job.request.id, CANCELLED, f"{job.request.method}: cancelled.")
        self._ended.set()

    def stop(self) -> None:
        """Cancel the running step, forget the waiting ones, and let `work` return, at the latest in END_SECONDS."""
        with self._lock:
            self._stopping = True
            if self._current is not None:
                self._cancel(self._current)
        self._queue.put(None)
        _start_timer(END_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if not self._ended.is_set():
            print("The step did not end in time; the worker ends all the same.", file=sys.stderr, flush=True)
            os._exit(1)

    def on_interrupt(self, _number: int, _frame: Any) -> None:
        """SIGINT's handler: from the reader thread it ends a step that does not look at its report."""
        if not self._interrupting:
            self.stop()
            return
        self._interrupting = False
        job = self._current
        if job is not None and not job.noticed:
            job.check()

    def on_terminate(self, _number: int, _frame: Any) -> None:
        """SIGTERM's handler: end as if stdin had ended."""
        self.stop()

    def _dispatch(self, request: Request) -> None:
        if request.method == "cancel":
            self._channel.result(request.id, {"cancelled": self._cancel_request(request.params.get("id"))})
        elif request.method == "tell":
            self._channel.result(request.id, {"told": self._tell(request.params)})
        elif request.method == "ping":
            current = self._current
            self._channel.result(request.id, {"running": current.request.id if current else None, "pid": os.getpid()})
        elif request.method == "versions":
            self._channel.result(request.id, versions())
        elif request.method in WORKER_STEPS and request.id is not None:
            self._accept(Job(request, self._channel))
        elif request.id is not None:
            known = ", ".join([*WORKER_STEPS, "cancel", "tell", "ping", "versions"])
            raise ProtocolError(METHOD_NOT_FOUND, f"Unknown method {request.method!r}: known are {known}.", request.id)

    def _accept(self, job: Job) -> None:
        request_id = job.request.id
        assert request_id is not None
        with self._lock:
            if request_id in self._jobs:
                raise ProtocolError(INVALID_REQUEST, f"Request {request_id!r} is not answered yet.", request_id)
            self._jobs[request_id] = job
        self._queue.put(job)

    def _cancel_request(self, request_id: Any) -> bool:
        """Cancel a waiting or running job; False where there is none of that id."""
        with self._lock:
            job = self._jobs.get(request_id) if isinstance(request_id, str | int) else None
            if job is not None:
                self._cancel(job)
        return job is not None

    def _tell(self, params: dict[str, Any]) -> bool:
        """Put a command into the mailbox of a waiting or running job; False where there is none that listens."""
        request_id = params.get("id")
        with self._lock:
            job = self._jobs.get(request_id) if isinstance(request_id, str | int) else None
        if job is None or job.request.method not in LISTENS:
            return False
        job.mailbox.put({name: value for name, value in params.items() if name != "id"})
        return True

    def _cancel(self, job: Job) -> None:
        if not job.cancelled:
            job.cancelled = True
            _start_timer(GRACE_SECONDS, self._interrupt, job)

    def _interrupt(self, job: Job) -> None:
        """End a step between two lines of Python, as Ctrl+C does on the command line."""
        with self._lock:
            if self._current is job and not job.noticed:
                self._interrupting = True
                _interrupt_main()

    def _run(self, job: Job) -> None:
        try:
            with Answering(job, self._channel):
                if job.request.method in USES_TORCH:
                    # Before the job can be interrupted: a half-imported torch cannot be imported again.
                    importlib.import_module("torch")
                self._current = job
                try:
                    result = self._step(job)
                finally:
                    self._current = None  # before the answer, of whatever kind: who has it may ask what is running
                self._channel.result(job.request.id, result)
        finally:
            with self._lock:
                self._current = None
                self._jobs.pop(job.request.id, None)
        gc.collect()
        give_back_memory()

    def _step(self, job: Job) -> dict[str, Any]:
        job.check()
        module = worker_step(job.request.method)
        try:
            options = from_json(module.Options, job.request.params)
        except TomosegError as error:
            raise ProtocolError(INVALID_PARAMS, str(error)) from error
        return run_step(module, options, job)


def _start_timer(seconds: float, function: Callable[..., None], *arguments: Any) -> None:
    timer = threading.Timer(seconds, function, arguments)
    timer.daemon = True
    timer.start()


def _interrupt_main() -> None:
    """As Ctrl+C does: a signal wakes the main thread, too, where it waits for another thread."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, signal.SIGINT)
    else:
        _thread.interrupt_main()


def worker_step(method: str) -> ModuleType:
    """The module of a step, its heavy parts not yet imported."""
    return importlib.import_module(WORKER_STEPS[method])


def options_of(method: str) -> list[str]:
    """Names of a step's options; none where its module could not be imported."""
    module = sys.modules.get(WORKER_STEPS.get(method, ""))
    return [] if module is None else [entry.name for entry in fields(module.Options)]


def versions() -> dict[str, Any]:
    """What a person needs for a report: Python and the packages, without importing them."""
    found: dict[str, Any] = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return {"python": platform.python_version(), "packages": found, "executable": sys.executable}


def main(words: list[str]) -> int:
    """Serve until stdin ends. stdout carries messages only: what libraries print goes to stderr."""
    argparse.ArgumentParser(prog="tomoseg worker", description=__doc__).parse_args(words)
    prepare_process()
    requests, channel = os.dup(sys.stdin.fileno()), Channel(os.dup(sys.stdout.fileno()))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    # On Windows Blender must close what it shows before that can be replaced.
    exchange.ASKED.append(lambda path: channel.notify("release", {"path": str(path)}))
    server = Server(channel)
    signal.signal(signal.SIGINT, server.on_interrupt)
    signal.signal(signal.SIGTERM, server.on_terminate)
    threading.Thread(target=server.read, args=(requests,), daemon=True).start()
    server.work()
    return 0
