"""`blender --command tomoseg_figure PROJECT`: the figure or a film of a finished project, without a window.

Surfaces that the project holds and that are newer than the mask are shown as they are, so that no worker is needed;
others are made by the worker first.
"""

import argparse
from pathlib import Path
from typing import Any

import bpy

from ..tomo.errors import TomosegError
from ..tomo.label_table import load_label_table
from . import masks, state, viewing
from .operators import project as project_steps
from .scene import meshes, tomogram
from .terminal import Command

COMMAND = "tomoseg_figure"  # Blender takes identifiers only, so no hyphen
FILMS = ("turntable", "slices")
_SAME_NAME = (
    *("preset", "background", "engine", "samples", "cut_axis", "cut_position"),
    *("silhouettes", "haze", "elevation", "turn"),
)


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(prog=f"blender --command {COMMAND}", description=__doc__.partition("\n")[0])
    made.add_argument("project", type=Path, help="the project's folder")
    made.add_argument("--tomogram", default="", help="its name in the project (default: the first one with a mask)")
    made.add_argument("--output", type=Path, help="PNG, or MP4 for a film (default: in the project's figures)")
    made.add_argument("--features", nargs="+", default=(), metavar="NAME", help="only these (default: all)")
    made.add_argument("--preset", choices=("overview", "cut_open", "single"), default="overview")
    made.add_argument("--cut-axis", choices=("z", "y", "x"), default="z", help="of cut_open")
    made.add_argument("--cut-position", type=float, default=0.5, help="of cut_open: 0 to 1 along the axis")
    made.add_argument("--background", choices=("white", "dark"), default="white")
    made.add_argument("--no-silhouettes", dest="silhouettes", action="store_false", help="no lines along rims")
    made.add_argument("--elevation", type=float, default=42.0, help="degrees above the slices (default: 42)")
    made.add_argument("--turn", type=float, default=0.0, help="degrees round the tomogram, to the right (default: 0)")
    made.add_argument("--haze", type=float, default=0.0, help="0 to 1: how much what is far fades (default: 0)")
    made.add_argument("--transparent", action="store_true", help="no background")
    made.add_argument("--slice", type=int, metavar="Z", help="show this slice of the tomogram")
    made.add_argument("--size", type=int, nargs=2, default=(1200, 900), metavar=("WIDTH", "HEIGHT"), help="in pixels")
    made.add_argument("--samples", type=int, default=32, help="per pixel: more is cleaner and slower")
    made.add_argument("--engine", choices=("cycles", "eevee"), default="cycles")
    made.add_argument("--as-is", action="store_true", help="show the surfaces that are there, whatever their age")
    made.add_argument("--film", choices=FILMS, help="a film instead of a picture")
    made.add_argument("--seconds", type=float, default=8.0, help="of the film")
    made.add_argument("--rate", type=int, default=24, help="frames a second of the film")
    return made


def make(options: argparse.Namespace) -> str:
    """Show the project's results in an empty file and render them; returns a sentence. Raises TomosegError."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    project_steps.enter(scene, options.project.absolute(), create=False)
    name = options.tomogram or first_with_mask(scene)
    show_surfaces(scene, name, as_is=options.as_is)
    given = {key: getattr(options, key) for key in _SAME_NAME}
    given |= {"width": options.size[0], "height": options.size[1], "transparent": options.transparent}
    given |= {"tomogram": name, "features": ";".join(options.features), "slice_axis": "none"}
    if options.slice is not None or options.film == "slices":
        _show_slice(scene, name, options.slice or 0)
        given["slice_axis"] = "z"
    if options.output is not None:
        given["filepath"] = str(options.output.absolute())
    if options.film:
        bpy.ops.tomoseg.film(kind=options.film, seconds=options.seconds, rate=options.rate, **given)
    else:
        bpy.ops.tomoseg.figure(**given)
    return f"Wrote {options.output or state.require_project(scene).folder / 'figures'}"


def first_with_mask(scene: Any) -> str:
    """The name of the first tomogram that has a mask. Raises TomosegError if none has."""
    for item in scene.tomoseg.tomograms:
        if masks.current_mask(scene, item.name) is not None:
            return str(item.name)
    raise TomosegError("No tomogram of this project has a mask: apply networks and merge their maps first.")


def show_surfaces(scene: Any, name: str, *, as_is: bool = False) -> None:
    """Show the surfaces of a tomogram's mask: those in the project's folder if they are newer than it, else new ones.

    as_is: those that are there in any case; a project that was copied may have lost its files' times.
    """
    state.tomogram_named(scene, name)
    mask = masks.mask_of(scene, name, "")
    project, opened = state.require_project(scene), viewing.data_of(scene, name)
    entries = load_label_table(mask.with_suffix(".json"))
    files = {entry: project.surface_path(name, entry.name) for entry in entries}
    age = 0.0 if as_is else mask.stat().st_mtime
    there = {entry: path for entry, path in files.items() if path.is_file() and path.stat().st_mtime >= age}
    if not there:
        bpy.ops.tomoseg.import_surfaces(tomogram=name)
        return
    empty = tomogram.ensure_tomogram(name, opened.shape, opened.geometry)
    for entry, path in there.items():
        meshes.import_surface(path, empty, entry.name, entry.colour)


def _show_slice(scene: Any, name: str, index: int) -> None:
    item = state.tomogram_named(scene, name)
    if not 0 <= index < item.shape[0]:
        raise TomosegError(f"{name} has no slice {index}: choose 0 to {item.shape[0] - 1}.")
    viewing.show(scene, item)
    item.slice_z = index


_COMMAND = Command(COMMAND, parser, make)
run, register, unregister = _COMMAND.run, _COMMAND.register, _COMMAND.unregister
