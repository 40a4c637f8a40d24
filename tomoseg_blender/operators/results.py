"""Step 9, results: surfaces and volumes of the mask in the scene, named and coloured by feature."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import EnumProperty, StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo import mrc
from ...tomo.errors import TomosegError
from ...tomo.label_table import LabelEntry, check_label_count, entries_for, load_label_table
from ...tomo.mask_checks import check_label_values
from ...tomo.mask_names import read_mask_name
from .. import jobs, mask_edits, masks, state, thresholding, viewing, volume_writing
from ..mask_properties import KINDS
from ..masks import mask_of
from ..scene import components, meshes, tomogram, vdb, volumes
from ..scene.ply import COMPONENT, read_numbered_ply
from ..settings import SurfaceSettings, settings_of
from .common import Action, OfTomogram

WORKER_OPTIONS = ("smoothing", "triangles", "smallest", "split", "open_border")


class _ImportMask(SurfaceSettings, OfTomogram, Action):
    """What the three operators share. only: the one kind of result that this operator makes, or both."""

    filepath: StringProperty(  # type: ignore[valid-type]
        name="Mask", description="Mask to read; empty: the tomogram's own", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    kind: EnumProperty(  # type: ignore[valid-type]
        name="Holds", description="What a file from elsewhere holds", items=KINDS, options={"SKIP_SAVE"}
    )
    needs = "no_tomogram"
    waits = True
    only = ""

    def act(self: Any, context: Context) -> str:
        scene = context.scene
        mask = Path(bpy.path.abspath(self.filepath)) if self.filepath else None
        item = state.tomogram_named(scene, self.tomogram or tomogram_for(scene, mask))
        mask = mask_of(scene, item.name, self.filepath)
        options = settings_of(self, context, "surface", SurfaceSettings)
        if self.only:
            options |= {one: one == self.only for one in ("surfaces", "volumes")}
        if masks.is_own(state.require_project(scene), mask):
            masks.choose_mask(scene, item.name, mask)
            return start_shapes(scene, item.name, mask, options)
        return start_import(scene, item.name, mask, self.kind, options)


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


class TOMOSEG_OT_open_mask(_ImportMask, Operator):
    bl_idname = "tomoseg.open_mask"
    bl_label = "Import Mask File"
    bl_description = "Import a mask or map of another program (MRC, HDF, TIFF); its tomogram is told by its name"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(default="*.mrc;*.map;*.rec;*.hdf;*.h5;*.tif;*.tiff;*.gz;*.bz2", options={"HIDDEN"})  # type: ignore[valid-type]

    def invoke(self, context: Context, _event: Any) -> set[str]:
        self.kind = context.scene.tomoseg.masks.kind
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: Context) -> str:
        if not self.filepath:
            raise TomosegError("No file was named: choose a mask or a map.")
        return str(super().act(context))


def tomogram_for(scene: Scene, mask: Path | None) -> str:
    """The tomogram of the project that a mask's file name tells, or "" for the chosen one."""
    names = [item.name for item in scene.tomoseg.tomograms]
    told = read_mask_name(mask, names).tomogram if mask is not None else ""
    return told if told in names else ""


def start_import(scene: Scene, name: str, source: Path, kind: str, options: dict[str, Any]) -> str:
    """Let the worker bring a mask or map into the project; what shows it follows when that is done."""
    project = state.require_project(scene)
    params = {"source": str(source), "project": str(project.folder), "tomogram": name, "kind": kind}

    def done(scene: Scene, result: dict[str, Any]) -> str:
        path = Path(result["path"])
        if result["kind"] == "map":
            return take_map(scene, name, result)
        masks.choose_mask(scene, name, path)
        return start_shapes(scene, name, path, options)

    return jobs.start(scene, "results", f"Importing {source.name}", ("import_mask", params), done)


def take_map(scene: Scene, name: str, result: dict[str, Any]) -> str:
    """A map was imported: its feature is in the project from now on, with a threshold, and its surface is made."""
    project, feature = state.require_project(scene), result["feature"]
    if feature not in [one.name for one in project.features()]:
        project.add_feature(feature)
        project.set_threshold(feature, round(result["threshold"], 6))
    state.refresh(scene)
    thresholding.outline_map(scene, name, feature, preview=not bpy.app.background)
    return f"Map of {feature} in {name}; its threshold is {scene.tomoseg.features[feature].level:.2f}."


def start_shapes(scene: Scene, name: str, mask: Path, options: dict[str, Any]) -> str:
    """Make what is wanted of a mask in the project: surfaces, volumes or both."""
    if options["surfaces"]:
        return start_surfaces(scene, name, mask, options, with_volumes=options["volumes"])
    return start_volumes(scene, name, mask)


def start_surfaces(
    scene: Scene, name: str, mask: Path, options: dict[str, Any], *, with_volumes: bool, after: str = ""
) -> str:
    """Let the worker make surfaces; they come into the scene when it is done.

    after: the sentence of the step before, which the one at the end begins with.
    """
    project, stamp = state.require_project(scene), masks.stamp_of(mask)
    chosen = {key: options[key] for key in WORKER_OPTIONS}
    size = thresholding.shown_size(mrc.open_tomogram(mask))
    params = {"mask": str(mask), "output": str(project.folder / "surfaces"), "number": True, **chosen, **size}

    def done(scene: Scene, result: dict[str, Any]) -> str:
        sentence = f"{after} {add_surfaces(scene, name, result['surfaces'], mask.name, stamp)}".strip()
        return start_volumes(scene, name, mask, after=sentence) if with_volumes else sentence

    return jobs.start(scene, "results", f"Surfaces of {name}", ("surface", params), done)


def add_surfaces(scene: Scene, name: str, made: list[dict[str, Any]], mask: str, stamp: str) -> str:
    """Import the surfaces that the worker made of a mask; those of the mask before that it has no more of go.

    All files are read before the scene is touched, so that a damaged one leaves it as it was.
    """
    empty = viewing.empty_of(scene, name)
    read = [read_numbered_ply(Path(entry["path"])) for entry in made]
    geometry = tomogram.geometry_of(empty)
    for entry, (vertices, triangles, numbers) in zip(made, read, strict=True):
        places = meshes.to_voxels(vertices, geometry)
        surface = meshes.show_surface(places, triangles, empty, entry["name"], entry["colour"])
        if numbers is not None:
            meshes.set_numbers(surface.data, COMPONENT, numbers)
        components.mark_surface(surface, mask, stamp, entry["value"], entry["feature"], entry["component"])
    kept = {entry["name"] for entry in made}
    for surface in components.of_mask(empty):
        if meshes.feature_of(surface) not in kept:
            bpy.data.objects.remove(surface)
    state.refresh(scene)
    mask_edits.show_again(scene, empty, mask, stamp)
    if not made:
        return "No part is large enough: no surface was made."
    features = dict.fromkeys(entry["feature"] for entry in made)
    return f"Surfaces of {', '.join(features)}."


def labels_of(mask: Path) -> list[LabelEntry]:
    """The labels that the table beside the mask names, or those that occur in it. Reads the mask without a table."""
    table = load_label_table(mask.with_suffix(".json"))
    if table:
        return table
    values: set[int] = set()
    for _z, slab in mrc.slabs(mrc.open_tomogram(mask).data, 16):
        values |= _labels_in(mask, slab)
        check_label_count(mask, len(values))
    return entries_for(sorted(values), [])


def _labels_in(mask: Path, slab: Any) -> set[int]:
    """The labels of a slab [z, y, x]; raises TomosegError for values that are none."""
    found = np.unique(slab)
    check_label_values(mask, found)
    return {int(value) for value in found if value > 0}


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
        sentences = (after, add_volumes(scene, name, entries), volume_writing.binned(opened.shape, scene))
        return " ".join(filter(None, sentences))

    wanted = volume_writing.request_for_labels(scene, mask, files)
    return volume_writing.start(scene, f"Volumes of {name}", [wanted], done)


def add_volumes(scene: Scene, name: str, entries: list[LabelEntry]) -> str:
    """Import the VDB of each label."""
    empty, project = viewing.empty_of(scene, name), state.require_project(scene)
    paths = {entry: project.volume_path(name, entry.name) for entry in entries}
    volumes.check_files(paths.values())
    for entry, path in paths.items():
        volumes.import_volume(path, empty, entry.name, entry.colour)
    state.refresh(scene)
    return f"Volumes of {', '.join(entry.name for entry in entries)}."


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_import_mask, TOMOSEG_OT_import_surfaces, TOMOSEG_OT_import_volumes, TOMOSEG_OT_open_mask)
)
