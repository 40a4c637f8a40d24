"""The flood brush: while the mouse is dragged, voxels of like grey around it become label."""

from typing import Any

import bpy
import numpy as np
from bpy.types import Context, Event, Operator

from ...tomo import label_edit
from ...tomo.errors import TomosegError
from ...tomo.labels import BACKGROUND, FEATURE, IGNORE
from ...tomo.words import counted
from .. import aiming, state, viewing
from ..relabelling import Draft
from ..scene import slices
from .brush import OnSlice

BETWEEN = 0.5  # of the radius: how far the mouse goes from one flooding to the next


class TOMOSEG_OT_flood_label(OnSlice, Operator):
    bl_idname = "tomoseg.flood_label"
    bl_label = "Flood"
    bl_description = (
        "Label the voxels of like grey that hang together with the one under the mouse, within the radius; "
        "drag to go on with the grey where the mouse was pressed"
    )
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context: Context, event: Event) -> set[str]:
        target = aiming.aim_of_event(context, event)
        if target is None or not target.inside:
            self.report({"INFO"}, "The flood begins on the slice: point at it")
            return {"CANCELLED"}
        try:
            self.flood = _Flood(context, target)
            self.flood.go_to(context, target)
        except TomosegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.button = event.type
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        try:
            if event.type == "MOUSEMOVE":
                self.flood.go_to(context, aiming.aim_of_event(context, event))
            elif event.type == "ESC":
                self.flood.draft.drop(context.scene)
                return {"CANCELLED"}
            elif event.type == self.button and event.value == "RELEASE":
                return self._finish(context)
        except TomosegError as error:
            self.report({"ERROR"}, str(error))
            return {"FINISHED"}  # what was flooded so far can be undone
        return {"RUNNING_MODAL"}

    def _finish(self: Any, context: Context) -> set[str]:
        count = self.flood.draft.keep(context.scene)
        state.refresh(context.scene)
        self.report({"INFO"}, f"Flooded {counted(count, 'voxel')}")
        return {"FINISHED"}

    def act(self, _context: Context) -> str:
        raise TomosegError("Point at the slice: the flood begins under the mouse.")


class _Flood:
    """One stroke of the flood brush."""

    def __init__(self, context: Context, target: aiming.Aim) -> None:
        """Raises TomosegError if the label cannot be begun."""
        group = context.scene.tomoseg
        x, y, z = target.voxel
        data = viewing.data_of(context.scene, target.item.name).data
        self.grey = slices.slice_at(data, "z", z, target.item.thickness)
        self.like = label_edit.grey_at(self.grey, x, y)
        self.tolerance = group.flood_likeness * abs(target.item.high - target.item.low)
        self.radius = group.brush_radius
        self.value = BACKGROUND if group.erase else (IGNORE if group.paint_role == "ignore" else FEATURE)
        self.draft = Draft(context.scene)
        self.last: tuple[float, float] | None = None

    def go_to(self, context: Context, target: aiming.Aim | None) -> None:
        """Flood from where the mouse was to `target`, and show it."""
        if target is None:
            return
        here = (target.x, target.y)
        start = here if self.last is None else self.last
        distance = float(np.hypot(here[0] - start[0], here[1] - start[1]))
        steps = int(distance / max(self.radius * BETWEEN, 1.0))
        if self.last is not None and steps == 0:
            return
        for part in np.linspace(0, 1, steps + 1):
            x, y = (int((a + (b - a) * part) // 1) for a, b in zip(start, here, strict=True))
            self._flood(x, y)
        self.last = here
        self.draft.show(context.scene)
        viewing.redraw("VIEW_3D", "IMAGE_EDITOR")

    def _flood(self, x: int, y: int) -> None:
        mask = label_edit.flood(self.grey, x, y, self.radius, self.tolerance, self.like)
        self.draft.label = label_edit.painted_over(self.draft.label, mask, self.value)


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_flood_label,))
