"""A second Blender, without a window, for what would block this one: films, and the writing of volumes.

It runs one operator of the extension on a copy of the file and tells how far it is in lines of its output. Its settings
are the person's own, so that the extension is enabled there, too.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Scene

from ..tomo.errors import TomosegError
from . import jobs
from .child import Child

MARK = "TOMOSEG"  # begins the lines that are meant for the waiting Blender
WAIT_SECONDS = 0.0
LAST_LINES = 5  # of a child that died without a word


def tell(fraction: float, message: str) -> None:
    """Say how far the work is, to whoever waits for this process; for people it is a line of the log."""
    print(f"\n{MARK} {json.dumps({'fraction': fraction, 'message': message})}", flush=True)


def start_operator(scene: Scene, step: str, title: str, operator: str, given: dict[str, Any], done: Any = None) -> str:
    """Run `tomoseg.<operator>` with these properties in a second Blender, as a job that can be cancelled.

    done: takes the scene, returns the sentence for the user. Raises TomosegError if another step runs.
    """
    if (reason := jobs.busy()) is not None:
        raise TomosegError(reason)
    finish: Callable[[Scene], str] = done or (lambda _scene: f"{title} is done.")
    # Made before the job begins: the copy shows the scene as it is now.
    folder = tempfile.TemporaryDirectory(prefix="tomoseg-")
    blend = Path(folder.name) / "copy.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), copy=True, check_existing=False)
    command = [bpy.app.binary_path, "--background", str(blend), "--python-exit-code", "1"]
    command += ["--python-expr", _script(scene.name, operator, given)]
    return jobs.start_here(
        scene,
        step,
        title,
        _watch(command, folder),
        lambda found, _result: finish(found),
        watches=True,
    )


def _script(scene: str, operator: str, given: dict[str, Any]) -> str:
    """What the child runs. It gets its data as JSON within a Python string: names may hold any letter."""
    data = json.dumps({"scene": scene, "operator": operator, "given": given})
    return f"import importlib; importlib.import_module({__name__!r}).run({data!r})"


def run(data: str) -> None:
    """In the child: run the operator, and tell how it ended."""
    wanted = json.loads(data)
    scene = bpy.data.scenes[wanted["scene"]]
    try:
        with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
            getattr(bpy.ops.tomoseg, wanted["operator"])(**wanted["given"])
    except RuntimeError as error:
        print(f"\n{MARK} {json.dumps({'error': str(error).strip().removeprefix('Error: ')})}", flush=True)
        raise SystemExit(1) from error


def _watch(command: list[str], folder: Any) -> Iterator[float]:
    """Follow the child to its end, one look at a time; yields the fraction that is done. Raises TomosegError."""
    environment = dict(os.environ)
    child = Child(command, Path(folder.name), environment)
    try:
        yield from _follow(child)
    finally:
        child.stop()
        folder.cleanup()


def _follow(child: Child) -> Iterator[float]:
    fraction, last = 0.0, []
    while (lines := child.lines(WAIT_SECONDS)) is not None:
        for line in lines:
            last = [*last[1 - LAST_LINES :], line] if line.strip() else last
            if not line.startswith(f"{MARK} "):
                continue
            told = json.loads(line.removeprefix(f"{MARK} "))
            if "error" in told:
                raise TomosegError(told["error"])
            fraction = float(told["fraction"])
            if (job := jobs.running()) is not None:
                job.message = told["message"]
        if (job := jobs.running()) is not None and job.cancelling:
            raise TomosegError(f"{job.title} was cancelled: nothing was written.")
        yield fraction
    if child.failed:
        print("\n".join(last), file=sys.stderr)
        raise TomosegError("The second Blender ended early: see its last lines in Blender's console.")
