"""Step 4, painting: cover the feature in each positive box exactly, with a hard brush on the slice."""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy.props import BoolProperty, IntProperty, StringProperty
from bpy.types import Context, Event, Operator, Scene
from numpy.typing import NDArray

from ...tomo import mrc
from ...tomo.boxes import POSITIVE
from ...tomo.errors import TomosegError
from ...tomo.labels import FEATURE
from .. import boxing, gallery, painting, state, viewing
from ..scene import slices
from .common import Action, OfFeature, OfTomogram


class TOMOSEG_OT_paint_slice(Action, Operator):
    bl_idname = "tomoseg.paint_slice"
    bl_label = "Paint Slice"
    bl_description = "Paint the feature on the shown z slice with a hard brush"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def act(self, context: Context) -> str:
        shown = viewing.shown_tomogram(context.scene)
        feature = state.feature_named(context.scene, "")
        if shown is None:
            raise TomosegError("No tomogram is shown: show one first.")
        item, empty = shown
        plane = slices.find_plane(empty, "z")
        _enter_paint_mode(context, plane)
        painting.dress_brush(context)
        viewing.show_labels(context.scene)
        painting.open_editors(context.scene)
        return f"Painting {feature.name} on slice {item.slice_z}"


def _enter_paint_mode(context: Context, plane: Any) -> None:
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for other in context.selected_objects:
        other.select_set(False)
    context.view_layer.objects.active = plane
    plane.select_set(True)
    bpy.ops.object.mode_set(mode="TEXTURE_PAINT")


class TOMOSEG_OT_finish_painting(Action, Operator):
    bl_idname = "tomoseg.finish_painting"
    bl_label = "Finish Painting"
    bl_description = "Leave painting; the labels are saved in the project"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if context.mode != "PAINT_TEXTURE":
            cls.poll_message_set("Nothing is being painted now.")
            return False
        return True

    def act(self, context: Context) -> str:
        bpy.ops.object.mode_set(mode="OBJECT")
        painting.close_editors(gallery.find_image())
        return _saved(painting.save_painted(context.scene))


def _saved(count: int) -> str:
    return f"Saved the labels of {count} slice{'' if count == 1 else 's'}" if count else "All labels are saved"


class TOMOSEG_OT_save_labels(Action, Operator):
    bl_idname = "tomoseg.save_labels"
    bl_label = "Save Labels"
    bl_description = "Write what was painted to the project now; it is also done by itself every 15 seconds"
    bl_options = {"REGISTER"}
    needs = "no_project"

    def act(self, context: Context) -> str:
        boxing.save_boxes(context.scene)
        return _saved(painting.save_painted(context.scene))


class TOMOSEG_OT_label_from_mask(OfFeature, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.label_from_mask"
    bl_label = "Labels from Volume"
    bl_description = "Take the labels of all slices with positive boxes from a volume of labels, such as an older mask"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_feature"

    filepath: StringProperty(name="Volume", subtype="FILE_PATH")  # type: ignore[valid-type]
    value: IntProperty(  # type: ignore[valid-type]
        name="Value", description="The feature's value in the volume; 0: all values but 0", default=0, min=0
    )
    inside_boxes: BoolProperty(  # type: ignore[valid-type]
        name="Inside Boxes Only", description="Leave the label empty outside the positive boxes", default=True
    )

    def invoke(self, context: Context, _event: Event) -> set[str]:
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def act(self, context: Context) -> str:
        scene = context.scene
        item, feature = state.tomogram_named(scene, self.tomogram), state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        volume = mrc.open_tomogram(Path(bpy.path.abspath(self.filepath)))
        if volume.shape != tuple(item.shape):
            raise TomosegError(
                f"{volume.path} has {_size(volume.shape)} voxels and {item.name} {_size(tuple(item.shape))}: "
                "choose a volume of the same size."
            )
        count = _label_slices(scene, item, feature, volume.data, self.value, inside_only=self.inside_boxes)
        viewing.show_labels(scene)
        return f"Labelled {feature.name} on {count} slices of {item.name}"


def _label_slices(scene: Scene, item: Any, feature: Any, volume: NDArray[Any], value: int, *, inside_only: bool) -> int:
    """Write labels of `volume` [z, y, x] for each slice with a positive box; returns the number of slices."""
    found = [box for box in boxing.of_feature(scene, feature.name, item.name) if box.kind == POSITIVE]
    if not found:
        raise TomosegError(f"{feature.name} has no positive box in {item.name}: place boxes on the feature first.")
    numbers = sorted({box.centre[2] for box in found})
    for z in numbers:
        painted = volume[z] == value if value else volume[z] != 0
        label = np.where(painted, FEATURE, 0).astype(np.int8)
        if inside_only:
            inside = np.zeros(label.shape, bool)
            for box in found:
                if box.centre[2] == z:
                    x, y = (max(start, 0) for start in box.corner)
                    inside[y : box.corner[1] + box.size, x : box.corner[0] + box.size] = True
            label[~inside] = 0
        painting.put_label(scene, item, feature, z, label)
    return len(numbers)


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(str(length) for length in reversed(shape))


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_paint_slice,
        TOMOSEG_OT_finish_painting,
        TOMOSEG_OT_save_labels,
        TOMOSEG_OT_label_from_mask,
    )
)
