"""The tasks of a batch: each is one call that any process can do, here or on another machine, and do again.

What goes wrong in a task becomes a sentence in its answer; only a cancel and a lost process end it without one.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.apply_options import Applying
from ml.applying import identity_of, labels_of, open_task, preprocessing_for, segmented, settled, slab_depth
from ml.batch_figure import render
from ml.faults import bug_sentence, keep_traceback, sentence_for
from ml.overlap import Behind
from ml.report import Cancelled, Report, Silent
from ml.shared_map import RangeWriter
from tomo.errors import TomosegError
from tomo.standing import Folder, still_standing

if TYPE_CHECKING:
    from tomo.mrc import Tomogram

TELL_SECONDS = 0.5
BATCH_OPTIONS = ("memory", "workers", "device")  # those that advice may name
_ALONE = threading.Lock()  # a Dask worker with several threads must not compute twice at a time
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Call:
    """One task. kind: a function of this module's KINDS. arguments: its keywords. title: for the progress.

    folders: those that stood when the batch began; if one of them goes away, no task makes it anew.
    """

    kind: str
    arguments: dict[str, Any]
    title: str
    folders: tuple[Folder, ...] = ()


class TaskReport:
    """Sends what a task reports to the process that runs the batch: a line of the log once, progress now and then."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._said, self._last = tell, set[str](), 0.0

    def progress(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._last >= TELL_SECONDS:
            self._last = now
            self._tell({"fraction": float(fraction)})

    def log(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._tell({"log": message})

    def preview(self, path: str) -> None:
        pass

    def slices(self, z0: int, statistics: list[list[float]], fraction: float) -> None:
        """Slices of a map lie on the disk; fraction: how much of the task is done with them."""
        self._tell({"z0": z0, "statistics": statistics, "fraction": fraction})


class Outcome:
    """A task's answer, made in a `with` block: {"result": …}, or {"error": the sentence} for whatever went wrong."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}

    def __enter__(self) -> "Outcome":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, Cancelled) or not isinstance(error, Exception):
            return False
        self.answer = {"error": failure(error)}
        return True


def failure(error: Exception) -> str:
    """The sentence for what stopped one tomogram of a batch; a mistake of the program leaves its log behind."""
    sentence = str(error) if isinstance(error, TomosegError) else sentence_for(error, BATCH_OPTIONS)
    return sentence or f"{bug_sentence(error)} The log is {keep_traceback(error)}."


def perform(call: Call, threads: int, tell: Tell) -> dict[str, Any]:
    """Do one task with so many CPU cores; returns its answer. Raises Cancelled."""
    outcome = Outcome()
    with _ALONE, outcome, still_standing(call.folders):
        from ml.threads import limit_products

        limit_products(threads)
        outcome.answer = {"result": KINDS[call.kind](TaskReport(tell), threads, **call.arguments)}
    return outcome.answer


def _look(
    report: TaskReport, threads: int, *, path: Path, networks: list[Path], folder: Path, wished: Applying
) -> list[dict[str, Any]]:
    """What must be known before ranges of slices can be segmented; reads the tomogram once for its statistics.

    wished: what the user asked for; "options" of the answer is what each network is applied with.
    """
    from ml.devices import use_threads
    from ml.network_file import load_info
    from ml.preprocess import Preprocessed

    use_threads(threads)
    measured, found = {}, []
    for network in networks:
        info = load_info(network)
        options, settings = settled(wished, info), preprocessing_for(info, wished)
        task = open_task(path, network, folder, options, info, report)
        spread = task.factor is None and _mapped(task.tomogram)
        if spread and settings not in measured:
            measured[settings] = Preprocessed(task.tomogram, settings, report).measured
        found.append(
            {
                "output": task.output,
                "shape": task.tomogram.shape,
                "geometry": task.tomogram.geometry,
                "labels": labels_of(task, info),
                "identity": identity_of(task, options),
                "options": options,
                "depth": slab_depth(task.tomogram.shape, info.context, options.memory),
                "whole": not spread,
                "settings": settings,
                "measured": measured.get(settings),
            }
        )
    return found


def _mapped(tomogram: "Tomogram") -> bool:
    """Can a range of slices be read without reading, or unpacking, the whole file?"""
    base: Any = tomogram.data
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.filename is not None:
            return Path(base.filename) == tomogram.path.resolve()
        base = base.base
    return False


def _apply_range(
    report: TaskReport,
    threads: int,
    *,
    path: Path,
    network: Path,
    options: Applying,
    facts: dict[str, Any],
    partial: Path,
    start: int,
    stop: int,
) -> dict[str, Any]:
    """Segment slices start … stop - 1 and write them into the unfinished map."""
    from ml.devices import choose_device, use_threads
    from ml.predict import predictor_for
    from ml.preprocess import Preprocessed

    use_threads(threads)
    predictor = predictor_for(
        network, choose_device(options.device), flips=options.flips, memory=options.memory, numbers=options.numbers
    )
    status = path.stat()
    tomogram = _opened(path, options.voxel_size, (status.st_mtime_ns, status.st_size))
    preprocessed = Preprocessed(tomogram, facts["settings"], Silent(), facts["measured"])
    with RangeWriter(partial, facts["shape"], "float16" if options.half else "float32") as writer:

        def told(z0: int, z1: int) -> None:
            report.slices(z0, writer.statistics(z0, z1), (z1 - start) / (stop - start))

        found = segmented(preprocessed, predictor, start, stop, facts["depth"], report)
        underway: tuple[int, int] | None = None
        with Behind() as behind, closing(found):
            for z, part in found:
                behind.put(writer.write, z, part)
                if underway is not None:
                    told(*underway)  # they are on the disk now
                underway = z, z + len(part)
        return {"z0": start, "statistics": writer.statistics(start, stop)}


@lru_cache(maxsize=1)
def _opened(path: Path, voxel_size: float | None, _version: tuple[int, int]) -> "Tomogram":
    from ml.volumes import open_any

    tomogram = open_any(path)
    if voxel_size is not None:
        tomogram = replace(tomogram, geometry=tomogram.geometry.with_voxel_size(voxel_size))
    return tomogram


def _step(report: Report, threads: int, *, verb: str, options: Any) -> dict[str, Any]:
    """A whole step, as its verb does it."""
    from ml.cli import step_module

    result: dict[str, Any] = step_module(verb).run(options, report)
    return result


KINDS: dict[str, Callable[..., Any]] = {"look": _look, "apply_range": _apply_range, "step": _step, "figure": render}
