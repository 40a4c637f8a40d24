"""The worker's own Python: set it up, build it anew, remove it."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Any

import bpy
from bpy.types import Context, Event, Operator, Scene

from .. import jobs, worker_setup
from ..preferences import own_folder, preferences, setup_plan
from ..worker import HANDLE
from ..worker_setup import Plan, Progress, Setup
from .common import Action
from .status import summary

STEP = "worker_setup"
TITLE = "Setting up the worker"


class SetUp(Action):
    """What both ways of setting up share: they ask for the permission to use the network, or for wheels."""

    waits = True

    @classmethod
    def poll(cls: Any, context: Context) -> bool:
        """False, with the reason in one sentence, where the packages can't be had."""
        reason = jobs.busy() or worker_setup.refusal(setup_plan(), bpy.app.online_access)
        if reason:
            cls.poll_message_set(reason)
        return not reason


class TOMOSEG_OT_install_worker(SetUp, Operator):
    bl_idname = "tomoseg.install_worker"
    bl_label = "Set Up Worker"
    bl_description = "Make a Python environment for the worker, install its packages into it, and check it"
    bl_options = {"REGISTER"}

    def act(self, context: Context) -> str:
        plan = setup_plan()
        if (found := worker_setup.finished_result(plan)) is not None:
            return _show(found, "The worker is set up already; Repair Worker builds it anew.")
        return _start(context.scene, plan)


class TOMOSEG_OT_repair_worker(SetUp, Operator):
    bl_idname = "tomoseg.repair_worker"
    bl_label = "Repair Worker"
    bl_description = "Build the worker's environment anew; the one of before stays until the new one is checked"
    bl_options = {"REGISTER"}

    def act(self, context: Context) -> str:
        return _start(context.scene, setup_plan())


class TOMOSEG_OT_remove_worker(Action, Operator):
    bl_idname = "tomoseg.remove_worker"
    bl_label = "Remove Worker"
    bl_description = "Delete the environment that Tomoseg set up for the worker; projects and networks stay"
    bl_options = {"REGISTER"}
    waits = True

    def invoke(self, context: Context, event: Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def act(self, context: Context) -> str:
        folder = own_folder()
        if not any(folder.parent.glob(f"{folder.name}*")):
            return "There is no worker that Tomoseg set up: nothing was removed."
        HANDLE.stop()
        steps = _told(worker_setup.removal(folder, _patience()), lambda _result: None)
        return jobs.start_here(context.scene, STEP, "Removing the worker", steps, _removed, watches=True)


def _start(scene: Scene, plan: Plan) -> str:
    HANDLE.stop()  # it may run from the folder that is replaced
    _show({}, "")
    steps = _told(Setup(plan, _cancelling, _patience()).run(), _finished)
    return jobs.start_here(scene, STEP, TITLE, steps, _set_up, watches=True)


def _patience() -> float:
    """Seconds that a step waits for news: none where a window would freeze meanwhile."""
    return jobs.POLL_SECONDS if bpy.app.background else 0.0


def _cancelling() -> bool:
    job = jobs.running(STEP)
    return job is not None and job.cancelling


def _told(steps: Generator[Progress, None, Any], on_result: Callable[[Any], None]) -> Iterator[float]:
    """The steps of a set-up as those of a job, which gets their messages and lines."""
    with closing(steps):
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                on_result(end.value)
                return
            if (job := jobs.running(STEP)) is not None:
                job.message = progress.message
                job.log += progress.lines
            yield progress.fraction


def _finished(result: dict[str, Any]) -> None:
    # Here, not in the job's on_done, which is not called when another project was opened meanwhile.
    _show(result, summary(result)[0])


def _show(result: dict[str, Any], sentence: str) -> str:
    """Put what was found into the preferences; returns the sentence."""
    lines = [sentence, *(summary(result)[1:] + worker_setup.report_lines(result) if result else ())]
    if (chosen := preferences()) is not None:
        chosen.report = "\n".join(lines)
    return sentence


def _set_up(_scene: Scene, _result: dict[str, Any]) -> str:
    return "The worker is set up and passed its check; Tomoseg's preferences list what was installed."


def _removed(_scene: Scene, _result: dict[str, Any]) -> str:
    _show({}, "")
    return "The worker's environment was removed; Set Up Worker makes it again."


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_install_worker, TOMOSEG_OT_repair_worker, TOMOSEG_OT_remove_worker)
)
