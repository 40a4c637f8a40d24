"""Step 8, merging: the maps of all features compete for each voxel; the result is one mask of integers."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatProperty, StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo.errors import TomosegError
from ...tomo.names import feature_of
from ...tomo.project import Project
from .. import jobs, state, thresholding
from ..settings import MergeSettings, settings_of
from .common import Action, ChoosesFile, OfTomogram


class TOMOSEG_OT_merge(MergeSettings, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.merge"
    bl_label = "Merge Maps"
    bl_description = (
        "Let the maps of all features compete, and write one mask with a table of its labels; one map makes it alone"
    )
    bl_options = {"REGISTER"}
    needs = "merge"
    waits = True

    features: StringProperty(  # type: ignore[valid-type]
        name="Features",
        description="Names separated by semicolons, in the order of their labels; empty: all that were applied",
        options={"SKIP_SAVE"},
    )

    threshold: FloatProperty(  # type: ignore[valid-type]
        name="Threshold",
        description="One threshold for all features, in place of each feature's own",
        default=0.8,
        min=0.0,
        max=100.0,
        options={"SKIP_SAVE"},
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        thresholding.keep_levels(scene)
        options = settings_of(self, context, "merge", MergeSettings)
        if self.properties.is_property_set("threshold"):
            options["threshold"] = self.threshold
        request = merge_request(scene, item.name, _named(self.features), options)
        return jobs.start(scene, "merge", f"Merging {item.name}", ("merge", request), _merged)


def _named(features: str) -> list[str]:
    return [name.strip() for name in features.split(";") if name.strip()]


def merge_request(scene: Scene, tomogram: str, features: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the worker's merge. Raises TomosegError for a feature that was not applied.

    options: with "threshold" that one counts for all features, else each feature's own, or the trained one.
    """
    project = state.require_project(scene)
    maps = project.maps_for_merging(tomogram)
    names = features or list(maps)
    if missing := [name for name in names if name not in maps]:
        raise TomosegError(f"There is no map of {missing[0]} in {tomogram}: apply its network first.")
    groups = [state.feature_named(scene, name) for name in names]
    own = "threshold" if options["trained_thresholds"] else "level"
    thresholds = [options.get("threshold", getattr(group, own)) for group in groups]
    return {
        "maps": [str(maps[name]) for name in names],
        "output": str(project.mask_path(tomogram)),
        "alone": len(names) == 1,  # one map makes the mask by itself
        "threshold": thresholds,
        "colours": [state.hex_colour(group) for group in groups],
        "like": str(project.tomogram_path(tomogram)),
    }


def _merged(scene: Scene, result: dict[str, Any]) -> str:
    project, mask = state.require_project(scene), Path(result["mask"])
    for item in scene.tomoseg.tomograms:
        if project.mask_path(item.name) == mask:
            item.mask = mask.name  # it counts from now on, whatever was imported before
    state.refresh(scene)
    labels = ", ".join(f"{label['value']} {label['name']} ({label['voxels']} voxels)" for label in result["labels"])
    return f"Mask {Path(result['mask']).name}: {labels}"


class TOMOSEG_OT_resample(ChoosesFile, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.resample"
    bl_label = "Resample Map"
    bl_description = "Bring a map made at another bin to this tomogram's size, in Fourier space"
    bl_options = {"REGISTER"}
    needs = "no_tomogram"
    waits = True

    filepath: StringProperty(name="Map", description="The map to resample", subtype="FILE_PATH")  # type: ignore[valid-type]
    output: StringProperty(  # type: ignore[valid-type]
        name="Output",
        description="File to write; empty: among the tomogram's maps",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        project = state.require_project(scene)
        source = Path(bpy.path.abspath(self.filepath))
        output = Path(bpy.path.abspath(self.output)) if self.output else _beside(project, source, item.name)
        params = {"map": str(source), "like": str(project.tomogram_path(item.name)), "output": str(output)}
        return jobs.start(scene, "merge", f"Resampling {source.name}", ("resample", params), _resampled)


def _beside(project: Project, source: Path, tomogram: str) -> Path:
    output = project.segmentation_path(tomogram, feature_of(source))
    if output.resolve() == source.resolve():
        raise TomosegError(f"{source} is a map of {tomogram} already: choose a map made at another bin.")
    return output


def _resampled(scene: Scene, result: dict[str, Any]) -> str:
    state.refresh(scene)
    return f"Wrote {Path(result['output']).name}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_merge, TOMOSEG_OT_resample))
