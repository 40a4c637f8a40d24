"""Live training in Blender's process: what the worker has said, what it must hear, the prediction of the slice in view.

The worker trains on the project's files while a person paints. At each poll this saves finished strokes, tells the
worker what changed and which slice is looked at, and takes the map that comes back. All of it lives in the running
job, not in Blender's data: undo turns none of it back.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bpy.types import Scene
from numpy.typing import NDArray

from ..tomo.boxes import POSITIVE, Box
from ..tomo.errors import TomosegError
from ..tomo.label_edit import MAP_THRESHOLD
from . import boxing, compat, jobs, live_sight, painting, state, viewing

STEP = "live"  # of its job: the panel that shows it
TICK_SECONDS = 0.05  # a new slice is told, and its map taken, no later than this
CALM_SECONDS = 0.4  # after a stroke before it is saved: the next one must not wait for the file
LONGEST_SECONDS = 1.5  # that strokes following each other wait to be saved
READ_SECONDS = 20.0  # a message stays so long at least, unless it was about waiting
LATE_SECONDS = 5.0  # an answer that takes longer is asked for again
REMEDY = "finish it in panel Live Training, or stop it"


@dataclass(frozen=True)
class Prediction:
    """The map of one slice, or of a part of it. values: float32 [y, x], amplitude units. corner: its first (x, y)."""

    tomogram: str
    feature: str
    z: int
    values: NDArray[np.float32]
    corner: tuple[int, int]
    step: int
    number: int  # counts the maps of this training: another number, another map


class Strokes:
    """When what was painted is saved: in the first pause, so that no stroke waits for a file."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._calm: float | None = None

    def due(self, now: float, *, stroking: bool, unsaved: bool) -> bool:
        """True if what was painted is to be written now (monotonic seconds)."""
        if stroking:
            self._calm = None
            return False
        if not unsaved:
            self._since = self._calm = None
            return False
        self._calm = now if self._calm is None else self._calm
        self._since = now if self._since is None else self._since
        return now - self._calm >= CALM_SECONDS or now - self._since >= LONGEST_SECONDS


class Training:
    """One live training; the partner of its job. facts: the worker's last state. sentence: its last message."""

    def __init__(self, scene: Scene, feature: str, seconds: float = 0.0) -> None:
        self.feature, self.sentence = feature, ""
        self.facts: dict[str, Any] = {}
        self.prediction: Prediction | None = None
        self.finishing = False
        self._scene, self._folder = scene.name, state.require_project(scene).folder
        self._ends = time.monotonic() + seconds if seconds else None
        self._asked: live_sight.View | None = None
        self._asked_at = 0.0
        self._strokes, self._files = Strokes(), self._times()
        self._suggested: tuple[dict[str, Any], str] | None = None
        self._proposal: tuple[str, int, str] | None = None  # tomogram, z, reason
        self._said = 0.0

    @property
    def summary(self) -> str:
        """What progress bars say: `Step 240, Dice 0.83`; empty while the last training shows its own progress."""
        if self.finishing:
            return ""
        if self.facts.get("paused"):
            return "Paused"
        if not self.facts.get("step"):
            return "Waiting for the first painted box" if self.facts else "Starting"
        dice = self.facts.get("dice")
        return f"Step {self.facts['step']}" + ("" if dice is None else f", Dice {dice:.2f}")

    def why_here(self, scene: Scene) -> str:
        """Why the worker proposed a box on the slice in view; empty where it did not."""
        item = scene.tomoseg.tomograms.get(scene.tomoseg.shown)
        if self._proposal is None or item is None or self._proposal[:2] != (item.name, item.slice_z):
            return ""
        return self._proposal[2]

    def heard(self, method: str, params: dict[str, Any]) -> None:
        """A notification of the worker."""
        if method == "preview":
            self._take(params)
        elif params.get("event") == "next_box":
            self._suggested = (dict(params.get("box") or {}), str(params.get("reason", "")))
        elif params.get("event") == "message":
            self.sentence, self._said = str(params.get("message", "")), time.monotonic()
        else:
            waited = self.facts.get("waiting") and not params.get("waiting")
            if waited or time.monotonic() - self._said > READ_SECONDS:
                self.sentence = ""
            self.facts, self.finishing = params, bool(params.get("finishing"))
            job = jobs.running(STEP)
            if job is not None and not self.finishing and self.facts.get("step"):
                job.message, job.fraction = job.title, 0.0  # what was told while it got ready is over
        jobs.redraw(("UI", "HEADER"))

    def tick(self) -> float:
        """Save, tell what changed, ask for the slice in view; returns the seconds until the next time."""
        job = jobs.running(STEP)
        if job is None or job.cancelling:
            return TICK_SECONDS
        scene = jobs.scene_of(job)
        if scene is None:
            jobs.cancel()
            return TICK_SECONDS
        try:
            self._follow(scene)
        except TomosegError as error:
            self.sentence, self._said = str(error), time.monotonic()
        return TICK_SECONDS

    def _follow(self, scene: Scene) -> None:
        now, stroking = time.monotonic(), painting.is_stroking()
        if self._strokes.due(now, stroking=stroking, unsaved=not stroking and bool(painting.unsaved_slices())):
            painting.save_painted(scene)
        if (files := self._times()) != self._files:
            self._files = files
            jobs.tell("changed")
        self._look(scene, now)
        if self._suggested is not None and not compat.modal_operators():
            box, reason = self._suggested
            self._suggested = None
            go_to_suggestion(scene, box, self.feature)
            self._proposal = (str(box["tomogram"]), int(box["z"]), reason)
            jobs.redraw(("UI",))
        if self._ends is not None and now > self._ends:
            self._ends = None
            finish()

    def _times(self) -> tuple[Any, ...]:
        """When what training reads was last written: the boxes, and the folders of the feature's labels."""
        labels = (self._folder / "labels").glob(f"*__{self.feature}")
        return tuple((str(path), _written(path)) for path in (self._folder / "boxes.json", *sorted(labels)))

    def _look(self, scene: Scene, now: float) -> None:
        """Ask for the map of the slice in view, when it is another one or the answer is late."""
        view = live_sight.view_of(scene, self.feature, None if self._asked is None else self._asked[2])
        if view is None:
            return
        answered = self.prediction is not None and (self.prediction.tomogram, self.prediction.z) == view[:2]
        late = not answered and now - self._asked_at > LATE_SECONDS
        if view != self._asked or late:
            self._asked, self._asked_at = view, now
            tomogram, z, region = view
            jobs.tell("view", tomogram=tomogram, z=z, region=None if region is None else list(region))

    def _take(self, params: dict[str, Any]) -> None:
        """The map that the worker has written; one that cannot be read is told, and the next one follows soon."""
        path, region = Path(str(params.get("path", ""))), params.get("region")
        try:
            values = np.ascontiguousarray(np.load(path, allow_pickle=False), np.float32)
        except (OSError, ValueError) as error:
            self.sentence = f"The prediction {path} cannot be read ({error}): is the disk full?"
            self._said = time.monotonic()
            return
        corner = (0, 0) if region is None else (int(region[0]), int(region[1]))
        number = 1 if self.prediction is None else self.prediction.number + 1
        self.prediction = Prediction(
            str(params["tomogram"]), self.feature, int(params["z"]), values, corner, int(params["step"]), number
        )
        jobs.redraw(("WINDOW",))


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def training() -> Training | None:
    """The live training that runs now, or None."""
    job = jobs.running(STEP)
    return job.partner if job is not None and isinstance(job.partner, Training) else None


def prediction_of(scene: Scene) -> Prediction | None:
    """The map of exactly the slice, tomogram and feature in view; None where there is none (yet)."""
    now = training()
    found = None if now is None else now.prediction
    feature = state.active_feature(scene)
    item = scene.tomoseg.tomograms.get(scene.tomoseg.shown)
    if found is None or feature is None or item is None:
        return None
    return found if (found.tomogram, found.feature, found.z) == (item.name, feature.name, item.slice_z) else None


def whole_slice(found: Prediction, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The map on the whole slice of `shape` [y, x], NaN where the network has not looked."""
    values = np.full(shape, np.nan, np.float32)
    x, y = found.corner
    part = values[y : y + found.values.shape[0], x : x + found.values.shape[1]]
    part[...] = found.values[: part.shape[0], : part.shape[1]]
    return values


def threshold(feature: Any) -> float:
    """Above which a map of this feature (a property group) counts as the feature, in amplitude units."""
    now = training()
    told = now.facts.get("threshold") if now is not None and now.feature == feature.name else None
    return float(told or feature.threshold or MAP_THRESHOLD)


def finish() -> None:
    """Let the worker train to the plateau and write the network; the job then ends as batch training does."""
    now = training()
    if now is not None:
        now.finishing = True
        jobs.tell("finish")


def go_to_suggestion(scene: Scene, place: dict[str, Any], feature: str) -> None:
    """Show a place that the worker names, with a positive box there, selected and ready to be painted. Undoable."""
    centre = (int(place["x"]), int(place["y"]), int(place["z"]))
    if scene.tomoseg.shown != place["tomogram"]:
        painting.save_painted(scene)
        viewing.show(scene, state.tomogram_named(scene, place["tomogram"]))
    box: Box = boxing.add(scene, centre, POSITIVE, int(place["size"]), feature, place["tomogram"])
    boxing.go_to(scene, box)
    live_sight.bring_to(box)
    state.refresh(scene)
