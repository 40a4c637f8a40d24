"""A live session: it takes commands, looks for new boxes and strokes, learns, and shows what it believes."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ml.devices import choose_device, use_threads
from ml.learning import goes_on_as, request_of
from ml.live import Options
from ml.live_boxes import NO_PAINTED_BOX, Annotations, LiveBoxes
from ml.live_learner import Learner, first_of, preload
from ml.live_next import NextPlaces
from ml.live_start import Start, checkpoint_path, save_checkpoint, start_from
from ml.live_tomograms import LiveTomograms
from ml.live_view import LiveView, view_from
from ml.network_file import keep_network
from ml.report import LiveReport
from ml.threads import available_cores
from ml.train import write_results
from ml.trainset import USUAL_CONTEXT
from ml.trainset_file import save_trainset
from tomo.errors import TomosegError
from tomo.names import check_feature_name
from tomo.project import Project
from tomo.standing import gone

LOOK_SECONDS, STATE_SECONDS, SAVE_SECONDS = 1.0, 1.0, 20.0
IDLE_SECONDS = 0.2


class Session:
    """Runs until the command `finish`; whatever else ends it keeps the weights for the next session."""

    def __init__(self, options: Options, report: LiveReport) -> None:
        use_threads(options.threads or max(1, available_cores() - 1))
        self._project, self._feature = Project.open(options.project), check_feature_name(options.feature)
        self._options, self._report = options, report
        self._request = request_of(options)
        self._tomograms = LiveTomograms(self._project, report)
        self._start: Start = start_from(options, self._project, report)
        self._boxes = LiveBoxes(self._project, self._feature, self._tomograms, self._context())
        output = self._project.folder / "live" / f"{self._feature}.npy"
        self._device = choose_device(options.device)
        self._view = LiveView(output, self._feature, self._tomograms, self._device)
        self._places = NextPlaces(self._tomograms, options.seed)
        self._learner: Learner | None = None
        self._preloaded, self._ready, self._paused, self._finishing = False, False, False, False
        self._told: str | None = None
        self._problem: str | None = None  # with what is annotated now
        self._saved: object = None
        self._next = dict.fromkeys(("look", "state", "save"), 0.0)
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "view": self._on_view,
            "changed": self._on_changed,
            "pause": self._on_pause,
            "continue": self._on_continue,
            "forget": self._on_forget,
            "next_box": self._on_next_box,
        }

    def run(self) -> dict[str, Any]:
        """Learn until told to finish; returns what `train` returns."""
        if self._options.tomogram:
            self._tomograms.opened(self._options.tomogram, self._start.preprocessing)
        try:
            while not self._finish_asked():
                self._turn()
            return self._finish()
        except BaseException:  # whatever it was, the weights are worth keeping
            with suppress(TomosegError):  # a full disk: that was told before, at the last checkpoint
                self._save()
            raise

    # One turn

    def _turn(self) -> None:
        """Look, learn one step, show."""
        if self._is_time("look", LOOK_SECONDS):
            self._look()
        if not self._preloaded and not self._ready:
            preload(self._request, self._boxes.context or USUAL_CONTEXT, self._device)
        self._preloaded = True
        if self._learning and self._learner is not None:
            try:
                self._learner.step()
            except TomosegError as error:  # the loss exploded: it has gone back to a checkpoint
                self._say(str(error))
        self._show()
        if self._is_time("state", STATE_SECONDS):
            self._tell_state()
        if self._is_time("save", SAVE_SECONDS):
            try:
                self._save()
            except TomosegError as error:
                self._say(str(error))

    @property
    def _learning(self) -> bool:
        return self._ready and not self._paused

    def _is_time(self, name: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._next[name]:
            return False
        self._next[name] = now + seconds
        return True

    def _look(self) -> None:
        """Take in what was painted since the last look."""
        if (missing := gone(self._project.folder)) is not None:  # what was read before still holds
            self._say(str(missing))
            return
        try:
            found = self._boxes.read() if self._boxes.changed_on_disk() else None
        except TomosegError as error:  # the list of boxes is damaged: what was read before still holds
            self._say(str(error))
            return
        if found is not None:
            self._take(found)

    def _take(self, found: Annotations) -> None:
        self._ready, self._problem = found.trainset is not None, found.problem
        if found.trainset is not None:
            if self._learner is None:
                self._learner = self._new_learner(found)
            else:
                self._learner.use(found.trainset, found.changed)
        if found.problem is None:
            self._told = None
        else:
            self._say(found.problem)
        self._next["state"] = 0.0

    def _new_learner(self, found: Annotations) -> Learner:
        assert found.trainset is not None
        try:
            learner = Learner(found.trainset, self._request, self._start.network)
            if self._start.network is not None and (told := goes_on_as(self._start.network, self._options.network)):
                self._say(told)
            return learner
        except TomosegError as error:
            if not self._start.resumed:
                raise
            self._report.log(f"The last live training cannot go on, so it begins anew. {error}")
        self._start = Start()
        self._boxes.context = self._context()
        anew = self._boxes.read().trainset
        assert anew is not None  # the same boxes as before, cut for another network
        return Learner(anew, self._request, None)

    def _context(self) -> int | None:
        """Slices to see at once; None is what suits the tomogram."""
        if self._start.network is not None:
            return self._start.network.context
        return 1 if self._options.network == "classic" else None

    def _show(self) -> None:
        learner = self._learner
        try:
            if learner is None:
                if self._start.network is not None and self._view.due("start"):
                    self._view.show(first_of(self._start.network), "start", 0, self._report)
            # A new view is to come at once: the network of the last refresh is good enough for it.
            elif self._view.due(learner.version) and learner.useful and not self._view.show_with_kept(self._report):
                self._view.show(learner.network, learner.version, learner.trainer.steps_done, self._report)
        except TomosegError as error:
            self._say(str(error))

    def _tell_state(self) -> None:
        learner = self._learner
        told: dict[str, Any] = {"step": 0, "loss": None, "dice": None, "positives": 0, "negatives": 0}
        told.update(can_forget_seconds=0.0, seconds_per_step=None, threshold=None, device=str(self._device))
        if learner is not None:
            trainset = learner.trainer.trainset
            told.update(
                step=learner.trainer.steps_done,
                loss=learner.loss,
                dice=learner.strength.dice,
                threshold=learner.strength.threshold,
                positives=trainset.n_positive if self._ready else 0,
                negatives=len(trainset) - trainset.n_positive if self._ready else 0,
                can_forget_seconds=learner.checkpoints.age(learner.seconds),
                seconds_per_step=learner.seconds_per_step,
            )
        self._report.live("state", **told, paused=self._paused, waiting=not self._ready, finishing=self._finishing)

    def _say(self, sentence: str) -> None:
        """Tell a problem that does not end the session; the same one not again and again."""
        if (missing := gone(self._project.folder)) is not None:
            sentence = str(missing)  # the reason of whatever could not be read or written
        if sentence != self._told:
            self._told = sentence
            self._report.live("message", message=sentence)

    # Commands

    def _finish_asked(self) -> bool:
        """Do what was told; True where that was to finish, and there is something to finish."""
        for command in _latest_views(self._report.commands(0.0 if self._learning else IDLE_SECONDS)):
            if command.get("command") == "finish":
                self._look()
                if self._ready:
                    return True
                self._told = None
                self._say(self._problem or NO_PAINTED_BOX)
            else:
                self._do(command)
        self._report.check()
        return False

    def _do(self, command: dict[str, Any]) -> None:
        handler = self._handlers.get(str(command.get("command")))
        try:
            if handler is None:
                known = ", ".join([*self._handlers, "finish"])
                raise TomosegError(f"Live training knows no command {command.get('command')!r}: known are {known}.")
            handler(command)
        except TomosegError as error:
            self._told = None
            self._say(str(error))

    def _on_view(self, command: dict[str, Any]) -> None:
        self._view.look_at(view_from(command))

    def _on_changed(self, _command: dict[str, Any]) -> None:
        self._next["look"] = 0.0

    def _on_pause(self, _command: dict[str, Any]) -> None:
        self._paused, self._next["state"] = True, 0.0

    def _on_continue(self, _command: dict[str, Any]) -> None:
        self._paused, self._next["state"] = False, 0.0

    def _on_forget(self, command: dict[str, Any]) -> None:
        seconds = command.get("seconds", 60)
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise TomosegError(f"{seconds!r} is no number of seconds to forget: give 60, say.")
        if self._learner is None:
            raise TomosegError("Nothing was learned yet that could be forgotten: paint the feature in one box first.")
        self._learner.forget(seconds)
        self._next["state"] = 0.0

    def _on_next_box(self, command: dict[str, Any]) -> None:
        learner, name = self._learner, command.get("tomogram") or self._options.tomogram
        if learner is None or not isinstance(name, str) or not name:
            raise TomosegError("Nothing was learned yet: paint the feature in one box first.")
        predictor = self._view.predictor(learner.network, learner.version, learner.trainer.steps_done)
        found = self._places.next(name, predictor, learner.trainer.trainset, self._boxes.all_boxes)
        x, y, z = found.centre
        box = {"tomogram": name, "x": x, "y": y, "z": z, "size": found.size}
        self._report.live("next_box", box=box, reason=found.reason)

    # The end

    def _finish(self) -> dict[str, Any]:
        """The last training and its files, the same as those of a batch training."""
        assert self._learner is not None
        self._finishing = True
        trainset = self._learner.trainer.trainset
        path = self._project.trainset_path(self._feature)
        if self._boxes.context is None or not path.exists():
            save_trainset(path, trainset)  # else it may hold fewer slices than another network wants
        output, steps = self._project.network_path(self._feature), self._learner.trainer.steps_done
        learned = self._learner.finish(_WhileFinishing(self, self._report), lambda *best: keep_network(output, *best))
        keep_network(output, learned.network.module, learned.network.info)
        self._report.progress(1.0, "Writing the triplets")
        result = write_results(output, learned, self._project.triplets_path(self._feature))
        checkpoint_path(self._project, self._feature).unlink(missing_ok=True)
        return {**result, "trainset": str(path), "live_steps": steps}

    def show_while_finishing(self) -> None:
        """Between two steps of the last training: the view follows, everything else waits."""
        for command in _latest_views(self._report.commands()):
            if command.get("command") == "view":
                self._do(command)
        self._show()
        if self._is_time("state", STATE_SECONDS):
            self._tell_state()

    def _save(self) -> None:
        """Keep the weights on disk for the next session, where they are others now."""
        learner = self._learner
        if learner is not None and learner.trainer.steps_done and learner.version != self._saved:
            save_checkpoint(checkpoint_path(self._project, self._feature), learner)
            self._saved = learner.version


class _WhileFinishing:
    """The report of the last training, through which the session goes on showing the view."""

    def __init__(self, session: Session, report: LiveReport) -> None:
        self._session, self._report = session, report

    def progress(self, fraction: float, message: str) -> None:
        self._report.progress(fraction, message)
        self._session.show_while_finishing()

    def log(self, message: str) -> None:
        self._report.log(message)

    def preview(self, path: str) -> None:
        self._report.preview(path)


def _latest_views(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The commands without the views that a later one has outdated."""
    views = [number for number, command in enumerate(commands) if command.get("command") == "view"]
    return [command for number, command in enumerate(commands) if number not in views[:-1]]
