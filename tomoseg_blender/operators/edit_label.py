"""Labels made from labels, greys or the network's map, to be corrected by hand: fill, flood, copy, interpolate."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import EnumProperty
from bpy.types import Context, Event, Operator, Scene
from numpy.typing import NDArray

from ...tomo import label_edit, mrc
from ...tomo.errors import TomosegError
from ...tomo.labels import IGNORE
from .. import aiming, jobs, relabelling, state, viewing
from ..relabelling import ShownLabel
from ..scene import slices
from .brush import OnSlice
from .common import Action


class TOMOSEG_OT_fill_label(Action, Operator):
    bl_idname = "tomoseg.fill_label"
    bl_label = "Fill Contours"
    bl_description = "Fill all that closed contours of the feature's label on this slice enclose"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def act(self, context: Context) -> str:
        count = relabelling.replace_label(context.scene, lambda shown: label_edit.fill_contours(shown.label))
        if not count:
            raise TomosegError("No contour on this slice is closed: draw a ring around the feature, then fill it.")
        return f"Filled {count} voxels"


class TOMOSEG_OT_flood_label(OnSlice, Operator):
    bl_idname = "tomoseg.flood_label"
    bl_label = "Flood"
    bl_description = "Label the voxels of like grey that hang together with the one under the mouse, within the radius"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context: Context, event: Event) -> set[str]:
        self.target = aiming.aim_of_event(context, event)
        return self.execute(context)

    def act(self, context: Context) -> str:
        scene, group = context.scene, context.scene.tomoseg
        target = getattr(self, "target", None)
        if target is None or not target.inside:
            raise TomosegError("Point at the slice in a 3D view: the flood begins under the mouse.")
        x, y, z = target.voxel
        data = viewing.data_of(scene, target.item.name).data
        grey = slices.slice_at(data, "z", z, target.item.thickness)
        tolerance = group.flood_likeness * abs(target.item.high - target.item.low)
        mask = label_edit.flood(grey, x, y, group.brush_radius, tolerance)
        value = 0 if group.erase else (IGNORE if group.paint_role == "ignore" else 1)
        count = relabelling.replace_label(scene, lambda shown: label_edit.painted_over(shown.label, mask, value))
        return f"Flooded {count} voxels"


class TOMOSEG_OT_copy_label(Action, Operator):
    bl_idname = "tomoseg.copy_label"
    bl_label = "Copy Label"
    bl_description = "Take the label of the nearest painted slice for this one, to be corrected"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    source: EnumProperty(  # type: ignore[valid-type]
        name="From",
        items=(
            ("nearest", "Nearest", "The nearest painted slice"),
            ("below", "Below", "The nearest painted slice with a smaller z"),
            ("above", "Above", "The nearest painted slice with a larger z"),
        ),
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        shown = relabelling.shown_label(scene)
        step = {"nearest": 0, "below": -1, "above": 1}[self.source]
        painted = relabelling.painted_slices(scene, shown.item, shown.feature)
        z = label_edit.nearest_painted(painted, shown.z, step)
        if z is None:
            raise TomosegError(f"No other slice of {shown.item.name} has a label of {shown.feature.name}: paint one.")
        relabelling.replace_label(scene, lambda _shown: relabelling.label_on(scene, shown, z))
        return f"Copied the label of slice {z}"


class TOMOSEG_OT_interpolate_label(Action, Operator):
    bl_idname = "tomoseg.interpolate_label"
    bl_label = "Interpolate Label"
    bl_description = "Make this slice's label from those of the nearest painted slices below and above"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def act(self, context: Context) -> str:
        scene = context.scene
        shown = relabelling.shown_label(scene)
        ends = label_edit.neighbours(relabelling.painted_slices(scene, shown.item, shown.feature), shown.z)
        if ends is None:
            raise TomosegError(f"Paint {shown.feature.name} on a slice below and on one above this one first.")
        below, above = (relabelling.label_on(scene, shown, z) for z in ends)
        label = label_edit.interpolate(below, above, (shown.z - ends[0]) / (ends[1] - ends[0]))
        relabelling.replace_label(scene, lambda _shown: label)
        return f"Interpolated between slices {ends[0]} and {ends[1]}"


class TOMOSEG_OT_label_from_map(Action, Operator):
    bl_idname = "tomoseg.label_from_map"
    bl_label = "Take Prediction"
    bl_description = "Take what the feature's network finds on this slice as its label, to be corrected"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def act(self, context: Context) -> str:
        scene = context.scene
        shown = relabelling.shown_label(scene)
        project = state.require_project(scene)
        path = project.segmentation_path(shown.item.name, shown.feature.name)
        if path.is_file():
            found = mrc.open_tomogram(path)
            if found.shape == tuple(shown.item.shape):
                count = take_map(scene, shown, np.asarray(found.data[shown.z]))
                return f"Took {count} voxels of the map as the label"
        if not project.network_path(shown.feature.name).is_file():
            raise TomosegError(f"{shown.feature.name} has neither a network nor a map yet: train a network first.")
        return _ask_network(scene, shown)


def take_map(scene: Scene, shown: ShownLabel, found: NDArray[Any]) -> int:
    """Label where a map [y, x] is above the network's threshold; returns how many voxels changed."""
    threshold = shown.feature.threshold or label_edit.MAP_THRESHOLD
    return relabelling.replace_label(scene, lambda now: label_edit.label_of_map(found, threshold, now.label))


def _ask_network(scene: Scene, shown: ShownLabel) -> str:
    """Let the worker look at this one slice; the label follows when it has answered."""
    project, name, feature, z = state.require_project(scene), shown.item.name, shown.feature.name, shown.z
    params = {
        "network": str(project.network_path(feature)),
        "tomogram": str(project.tomogram_path(name)),
        "z": z,
        "output": str(project.folder / "previews" / f"{name}__{feature}_z{z:05d}.npy"),
    }

    def answered(scene: Scene, result: dict[str, Any]) -> str:
        now = relabelling.shown_label(scene)
        if (now.item.name, now.feature.name, now.z) != (name, feature, z):
            return f"Slice {z} was left before the network had answered: go back and take its prediction again."
        count = take_map(scene, now, np.load(Path(result["preview"]), allow_pickle=False))
        bpy.ops.ed.undo_push(message="Take Prediction")
        return f"Took {count} voxels of the prediction as the label."

    return jobs.start(scene, "paint", f"Looking at slice {z}", ("preview", params), answered)


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_fill_label,
        TOMOSEG_OT_flood_label,
        TOMOSEG_OT_copy_label,
        TOMOSEG_OT_interpolate_label,
        TOMOSEG_OT_label_from_map,
    )
)
