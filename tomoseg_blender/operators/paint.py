"""Step 4, painting: cover the feature in each positive box exactly, with a hard brush on the slice."""

from typing import Any

import bpy
from bpy.types import Context, Operator

from ...tomo.errors import TomosegError
from .. import boxing, gallery, painting, state, viewing
from ..scene import slices
from . import workspace
from .common import Action

SHELF_SECONDS = 0.3  # until Blender has drawn the mode's shelf, which can be closed only then


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
        if not bpy.app.background:
            bpy.app.timers.register(_close_shelves, first_interval=SHELF_SECONDS)
        return f"Painting {feature.name} on slice {item.slice_z}"


def _enter_paint_mode(context: Context, plane: Any) -> None:
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for other in context.selected_objects:
        other.select_set(False)
    context.view_layer.objects.active = plane
    plane.select_set(True)
    bpy.ops.object.mode_set(mode="TEXTURE_PAINT")


def _close_shelves() -> None:
    """Timer: close the shelf of brushes in Tomoseg's own workspace: it covers the slice, and soft ones spoil labels."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas if window.workspace.name == workspace.NAME else ():
            space = area.spaces.active
            # Not there in other editors, read-only where the mode has no shelf.
            if "show_region_asset_shelf" in space.bl_rna.properties and not space.is_property_readonly(
                "show_region_asset_shelf"
            ):
                space.show_region_asset_shelf = False


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


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_paint_slice,
        TOMOSEG_OT_finish_painting,
        TOMOSEG_OT_save_labels,
    )
)
