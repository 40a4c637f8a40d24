"""What belongs to this machine, not to a project: the Python that the worker runs in."""

import importlib.util
import os
import sys
from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy.types import AddonPreferences, Context

from .worker import WorkerError

ROOT_PACKAGE = __package__.rpartition(".")[0]
VARIABLE = "TOMOSEG_PYTHON"


class TOMOSEG_AP_preferences(AddonPreferences):
    bl_idname = ROOT_PACKAGE

    worker_python: StringProperty(  # type: ignore[valid-type]
        name="Worker's Python",
        description="Python interpreter with torch that the worker runs in; empty: the one named below is used",
        subtype="FILE_PATH",
    )
    report: StringProperty(name="Last check", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.prop(self, "worker_python")
        try:
            path, source = find_python(self.worker_python)
            layout.label(text=f"In use: {path} ({source})", icon="CHECKMARK")
        except WorkerError as error:
            for line in _wrapped(str(error)):
                layout.label(text=line, icon="ERROR")
        layout.operator("tomoseg.check_worker", icon="VIEWZOOM")
        for line in self.report.splitlines():
            layout.label(text=line)


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
    own = own_python()
    if own.is_file():
        return own, "set up by Tomoseg"
    # With bpy from pip this process is a real Python, and its environment may hold the worker's packages.
    if importlib.util.find_spec("torch") is not None and importlib.util.find_spec("safetensors") is not None:
        return Path(sys.executable), "this process's own, which has torch"
    raise WorkerError(
        "There is no Python with torch for the worker yet: choose one in Edit > Preferences > Add-ons > Tomoseg, "
        f"or name it in the environment variable {VARIABLE}."
    )


def own_python() -> Path:
    """Where the extension keeps the worker's own environment; it survives upgrades of the extension."""
    folder = Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path="worker"))
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _wrapped(sentence: str, width: int = 90) -> list[str]:
    lines = [""]
    for word in sentence.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_AP_preferences,))
