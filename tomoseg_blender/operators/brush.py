"""What the brush's keys do while labels are painted: erase, radius, feature or ignore."""

from typing import Any

import bpy
from bpy.props import IntProperty
from bpy.types import Context, Event, Operator

from ...tomo.errors import TomosegError
from .. import compat, painting, undo_steps, viewing
from .common import Action

FACTOR = 1.25  # from one radius to the next
NOT_PAINTING = "Paint a slice first: its brush is meant."


class OnSlice(Action):
    """An operator that is there only while a slice of Tomoseg is painted; elsewhere Blender's own key acts."""

    @classmethod
    def poll(cls: Any, context: Context) -> bool:
        if painting.painted_plane(context.scene) is None:
            cls.poll_message_set(NOT_PAINTING)
            return False
        return True


class TOMOSEG_OT_fit_brush(OnSlice, Operator):
    bl_idname = "tomoseg.fit_brush"
    bl_label = "Fit Brush"
    bl_description = "Give the brush its radius in voxels in the editor under the mouse, then let Blender paint"
    bl_options = {"INTERNAL"}

    def invoke(self, context: Context, _event: Event) -> set[str]:
        fit_brush(context)
        return {"PASS_THROUGH"}

    def act(self, _context: Context) -> str:
        raise TomosegError("Paint with the mouse in a 3D view or an Image Editor.")


def fit_brush(context: Context) -> None:
    """Two editors show the slice at different zooms: the brush has its radius in voxels in the one under the mouse."""
    undo_steps.keep_now()
    if context.region is not None and context.region.type == "WINDOW":
        painting.apply_radius(context, context.region, context.region_data)


class TOMOSEG_OT_erase_stroke(OnSlice, Operator):
    bl_idname = "tomoseg.erase_stroke"
    bl_label = "Erase"
    bl_description = "Erase with the brush while the mouse button is down"
    bl_options = {"INTERNAL"}

    def invoke(self, context: Context, _event: Event) -> set[str]:
        brush = context.tool_settings.image_paint.brush
        if brush is None or brush.name != compat.BRUSH_NAME:
            return {"PASS_THROUGH"}
        brush.blend = "ERASE_ALPHA"
        fit_brush(context)
        bpy.ops.paint.image_paint("INVOKE_DEFAULT", mode="NORMAL")
        self.timer = context.window_manager.event_timer_add(0.1, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, _event: Event) -> set[str]:
        # The stroke takes all events until its button is up: what arrives here then comes after it.
        if painting.is_stroking():
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self.timer)
        viewing.show_labels(context.scene)  # gives the brush its own blending back
        painting.apply_radius(context)
        return {"FINISHED", "PASS_THROUGH"}

    def act(self, _context: Context) -> str:
        raise TomosegError("Erase with the mouse in a 3D view or an Image Editor.")


class TOMOSEG_OT_change_radius(OnSlice, Operator):
    bl_idname = "tomoseg.change_radius"
    bl_label = "Change Radius"
    bl_description = "Make the brush larger or smaller"
    bl_options = {"REGISTER"}
    refreshes = False

    step: IntProperty(name="Step", description="1 for larger, -1 for smaller", default=1)  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        group = context.scene.tomoseg
        group.brush_radius = next_radius(group.brush_radius, self.step)
        return f"Brush radius {group.brush_radius:g} voxels"


def next_radius(radius: float, step: int) -> float:
    """The next larger (step 1) or smaller (-1) radius in voxels: by halves below 4, by a quarter of it above."""
    changed = radius + 0.5 * step if radius + 0.5 * step <= 4 else round(radius * FACTOR**step)
    return float(min(max(changed, 0.5), 512.0))


class TOMOSEG_OT_switch_role(OnSlice, Operator):
    bl_idname = "tomoseg.switch_role"
    bl_label = "Feature or Ignore"
    bl_description = "Paint the feature, or areas that are to be ignored because nobody can tell"
    bl_options = {"REGISTER"}
    refreshes = False

    def act(self, context: Context) -> str:
        group = context.scene.tomoseg
        group.paint_role = "label" if group.paint_role == "ignore" else "ignore"
        return "Painting areas to ignore" if group.paint_role == "ignore" else "Painting the feature"


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_fit_brush, TOMOSEG_OT_erase_stroke, TOMOSEG_OT_change_radius, TOMOSEG_OT_switch_role)
)
