"""Correcting the network, one action each: mark what is wrong, take what is right in a box or lasso as the label."""

from dataclasses import replace
from typing import Any

import bpy
import gpu
import numpy as np
from bpy.props import StringProperty
from bpy.types import Context, Event, Operator
from gpu_extras.batch import batch_for_shader
from mathutils import Vector

from ...tomo import label_edit
from ...tomo.boxes import NEGATIVE, POSITIVE, Box
from ...tomo.errors import TomosegError
from ...tomo.labels import FEATURE
from .. import aiming, boxing, relabelling, state, viewing
from ..scene import boxes
from .common import Action
from .edit_label import take_prediction


class _Pointing(Action):
    """An operator that needs a point of the slice: the mouse's, or the one of the next click (from a button)."""

    hint = ""

    def invoke(self: Any, context: Context, event: Event) -> set[str]:
        self.target = aiming.aim_of_event(context, event)
        if self.target is not None and self.target.inside:
            done: set[str] = self.execute(context)
            return done
        context.workspace.status_text_set(self.hint)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self: Any, context: Context, event: Event) -> set[str]:
        if event.type in {"ESC", "RIGHTMOUSE"}:
            context.workspace.status_text_set(None)
            return {"CANCELLED"}
        if event.type != "LEFTMOUSE" or event.value != "PRESS":
            return {"PASS_THROUGH"}
        context.workspace.status_text_set(None)
        self.target = _aim_anywhere(context, event)
        done: set[str] = self.execute(context)
        return done


def _aim_anywhere(context: Context, event: Event) -> aiming.Aim | None:
    """The point of the slice under the mouse in whichever 3D view that is: a button's operator sits in the sidebar."""
    for area in context.window.screen.areas:
        inside = area.x <= event.mouse_x < area.x + area.width and area.y <= event.mouse_y < area.y + area.height
        if area.type == "VIEW_3D" and inside:
            region = next(one for one in area.regions if one.type == "WINDOW")
            mouse = (event.mouse_x - region.x, event.mouse_y - region.y)
            return aiming.aim(context.scene, region, area.spaces.active.region_3d, mouse)
    return None


class TOMOSEG_OT_mark_wrong(_Pointing, Operator):
    bl_idname = "tomoseg.mark_wrong"
    bl_label = "Mark as Wrong"
    bl_description = (
        "Put a negative box where the network finds the feature and it is not; an unpainted positive box there becomes "
        "negative"
    )
    bl_options = {"REGISTER", "UNDO"}
    needs = "boxes"
    hint = "Click where the network is wrong; Esc ends this"

    def act(self, context: Context) -> str:
        target = getattr(self, "target", None)
        if target is None or not target.inside:
            raise TomosegError("Point at the slice in a 3D view: the negative box comes under the mouse.")
        box = _made_negative(context, target)
        boxing.select(context, box)
        return f"Negative box of {box.feature} at {box.centre}"


def _made_negative(context: Context, target: aiming.Aim) -> Box:
    """The unpainted positive box under the point as a negative one, or a new one. Raises TomosegError."""
    scene, feature = context.scene, state.feature_named(context.scene, "")
    shown = relabelling.shown_label(scene)
    found = aiming.box_under(target, feature.name)
    if found is not None and found.kind == POSITIVE and not _paint_in(found, shown.label):
        box = replace(found, kind=NEGATIVE)
        boxes.add_box_object(box)
        boxing.save_boxes(scene)
        return box
    size = scene.tomoseg.box_size if found is None else found.size
    box = Box(target.item.name, feature.name, NEGATIVE, target.voxel, size)
    if _paint_in(box, shown.label):
        raise TomosegError(
            f"A negative box of {size} voxels here would hold painted {feature.name}: erase that, or choose a smaller "
            "box."
        )
    return boxing.add(scene, target.voxel, NEGATIVE, size, feature.name, target.item.name)


def _paint_in(box: Box, label: relabelling.Label) -> bool:
    return bool((label_edit.inside_box(label.shape, box) & (label == FEATURE)).any())


class TOMOSEG_OT_take_in_box(_Pointing, Operator):
    bl_idname = "tomoseg.take_in_box"
    bl_label = "Take Prediction in Box"
    bl_description = "Take what the network finds in the box under the mouse as its label, to be corrected"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"
    hint = "Click on the box whose prediction is right; Esc ends this"

    box: StringProperty(name="Box", description="The box's id; empty: the one under the mouse", options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        shown = relabelling.shown_label(context.scene)
        box = self._chosen(context, shown)
        return take_prediction(context.scene, shown, label_edit.inside_box(shown.label.shape, box))

    def _chosen(self: Any, context: Context, shown: relabelling.ShownLabel) -> Box:
        target = getattr(self, "target", None)
        found = aiming.box_under(target, shown.feature.name) if target is not None and not self.box else None
        if self.box:
            known = boxing.of_feature(context.scene, shown.feature.name, shown.item.name)
            found = next((box for box in known if box.id == self.box and box.centre[2] == shown.z), None)
        if found is None:
            raise TomosegError(
                f"Point at a box of {shown.feature.name} on this slice: its prediction becomes its label."
            )
        if found.kind != POSITIVE:
            raise TomosegError("This box is negative, so it has no label: make it positive first, or point at another.")
        return found


class TOMOSEG_OT_take_in_lasso(Action, Operator):
    bl_idname = "tomoseg.take_in_lasso"
    bl_label = "Take Prediction in Lasso"
    bl_description = "Draw around what the network finds rightly: inside, its prediction becomes the label"
    bl_options = {"REGISTER", "UNDO"}
    needs = "paint"

    def invoke(self, context: Context, event: Event) -> set[str]:
        self.points: list[tuple[float, float]] = []
        self.button, self.line = "LEFTMOUSE", None
        if event.value == "PRESS" and event.type in {"LEFTMOUSE", "RIGHTMOUSE"} and context.region_data is not None:
            self.button = event.type
            self._begin(context)
            self._add(context, event)
        context.workspace.status_text_set("Draw around what is right; Esc ends this")
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        if event.type == "ESC":
            return self._leave(context, {"CANCELLED"})
        if event.type == self.button and event.value == "PRESS" and self.line is None:
            self._begin(context)
        if self.line is None:
            return {"PASS_THROUGH"}
        self._add(context, event)
        if event.type == self.button and event.value == "RELEASE":
            self._leave(context, set())
            return self.execute(context)
        return {"RUNNING_MODAL"}

    def _begin(self: Any, context: Context) -> None:
        self.line = bpy.types.SpaceView3D.draw_handler_add(_draw_line, (self.points, context), "WINDOW", "POST_VIEW")

    def _add(self: Any, context: Context, event: Event) -> None:
        target = _aim_anywhere(context, event)
        if target is not None:
            self.points.append((target.x, target.y))
            viewing.redraw("VIEW_3D")

    def _leave(self: Any, context: Context, status: set[str]) -> set[str]:
        if self.line is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self.line, "WINDOW")
            self.line = None
        context.workspace.status_text_set(None)
        return status

    def act(self, context: Context) -> str:
        shown = relabelling.shown_label(context.scene)
        points = getattr(self, "points", [])
        where = label_edit.inside_polygon(np.array(points).reshape(-1, 2), (shown.label.shape[0], shown.label.shape[1]))
        if not where.any():
            raise TomosegError("Draw around a part of the slice in a 3D view: this needs the mouse.")
        return take_prediction(context.scene, shown, where)


def _draw_line(points: list[tuple[float, float]], context: Context) -> None:
    """The lasso so far, closed, on the shown slice."""
    shown = viewing.shown_tomogram(context.scene)
    if shown is None or len(points) < 2:
        return
    item, empty = shown
    corners = [empty.matrix_world @ Vector((x, y, item.slice_z + 1.0)) for x, y in (*points, points[0])]
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.bind()
    shader.uniform_float("color", (1.0, 1.0, 1.0, 1.0))
    batch_for_shader(shader, "LINE_STRIP", {"pos": corners}).draw(shader)


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_mark_wrong, TOMOSEG_OT_take_in_box, TOMOSEG_OT_take_in_lasso)
)
