"""Steps that run in the worker: start, progress, cancel, and what happens with the result.

In a window a timer collects messages and nothing waits; in background mode there is no event loop, so the same
call waits until the step is done and raises what went wrong.
"""

import os
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import bpy
from bpy.types import Scene

from ..tomo import exchange
from ..tomo.errors import TomosegError
from .preferences import worker_python
from .state import project_folder
from .worker import HANDLE, WorkerError

POLL_SECONDS = 0.1
LINE_SECONDS = 10.0
CLEAR = "\r\033[K"  # empties a terminal's line
CANCELLED = -32800  # the worker's code for a request that the user ended
NOTES = 4  # lines of a job's log that stay in the panel after its end
WAIT_OR_CANCEL = "wait for its end, or cancel it"
OnDone = Callable[[Scene, dict[str, Any]], str]


class Partner(Protocol):
    """What goes on in Blender while a job runs that talks with it, such as live training."""

    @property
    def summary(self) -> str:
        """What the progress bar says; empty for the fraction that is done."""

    def heard(self, method: str, params: dict[str, Any]) -> None:
        """A notification of the job: `live` or `preview`."""

    def tick(self) -> float:
        """Asked at each poll, also in background mode; returns the seconds until the next one."""


@dataclass
class Job:
    """One request of the worker. State lives here, not in properties: undo would turn the progress back.

    step: the panel that shows it. on_done: takes the scene and the result, returns a sentence for the user. steps: for
    what only Blender's process can do, the work itself in short steps; each yields the fraction that is done. watches:
    its steps look after another process: they are asked at each poll, and see for themselves that they are cancelled.
    partner: hears of the job while it runs. remedy: what to do so that something else can run.
    """

    step: str
    title: str
    scene: str
    folder: Path | None
    on_done: OnDone
    number: int = 0
    fraction: float = 0.0
    message: str = "Starting"
    seconds_left: float | None = None
    cancelling: bool = False
    log: list[str] = field(default_factory=list)
    preview: str = ""
    steps: Iterator[float] | None = None
    watches: bool = False
    partner: Partner | None = None
    remedy: str = WAIT_OR_CANCEL
    shown: tuple[str, int] = ("", 0)  # what the window tells of it now

    @property
    def done(self) -> str:
        """What the progress bar says: `40 %, 2 min left`."""
        if self.cancelling:
            return "Cancelling"
        if self.partner is not None and self.partner.summary:
            return self.partner.summary
        left = "" if self.seconds_left is None else f", {duration(self.seconds_left)} left"
        return f"{100 * self.fraction:.0f} %{left}"

    @property
    def text(self) -> str:
        """The same in one line with what is being done: `Training membrane: 40 %, 2 min left`."""
        return f"{self.message}: {self.done}"


@dataclass(frozen=True)
class Outcome:
    """How the last job ended, for the panel."""

    step: str
    title: str
    failed: bool
    sentence: str
    notes: tuple[str, ...] = ()


class JobFailed(TomosegError):
    """A job ended with an error or was cancelled; background operators report the sentence."""


def duration(seconds: float) -> str:
    """`40 s`, `3 min` or `2 h 5 min`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def running(step: str | None = None) -> Job | None:
    """The job that runs now (of this step, if one is named), or None."""
    job: Job | None = HANDLE.job
    return job if job is not None and step in (None, job.step) else None


def outcome(step: str | None = None) -> Outcome | None:
    """How the last job (of this step) ended, or None."""
    last: Outcome | None = HANDLE.outcome
    return last if last is not None and step in (None, last.step) else None


def busy() -> str | None:
    """Why no other step can start now, or None."""
    job = running()
    return None if job is None else f"{job.title} is running: {job.remedy}."


def waits() -> bool:
    """True in background mode, where a step is over when its operator returns."""
    return bool(bpy.app.background)


def start(
    scene: Scene,
    step: str,
    title: str,
    request: tuple[str, dict[str, Any]],
    on_done: OnDone,
    *,
    partner: Partner | None = None,
    remedy: str = WAIT_OR_CANCEL,
) -> str:
    """Send request (method, params) to the worker; `on_done` gets the result in the main thread.

    Returns a sentence for the user: in a window that the job runs, in background mode, where this returns when all is
    done, how it ended. Raises TomosegError for what goes wrong until then.
    """
    if (reason := busy()) is not None:
        raise WorkerError(reason)
    worker = HANDLE.running(worker_python())
    folder = project_folder(scene)
    job = Job(step, title, scene.name, folder, on_done, message=title, partner=partner, remedy=remedy)
    job.number = worker.request(*request)
    HANDLE.job, HANDLE.outcome = job, None
    if bpy.app.background:
        return _wait(job)
    if not bpy.app.timers.is_registered(poll):
        bpy.app.timers.register(poll, first_interval=POLL_SECONDS, persistent=True)
    return f"{title} …"


def start_here(
    scene: Scene, step: str, title: str, steps: Iterator[float], on_done: OnDone, *, watches: bool = False
) -> str:
    """Do the work of `steps` in this process, a little at each tick of the timer; else the same as `start`."""
    if (reason := busy()) is not None:
        raise WorkerError(reason)
    job = Job(step, title, scene.name, project_folder(scene), on_done, message=title, steps=steps, watches=watches)
    HANDLE.job, HANDLE.outcome = job, None
    if bpy.app.background:
        return _run_here(job)
    if not bpy.app.timers.is_registered(poll):
        bpy.app.timers.register(poll, first_interval=POLL_SECONDS, persistent=True)
    return f"{title} …"


def _run_here(job: Job) -> str:
    """All steps of a job of this process, one after the other; returns how it ended. Raises JobFailed."""
    lines = _Lines(job.title)
    try:
        while running() is job:
            _advance(job)
            lines.show(job)
    finally:
        lines.close()
        if running() is job:  # Ctrl+C
            HANDLE.job = None
    return _sentence_of_outcome()


def cancel() -> None:
    """Ask for the end of the running job; what was finished so far stays."""
    job = running()
    if job is not None:
        job.cancelling = True
        if job.steps is None and HANDLE.worker is not None:
            HANDLE.worker.cancel(job.number)


def tell(command: str, **more: Any) -> None:
    """Say something to the running job of the worker, which does not wait for its end. Raises WorkerError."""
    job = running()
    if job is not None and job.steps is None and HANDLE.worker is not None:
        HANDLE.worker.request("tell", {"id": job.number, "command": command, **more})


def scene_of(job: Job) -> Scene | None:
    """The scene that a job was started from; None once its project is not open there any more."""
    scene = bpy.data.scenes.get(job.scene)
    if scene is None:
        return None
    folder = project_folder(scene)
    if folder is None or job.folder is None:
        return scene if folder is job.folder else None  # the worker can be checked without a project
    # Saving the .blend makes the folder relative to it, perhaps by way of "..".
    return scene if os.path.realpath(folder) == os.path.realpath(job.folder) else None


def poll() -> float | None:
    """Timer: take the worker's messages; ends itself when there is no job."""
    if HANDLE.worker is not None:
        for message in HANDLE.worker.messages():
            if (job := running()) is not None and job.steps is None:
                _take(job, message)
    here = running()
    if here is not None and here.steps is not None:
        _advance(here)
    pause = here.partner.tick() if here is not None and here.partner is not None else POLL_SECONDS
    _show_progress()
    if (job := running()) is None:
        return None
    if job.partner is not None:
        return pause
    return POLL_SECONDS if job.steps is None or job.watches else 0.0


def _advance(job: Job) -> None:
    """The next step of a job of this process, or its end."""
    assert job.steps is not None
    if job.cancelling and not job.watches:
        _end(job, failed=True, sentence=_cancelled(job))
        return
    try:
        job.fraction = next(job.steps)
    except StopIteration:
        _answered(job, {"result": {}})
    except TomosegError as error:
        _end(job, failed=True, sentence=str(error))


def _wait(job: Job) -> str:
    """Wait for the end of a job and tell its progress; returns how it ended. Raises JobFailed."""
    assert HANDLE.worker is not None
    lines = _Lines(job.title)
    while running() is job:
        try:
            with suppress(queue.Empty):  # no news: the line below is due all the same
                _take(job, HANDLE.worker.wait(0.5 if job.partner is None else POLL_SECONDS))
            if job.partner is not None and running() is job:
                job.partner.tick()
        except KeyboardInterrupt:
            cancel()
        lines.show(job)
    lines.close()
    return _sentence_of_outcome()


def _sentence_of_outcome() -> str:
    """How the job ended that background mode waited for; raises JobFailed."""
    last = outcome()
    if last is None or last.failed:
        raise JobFailed("The worker was stopped." if last is None else last.sentence)
    return last.sentence


def _cancelled(job: Job) -> str:
    return f"{job.title} was cancelled; what it had finished is kept."


def _take(job: Job, message: dict[str, Any] | None) -> None:
    """One message of the worker. None: it is gone."""
    if message is None:
        assert HANDLE.worker is not None
        _end(job, failed=True, sentence=HANDLE.worker.farewell())
        HANDLE.stop()
        return
    params = message.get("params") or {}
    method = message.get("method")
    if method == "progress":
        job.fraction = min(max(float(params.get("fraction", 0.0)), 0.0), 1.0)
        job.message = str(params.get("message", job.title))
        job.seconds_left = params.get("seconds_left")
    elif method == "log":
        job.log.append(str(params.get("message", "")))
    elif method == "release":
        for let_go in exchange.ASKED:  # what shows the file; see tomo/exchange.py
            let_go(Path(str(params.get("path", ""))))
    elif method in ("live", "preview") and job.partner is not None:
        job.partner.heard(method, params)
    elif method == "preview":
        job.preview = str(params.get("path", ""))
    elif message.get("id") == job.number:
        _answered(job, message)


def _answered(job: Job, message: dict[str, Any]) -> None:
    if (error := message.get("error")) is not None:
        sentence = str(error.get("message", "The worker gave no reason."))
        _end(job, failed=True, sentence=_cancelled(job) if error.get("code") == CANCELLED else sentence)
        return
    scene = scene_of(job)
    if scene is None:
        _end(job, failed=False, sentence=f"{job.title} is done; its project is not open any more.")
        return
    HANDLE.job = None  # on_done may start the next job of a chain
    try:
        sentence = job.on_done(scene, message.get("result") or {})
    except TomosegError as error:
        _end(job, failed=True, sentence=str(error))
        return
    if HANDLE.job is None:
        _end(job, failed=False, sentence=sentence)
    if not bpy.app.background:
        # Data made outside an operator vanishes at the next undo unless it is pushed.
        bpy.ops.ed.undo_push(message=job.title)


def _end(job: Job, *, failed: bool, sentence: str) -> None:
    HANDLE.job = None
    HANDLE.outcome = Outcome(job.step, job.title, failed, sentence, tuple(job.log)[-NOTES:])


def _show_progress() -> None:
    """Tell how far the job is, where that has changed: redrawing a 3D view may take a while."""
    job = running()
    if job is not None:
        if job.shown == (job.text, len(job.log)):
            return
        job.shown = (job.text, len(job.log))
    for window in bpy.context.window_manager.windows:
        window.workspace.status_text_set(None if job is None else f"Tomoseg: {job.text}")
    redraw(None if job is None else ("UI",))


def redraw(kinds: tuple[str, ...] | None) -> None:
    """Draw the regions of these kinds of all 3D views again, or all (None), and all editors that show results."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and kinds is not None:
                for region in area.regions:
                    if region.type in kinds:
                        region.tag_redraw()
            elif area.type in ("VIEW_3D", "IMAGE_EDITOR", "PREFERENCES"):
                area.tag_redraw()


class _Lines:
    """Progress in background mode: a bar on a terminal, elsewhere a line every 10 s, on stderr."""

    def __init__(self, title: str) -> None:
        self._title, self._last, self._told = title, time.monotonic(), 0
        self._terminal = sys.stderr.isatty()

    def show(self, job: Job) -> None:
        now = time.monotonic()
        for line in job.log[self._told :]:
            print(f"{CLEAR if self._terminal else ''}{line}", file=sys.stderr, flush=True)
        self._told = len(job.log)
        if self._terminal and now - self._last > 0.2:
            filled = round(30 * job.fraction)
            print(f"{CLEAR}{job.text} |{'█' * filled}{' ' * (30 - filled)}|", end="", file=sys.stderr, flush=True)
            self._last = now
        elif not self._terminal and now - self._last >= LINE_SECONDS:
            words = job.text if job.text.startswith(self._title) else f"{self._title}: {job.text}"
            print(words, file=sys.stderr, flush=True)
            self._last = now

    def close(self) -> None:
        if self._terminal:
            print(CLEAR, end="", file=sys.stderr, flush=True)
