"""What belongs to this machine, not to a project: the Python that the worker runs in."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import AddonPreferences, Context

from .worker import HANDLE, WorkerError
from .worker_setup import Plan, is_finished, python_in, refusal, wheels_to_bring

ROOT_PACKAGE = __package__.rpartition(".")[0]
VARIABLE = "TOMOSEG_PYTHON"
LOG_LINES = 4
FIELDS = ("base_python", "wheels", "package_index", "torch_index")  # of the set-up


class TOMOSEG_AP_preferences(AddonPreferences):
    bl_idname = ROOT_PACKAGE

    worker_python: StringProperty(  # type: ignore[valid-type]
        name="Worker's Python",
        description="Python interpreter with torch that the worker runs in; empty: the one named below is used",
        subtype="FILE_PATH",
    )
    base_python: StringProperty(  # type: ignore[valid-type]
        name="Set up with",
        description="Python interpreter that the worker's environment is made from; empty: Blender's own",
        subtype="FILE_PATH",
    )
    wheels: StringProperty(  # type: ignore[valid-type]
        name="Folder of wheels",
        description="Install from the wheels in this folder, without the network; empty: from a package index",
        subtype="DIR_PATH",
    )
    package_index: StringProperty(  # type: ignore[valid-type]
        name="Package index", description="Address of another package index; empty: pip's own setting"
    )
    torch_index: StringProperty(  # type: ignore[valid-type]
        name="torch index",
        description="Address of a further index with the torch build for this machine (CPU, CUDA, ROCm); empty: none",
    )
    report: StringProperty(name="Last check", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.prop(self, "worker_python")
        try:
            path, source = find_python(self.worker_python)
            layout.label(text=f"In use: {path} ({source})", icon="CHECKMARK")
            needed = False
        except WorkerError as error:
            _sentence(layout, str(error), "ERROR")
            needed = True
        layout.operator("tomoseg.check_worker", icon="VIEWZOOM")
        _draw_setup(layout, self, needed=needed)
        for line in self.report.splitlines():
            layout.label(text=line)


def _draw_setup(layout: Any, chosen: Any, *, needed: bool) -> None:
    """The worker's own environment: three buttons or how far it is, how it ended, and where from.

    needed: there is no worker yet, so that the reason against a set-up matters.
    """
    job, last = HANDLE.job, HANDLE.outcome
    if job is not None and job.step == "worker_setup":
        layout.label(text=job.message)
        layout.progress(factor=job.fraction, type="BAR", text=job.done)
        layout.operator("tomoseg.cancel_job", icon="X")
        for line in job.log[-LOG_LINES:]:
            layout.label(text=line[:120])
        return
    for name, icon in (("install_worker", "IMPORT"), ("repair_worker", "FILE_REFRESH"), ("remove_worker", "TRASH")):
        layout.operator(f"tomoseg.{name}", icon=icon)
    plan, online = plan_for(chosen), bpy.app.online_access
    if reason := needed and HANDLE.job is None and refusal(plan, online):
        _sentence(layout, reason, "INFO")
        if not online and plan.wheels is None:
            _sentence(layout, wheels_to_bring(plan), "BLANK1")
            layout.operator("extensions.userpref_show_online", text="Show Allow Online Access", icon="PREFERENCES")
    if last is not None and last.step == "worker_setup":
        _sentence(layout, last.sentence, "ERROR" if last.failed else "CHECKMARK")
    for name in FIELDS:
        layout.prop(chosen, name)


def _sentence(layout: Any, text: str, icon: str) -> None:
    for number, line in enumerate(_wrapped(text)):
        layout.label(text=line, icon=icon if number == 0 else "BLANK1")


def preferences() -> TOMOSEG_AP_preferences | None:
    """The extension's preferences; None where it was registered without being enabled."""
    addon = bpy.context.preferences.addons.get(ROOT_PACKAGE)
    return None if addon is None else addon.preferences


def worker_python() -> Path:
    """The interpreter for the worker; raises WorkerError with what to do where there is none."""
    chosen = preferences()
    return find_python("" if chosen is None else chosen.worker_python)[0]


def find_python(chosen: str) -> tuple[Path, str]:
    """(interpreter, where it comes from): the preference, the environment, the extension's own, or this process's.

    `chosen` wins, and is never silently replaced. Raises WorkerError.
    """
    named = ((chosen, "from the preferences"), (os.environ.get(VARIABLE, ""), f"from {VARIABLE}"))
    for text, source in named:
        if text:
            path = Path(bpy.path.abspath(text))
            if not path.is_file():
                raise WorkerError(f"The worker's Python {path} ({source}) does not exist: choose another interpreter.")
            return path, source
    if is_finished(own_folder()):
        return own_python(), "set up by Tomoseg"
    # With bpy from pip this process is a real Python, and its environment may hold the worker's packages.
    if importlib.util.find_spec("torch") is not None and importlib.util.find_spec("safetensors") is not None:
        return Path(sys.executable), "this process's own, which has torch"
    raise WorkerError(
        "There is no Python with torch for the worker yet: press Set Up Worker in Edit > Preferences > Add-ons > "
        f"Tomoseg, choose one there, or name it in the environment variable {VARIABLE}."
    )


def own_folder() -> Path:
    """Where the extension keeps the worker's own environment; it survives upgrades of the extension."""
    return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="worker"))


def own_python() -> Path:
    """The interpreter in the worker's own environment."""
    return python_in(own_folder())


def setup_plan() -> Plan:
    """How the preferences want the worker to be set up."""
    return plan_for(preferences())


def plan_for(chosen: Any) -> Plan:
    """How `chosen` (the preferences, or None for their defaults) wants the worker to be set up."""
    named = {name: getattr(chosen, name, "").strip() for name in FIELDS}
    return Plan(
        folder=own_folder(),
        python=Path(bpy.path.abspath(named["base_python"]) or sys.executable),
        wheels=Path(bpy.path.abspath(named["wheels"])) if named["wheels"] else None,
        package_index=named["package_index"],
        torch_index=named["torch_index"],
    )


def _wrapped(sentence: str, width: int = 90) -> list[str]:
    lines = [""]
    for word in sentence.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_AP_preferences,))
