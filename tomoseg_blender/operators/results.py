"""Step 9, results: surfaces and volumes of the mask in the scene, named and coloured by feature."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo import mrc
from ...tomo.errors import TomosegError
from ...tomo.label_table import LabelEntry, entries_for, load_label_table
from .. import jobs, state, viewing
from ..scene import meshes, tomogram, vdb, volumes
from ..settings import SurfaceSettings, settings_of
from .common import Action, OfTomogram

WORKER_OPTIONS = ("smoothing", "triangles", "smallest", "split", "open_border")


def mask_of(scene: Scene, name: str, filepath: str) -> Path:
    """The mask named, or the tomogram's own. Raises TomosegError if there is none."""
    path = Path(bpy.path.abspath(filepath)) if filepath else state.require_project(scene).mask_path(name)
    if not path.is_file():
        raise TomosegError(f"There is no mask {path}: merge the maps of {name} first, or choose a mask's file.")
    return path


class _ImportMask(SurfaceSettings, OfTomogram, Action):
    """What the three operators share. only: the one kind of result that this operator makes, or both."""

    filepath: StringProperty(  # type: ignore[valid-type]
        name="Mask", description="Mask to read; empty: the tomogram's own", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    needs = "no_tomogram"
    waits = True
    only = ""

    def act(self: Any, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        mask = mask_of(scene, item.name, self.filepath)
        options = settings_of(self, context, "surface", SurfaceSettings)
        wanted = {kind: options[kind] if not self.only else kind == self.only for kind in ("surfaces", "volumes")}
        if wanted["surfaces"]:
            return start_surfaces(scene, item.name, mask, options, with_volumes=wanted["volumes"])
        return start_volumes(scene, item.name, mask)


class TOMOSEG_OT_import_mask(_ImportMask, Operator):
    bl_idname = "tomoseg.import_mask"
    bl_label = "Import Mask"
    bl_description = "Make surfaces and volumes of the mask's labels, at true scale and place in the scene"
    bl_options = {"REGISTER", "UNDO"}


class TOMOSEG_OT_import_surfaces(_ImportMask, Operator):
    bl_idname = "tomoseg.import_surfaces"
    bl_label = "Import Surfaces"
    bl_description = "Make surfaces of the mask's labels"
    bl_options = {"REGISTER", "UNDO"}
    only = "surfaces"


class TOMOSEG_OT_import_volumes(_ImportMask, Operator):
    bl_idname = "tomoseg.import_volumes"
    bl_label = "Import Volumes"
    bl_description = "Make OpenVDB volumes of the mask's labels"
    bl_options = {"REGISTER", "UNDO"}
    only = "volumes"


def start_surfaces(scene: Scene, name: str, mask: Path, options: dict[str, Any], *, with_volumes: bool) -> str:
    """Let the worker make surfaces; they come into the scene when it is done."""
    project = state.require_project(scene)
    chosen = {key: options[key] for key in WORKER_OPTIONS}
    params = {"mask": str(mask), "output": str(project.folder / "surfaces"), **chosen}

    def done(scene: Scene, result: dict[str, Any]) -> str:
        sentence = add_surfaces(scene, name, result["surfaces"])
        return start_volumes(scene, name, mask, after=sentence) if with_volumes else sentence

    return jobs.start(scene, "results", f"Surfaces of {name}", ("surface", params), done)


def _empty_of(scene: Scene, name: str) -> Any:
    """The tomogram's empty, which surfaces and volumes hang on; made without showing a slice."""
    opened = viewing.data_of(scene, name)
    return tomogram.find_tomogram(name) or tomogram.ensure_tomogram(name, opened.shape, opened.geometry)


def add_surfaces(scene: Scene, name: str, made: list[dict[str, Any]]) -> str:
    """Import the surfaces that the worker made, as it lists them."""
    empty = _empty_of(scene, name)
    for entry in made:
        meshes.import_surface(Path(entry["path"]), empty, entry["name"], entry["colour"])
    state.refresh(scene)
    if not made:
        return "No part is large enough: no surface was made."
    return f"Surfaces of {', '.join(entry['name'] for entry in made)}."


def labels_of(mask: Path) -> list[LabelEntry]:
    """The labels that the table beside the mask names, or those that occur in it. Reads the mask without a table."""
    table = load_label_table(mask.with_suffix(".json"))
    if table:
        return table
    values: set[int] = set()
    for _z, slab in mrc.slabs(mrc.open_tomogram(mask).data, 16):
        values |= {int(value) for value in np.unique(slab) if value > 0}
    return entries_for(sorted(values), [])


def start_volumes(scene: Scene, name: str, mask: Path, after: str = "") -> str:
    """Write one VDB per label, slab by slab, and import them; where Blender has no OpenVDB, the sentence says so.

    after: the sentence of the step before, which the one at the end begins with.
    """
    project, opened = state.require_project(scene), mrc.open_tomogram(mask)
    entries = labels_of(mask)
    if not entries:
        raise TomosegError(f"{mask} holds no label: merge the maps again with a lower threshold.")
    try:
        vdb.require_vdb()
    except TomosegError as error:
        return f"{after} {error}".strip()
    files = {entry.value: (entry.name, project.volume_path(name, entry.name)) for entry in entries}

    def done(scene: Scene, _result: dict[str, Any]) -> str:
        return f"{after} {add_volumes(scene, name, entries)}".strip()

    steps = vdb.label_vdb_steps(opened.data, files, opened.geometry)
    return jobs.start_here(scene, "results", f"Volumes of {name}", steps, done)


def add_volumes(scene: Scene, name: str, entries: list[LabelEntry]) -> str:
    """Import the VDB of each label."""
    empty, project = _empty_of(scene, name), state.require_project(scene)
    for entry in entries:
        volumes.import_volume(project.volume_path(name, entry.name), empty, entry.name, entry.colour)
    state.refresh(scene)
    return f"Volumes of {', '.join(entry.name for entry in entries)}."


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_import_mask, TOMOSEG_OT_import_surfaces, TOMOSEG_OT_import_volumes)
)
