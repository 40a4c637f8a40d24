"""The worker and its job: cancel it, and check that the worker's Python is complete."""

from typing import Any

import bpy
from bpy.types import Context, Operator, Scene

from .. import jobs
from ..preferences import preferences
from .common import Action


class TOMOSEG_OT_cancel_job(Action, Operator):
    bl_idname = "tomoseg.cancel_job"
    bl_label = "Cancel"
    bl_description = "End the running step; what it has finished so far is kept"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, _context: Context) -> bool:
        if jobs.running() is None:
            cls.poll_message_set("Nothing is running.")
            return False
        return True

    def act(self, _context: Context) -> str:
        jobs.cancel()
        return "Cancelling"


class TOMOSEG_OT_check_worker(Action, Operator):
    bl_idname = "tomoseg.check_worker"
    bl_label = "Check Worker"
    bl_description = "Start the worker's Python and list its packages and the device that it computes on"
    bl_options = {"REGISTER"}
    waits = True

    def act(self, context: Context) -> str:
        chosen = preferences()
        if chosen is not None:
            chosen.report = "Checking …"
        return jobs.start(context.scene, "status", "Checking the worker", ("check", {}), _checked)


def _checked(_scene: Scene, result: dict[str, Any]) -> str:
    lines = summary(result)
    chosen = preferences()
    if chosen is not None:
        chosen.report = "\n".join(lines)
    return lines[0]


def summary(result: dict[str, Any]) -> list[str]:
    """What the worker answered, one line each; the first tells whether all is there."""
    packages = result.get("packages", {})
    missing = [name for name, version in packages.items() if version is None]
    device = result.get("device", "")
    first = (
        f"The worker lacks {', '.join(missing)}: install them into its Python."
        if missing
        else f"The worker is complete{f' and computes on {device}' if device else ''}."
    )
    found = ", ".join(f"{name} {version}" for name, version in packages.items() if version is not None)
    return [first, f"Python {result.get('python', '?')}: {result.get('executable', '')}", found]


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_cancel_job, TOMOSEG_OT_check_worker))
