"""What the box tool's mouse buttons and keys do: place, drag, delete, and what a new box will be."""

from dataclasses import replace
from typing import Any

import bpy
from bpy.types import Context, Event, Operator

from ...tomo.boxes import NEGATIVE, POSITIVE, Box, kept_inside
from ...tomo.errors import TomosegError
from .. import aiming, boxing, state, viewing
from ..scene import boxes
from .common import Action


class TOMOSEG_OT_place_box(Operator):
    bl_idname = "tomoseg.place_box"
    bl_label = "Place or Move Box"
    bl_description = "Place a box of the chosen feature and kind here, or drag the one that is here"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        reasons = context.scene.tomoseg.reasons
        reason = reasons.boxes or reasons.not_shown or reasons.read_only
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: Context, event: Event) -> set[str]:
        target = aiming.aim_of_event(context, event)
        if target is None or not target.inside:
            return {"PASS_THROUGH"}  # a click beside the tomogram is Blender's own
        try:
            self.box = aiming.box_under(target)
            self.is_new = self.box is None
            if self.box is None:
                self.box = _place(context, target)
        except TomosegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        boxing.select(context, self.box)
        self.start, self.last = target, self.box
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        if event.type == "MOUSEMOVE":
            self._drag(context, event)
        elif event.type in {"ESC", "RIGHTMOUSE"}:
            return self._give_up(context)
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE":
            return self._finish(context)
        return {"RUNNING_MODAL"}

    def _drag(self: Any, context: Context, event: Event) -> None:
        target = aiming.aim_of_event(context, event)
        if target is None:
            return
        x, y, z = self.box.centre
        moved = (x + round(target.x - self.start.x), y + round(target.y - self.start.y), z)
        box = replace(self.box, centre=kept_inside(moved, tuple(target.item.shape)))
        if box != self.last and boxes.find_box_object(box.id) is not None:
            self.last = box
            boxes.add_box_object(box)
            context.area.tag_redraw()

    def _give_up(self: Any, context: Context) -> set[str]:
        if self.is_new:
            boxes.delete_box_object(self.box.id)
        else:
            boxes.add_box_object(self.box)
        self._keep(context)
        return {"CANCELLED"}

    def _finish(self: Any, context: Context) -> set[str]:
        self._keep(context)
        what = "Placed" if self.is_new else ("Moved" if self.last != self.box else "Selected")
        self.report({"INFO"}, f"{what} {self.last.kind} box of {self.last.feature} at {self.last.centre}")
        return {"FINISHED"}

    def _keep(self: Any, context: Context) -> None:
        try:
            boxing.save_boxes(context.scene)
        except TomosegError as error:
            self.report({"ERROR"}, str(error))
        state.refresh(context.scene)


def _place(context: Context, target: aiming.Aim) -> Box:
    """A new box at the point. Raises TomosegError where it cannot be."""
    group, feature = context.scene.tomoseg, state.feature_named(context.scene, "")
    return boxing.add(context.scene, target.voxel, group.box_kind, group.box_size, feature.name, target.item.name)


class TOMOSEG_OT_erase_box(Action, Operator):
    bl_idname = "tomoseg.erase_box"
    bl_label = "Delete Box Here"
    bl_description = "Delete the box under the mouse"
    bl_options = {"REGISTER", "UNDO"}
    needs = "not_shown"

    def invoke(self, context: Context, event: Event) -> set[str]:
        target = aiming.aim_of_event(context, event)
        self.found = None if target is None else aiming.box_under(target)
        if self.found is None:
            self.report({"INFO"}, "There is no box here")
            return {"CANCELLED"}
        return self.execute(context)

    def act(self, context: Context) -> str:
        box = getattr(self, "found", None)
        if box is None:
            raise TomosegError("Point at a box in a 3D view: this needs the mouse.")
        boxes.delete_box_object(box.id)
        boxing.save_boxes(context.scene)
        return f"Deleted {box.kind} box of {box.feature}"


class TOMOSEG_OT_switch_kind(Action, Operator):
    bl_idname = "tomoseg.switch_kind"
    bl_label = "Switch Kind"
    bl_description = "Place boxes of the other kind from now on: positive or negative"
    bl_options = {"REGISTER"}
    refreshes = False

    def act(self, context: Context) -> str:
        group = context.scene.tomoseg
        group.box_kind = NEGATIVE if group.box_kind == POSITIVE else POSITIVE
        viewing.redraw("VIEW_3D", "IMAGE_EDITOR")
        return f"New boxes are {group.box_kind}"


class TOMOSEG_OT_next_feature(Action, Operator):
    bl_idname = "tomoseg.next_feature"
    bl_label = "Next Feature"
    bl_description = "Go on with the next feature of the list: its boxes and its labels"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_feature"
    moves = True

    def act(self, context: Context) -> str:
        group = context.scene.tomoseg
        group.feature_index = (group.feature_index + 1) % len(group.features)
        viewing.redraw("VIEW_3D", "IMAGE_EDITOR")
        return f"{group.features[group.feature_index].name} is the feature now"


class TOMOSEG_OT_use_box_tool(Action, Operator):
    bl_idname = "tomoseg.use_box_tool"
    bl_label = "Box Tool"
    bl_description = "Take the tool that places, drags and deletes boxes with the mouse"
    bl_options = {"REGISTER"}
    needs = "not_shown"
    refreshes = False

    def act(self, context: Context) -> None:
        if bpy.app.background:
            raise TomosegError("The box tool needs a window: use Add Box instead.")
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        bpy.ops.wm.tool_set_by_id(name="tomoseg.box_tool", space_type="VIEW_3D")


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_place_box,
        TOMOSEG_OT_erase_box,
        TOMOSEG_OT_switch_kind,
        TOMOSEG_OT_next_feature,
        TOMOSEG_OT_use_box_tool,
    )
)
