"""A second Blender, without a window, for what would block this one: films, and the writing of volumes.

It runs one operator of the extension on a copy of the file, or one function without any file, and tells how far it is
in lines of its output. Its settings are the person's own, so that the extension is enabled there, too.
"""

import importlib
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
    wanted = {"scene": scene.name, "operator": operator, "given": given}
    steps = _watch([str(blend)], (__name__, "run_operator"), wanted, folder)
    return jobs.start_here(scene, step, title, steps, lambda found, _result: finish(found), watches=True)


def start_function(
    scene: Scene, step: str, title: str, function: tuple[str, str], given: Any, done: Callable[[Scene], str]
) -> str:
    """Call `function` (module, name) with `given`, which must fit into JSON, in a second Blender; else the same."""
    folder = tempfile.TemporaryDirectory(prefix="tomoseg-")
    steps = _watch([], function, given, folder)
    return jobs.start_here(scene, step, title, steps, lambda found, _result: done(found), watches=True)


def run(module: str, function: str, data: str) -> None:
    """In the child: call the function, and tell how it ended."""
    try:
        getattr(importlib.import_module(module), function)(json.loads(data))
    except (RuntimeError, TomosegError) as error:
        print(f"\n{MARK} {json.dumps({'error': str(error).strip().removeprefix('Error: ')})}", flush=True)
        raise SystemExit(1) from error


def run_operator(wanted: dict[str, Any]) -> None:
    """In the child: run an operator on the scene that it is for."""
    scene = bpy.data.scenes[wanted["scene"]]
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        getattr(bpy.ops.tomoseg, wanted["operator"])(**wanted["given"])


def _watch(files: list[str], function: tuple[str, str], given: Any, folder: Any) -> Iterator[float]:
    """Start the child, follow it to its end; yields the fraction that is done. Raises TomosegError.

    The child gets its data as JSON within a Python string in a file: names may hold any letter, lists be long.
    """
    module, name = function
    script = Path(folder.name) / "run.py"
    words = ", ".join(repr(word) for word in (module, name, json.dumps(given)))
    script.write_text(f"import importlib\nimportlib.import_module({__name__!r}).run({words})\n", encoding="utf-8")
    command = [bpy.app.binary_path, "--background", *files, "--python-exit-code", "1", "--python", str(script)]
    child = Child(command, Path(folder.name), dict(os.environ))
    try:
        yield from _follow(child)
    finally:
        child.stop()
        folder.cleanup()


def _follow(child: Child) -> Iterator[float]:
    fraction = 0.0
    last: list[str] = []
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
