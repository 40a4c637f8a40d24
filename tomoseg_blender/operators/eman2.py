"""Boxes, labels and networks from and to EMAN2, training sets from Ais: work begun there goes on here."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo.errors import TomosegError
from ...tomo.words import counted
from .. import boxing, jobs, painting, state, viewing
from ..properties import KINDS
from ..scene import boxes
from .common import Action, ChoosesFile, OfFeature, OfTomogram

INFO_SUFFIX = ".json"


class TOMOSEG_OT_import_rois(ChoosesFile, OfFeature, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.import_rois"
    bl_label = "Import Boxes from EMAN2"
    bl_description = "Take boxes and labels from EMAN2's stacks (_good with _good_seg, _bad) or info file"
    bl_options = {"REGISTER"}
    needs = "boxes"
    waits = True

    filepath: StringProperty(  # type: ignore[valid-type]
        name="File", description="Stack of boxes, or info file (.json)", subtype="FILE_PATH"
    )
    kind: EnumProperty(  # type: ignore[valid-type]
        name="Kind", description="What the boxes of this file are", items=KINDS, options={"SKIP_SAVE"}
    )
    filter_glob: StringProperty(default="*.hdf;*.mrcs;*.json", options={"HIDDEN"})  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        scene = context.scene
        item, feature = state.tomogram_named(scene, self.tomogram), state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        path = Path(bpy.path.abspath(self.filepath))
        params = {"project": str(state.require_project(scene).folder), "tomogram": item.name, "feature": feature.name}
        if path.suffix == INFO_SUFFIX:
            params |= {"info": str(path), "kind": self.kind}
        else:
            params["positives" if self.kind == "positive" else "negatives"] = str(path)
        return jobs.start(scene, "boxes", f"Importing {path.name}", ("import_rois", params), _imported)


def _imported(scene: Scene, result: dict[str, Any]) -> str:
    """Show what the worker wrote into the project's files."""
    boxes.show_boxes(state.require_project(scene).boxes())
    painting.forget_saved()
    state.refresh(scene)
    viewing.show_again(scene)
    return f"{counted(result['added'], 'box')} added, labels on {counted(len(result['slices']), 'slice')}"


class TOMOSEG_OT_export_rois(ChoosesFile, OfFeature, Action, Operator):
    bl_idname = "tomoseg.export_rois"
    bl_label = "Export Boxes to EMAN2"
    bl_description = "Write the feature's boxes and labels as EMAN2's stacks: _good, _good_seg, _bad"
    bl_options = {"REGISTER"}
    needs = "no_feature"
    waits = True

    directory: StringProperty(name="Folder", description="Folder for the stacks", subtype="DIR_PATH")  # type: ignore[valid-type]
    format: EnumProperty(  # type: ignore[valid-type]
        name="Format", items=(("hdf", "HDF", "EMAN2's own format"), ("mrcs", "MRC Stack", "For other programs"))
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        if not self.directory:
            raise TomosegError("No folder was named: choose the folder for the stacks.")
        feature = state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        folder = Path(bpy.path.abspath(self.directory))
        params = {
            "project": str(state.require_project(scene).folder),
            "feature": feature.name,
            "output": str(folder),
            "format": self.format,
        }
        return jobs.start(scene, "boxes", f"Exporting {feature.name}", ("export_rois", params), _exported)


def _exported(_scene: Scene, result: dict[str, Any]) -> str:
    names = ", ".join(Path(path).name for path in result["stacks"].values())
    return f"Wrote {counted(result['boxes'], 'box')}: {names}"


class TOMOSEG_OT_import_scnt(ChoosesFile, OfFeature, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.import_scnt"
    bl_label = "Import Boxes from Ais"
    bl_description = "Take boxes and labels of this tomogram and feature from a training set of Ais (.scnt)"
    bl_options = {"REGISTER"}
    needs = "boxes"
    waits = True

    filepath: StringProperty(  # type: ignore[valid-type]
        name="File", description="Training set that Ais wrote (.scnt)", subtype="FILE_PATH"
    )
    filter_glob: StringProperty(default="*.scnt", options={"HIDDEN"})  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        scene = context.scene
        item, feature = state.tomogram_named(scene, self.tomogram), state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        path = Path(bpy.path.abspath(self.filepath))
        params = {
            "scnt": str(path),
            "project": str(state.require_project(scene).folder),
            "tomogram": item.name,
            "feature": feature.name,
        }
        return jobs.start(scene, "boxes", f"Importing {path.name}", ("import_scnt", params), _imported)


class TOMOSEG_OT_import_network(ChoosesFile, OfFeature, Action, Operator):
    bl_idname = "tomoseg.import_network"
    bl_label = "Import Network from EMAN2"
    bl_description = "Make a network that EMAN2 trained (.hdf) the feature's network"
    bl_options = {"REGISTER"}
    needs = "no_feature"
    waits = True

    filepath: StringProperty(  # type: ignore[valid-type]
        name="File", description="Network that EMAN2 wrote (.hdf)", subtype="FILE_PATH"
    )
    filter_glob: StringProperty(default="*.hdf", options={"HIDDEN"})  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        feature = state.feature_named(context.scene, self.feature)
        output = state.require_project(context.scene).network_path(feature.name)
        if output.exists():
            raise TomosegError(f"{feature.name} has a network already: move {output} away first.")
        path = Path(bpy.path.abspath(self.filepath))
        params = {"network": str(path), "output": str(output), "feature": feature.name}
        return jobs.start(context.scene, "train", f"Importing {path.name}", ("convert", params), _converted)


class TOMOSEG_OT_export_network(ChoosesFile, OfFeature, Action, Operator):
    bl_idname = "tomoseg.export_network"
    bl_label = "Export Network to EMAN2"
    bl_description = "Write the feature's classic network as EMAN2 reads it (.hdf)"
    bl_options = {"REGISTER"}
    needs = "no_feature"
    waits = True

    filepath: StringProperty(name="File", description="File to write (.hdf)", subtype="FILE_PATH")  # type: ignore[valid-type]
    for_2017: BoolProperty(  # type: ignore[valid-type]
        name="EMAN2 of 2017", description="Write it as EMAN2 of 2017 reads it, not as today's does", default=False
    )

    def act(self, context: Context) -> str:
        feature = state.feature_named(context.scene, self.feature)
        network = state.require_project(context.scene).network_path(feature.name)
        if not network.is_file():
            raise TomosegError(f"Train a network for {feature.name} first.")
        output = Path(bpy.path.abspath(self.filepath)).with_suffix(".hdf")
        params = {"network": str(network), "output": str(output), "for_2017": self.for_2017}
        return jobs.start(context.scene, "train", f"Exporting {feature.name}", ("convert", params), _converted)


def _converted(scene: Scene, result: dict[str, Any]) -> str:
    state.refresh(scene)
    return f"Wrote {Path(result['network']).name}"


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_import_rois,
        TOMOSEG_OT_export_rois,
        TOMOSEG_OT_import_scnt,
        TOMOSEG_OT_import_network,
        TOMOSEG_OT_export_network,
    )
)
