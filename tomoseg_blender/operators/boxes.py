"""Step 3, boxes: regions that show the feature (about 10) and regions that lack it (about 100)."""

from dataclasses import replace
from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty, IntVectorProperty, StringProperty
from bpy.types import Context, Operator

from ...tomo.errors import TomosegError
from ...tomo.words import counted
from .. import boxing, viewing
from ..properties import KINDS
from ..scene import boxes
from .common import Action, OfFeature, OfTomogram


class TOMOSEG_OT_add_box(OfFeature, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.add_box"
    bl_label = "Add Box"
    bl_description = "Place a box at the 3D cursor, on the shown slice"
    bl_options = {"REGISTER", "UNDO"}
    needs = "boxes"

    location: IntVectorProperty(  # type: ignore[valid-type]
        name="Centre", description="x, y, z in voxels; if not given, the 3D cursor", size=3, options={"SKIP_SAVE"}
    )
    kind: EnumProperty(name="Kind", items=KINDS, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    size: IntProperty(name="Size", description="Side in voxels", default=64, min=2, max=4096, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        group, given = context.scene.tomoseg, self.properties
        centre = tuple(self.location) if given.is_property_set("location") else _at_cursor(context)
        kind = self.kind if given.is_property_set("kind") else group.box_kind
        size = self.size if given.is_property_set("size") else group.box_size
        box = boxing.add(context.scene, centre, kind, size, self.feature, self.tomogram)
        group.box_id = box.id
        return f"{kind.capitalize()} box of {box.feature} at {box.centre}"


def _at_cursor(context: Context) -> tuple[int, int, int]:
    """The voxel (x, y, z) under the 3D cursor, on the shown slice."""
    shown = viewing.shown_tomogram(context.scene)
    if shown is None:
        raise TomosegError("No tomogram is shown: show one, or give the box's place.")
    item, empty = shown
    x, y, _z = empty.matrix_world.inverted() @ context.scene.cursor.location
    return int(x // 1), int(y // 1), item.slice_z


class TOMOSEG_OT_delete_box(Action, Operator):
    bl_idname = "tomoseg.delete_box"
    bl_label = "Delete Box"
    bl_description = "Delete the selected boxes"
    bl_options = {"REGISTER", "UNDO"}
    needs = "not_shown"

    box: StringProperty(  # type: ignore[valid-type]
        name="Box", description="The box's id; empty: all selected boxes", options={"SKIP_SAVE"}
    )

    def act(self, context: Context) -> str:
        chosen = [self.box] if self.box else _selected(context)
        if not chosen:
            raise TomosegError("No box is selected: select the boxes to delete.")
        boxing.save_boxes(context.scene)
        deleted = sum(boxes.delete_box_object(one) for one in chosen)
        if not deleted:
            raise TomosegError(f"There is no box {self.box}: reload the project.")
        boxing.save_boxes(context.scene)
        return f"Deleted {deleted} box{'es' if deleted > 1 else ''}"


def _selected(context: Context) -> list[str]:
    return [boxes.box_from_object(one).id for one in context.selected_objects if boxes.is_box(one)]


class TOMOSEG_OT_next_box(Action, Operator):
    bl_idname = "tomoseg.next_box"
    bl_label = "Next Box"
    bl_description = "Go to the next or previous box of the feature in this tomogram, and select it"
    bl_options = {"REGISTER", "UNDO"}
    needs = "not_shown"
    moves = True

    step: IntProperty(name="Step", default=1)  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        box = boxing.neighbour(context.scene, self.step)
        boxing.go_to(context.scene, box)
        boxing.centre_on(context, box)
        return f"{box.kind.capitalize()} box at {box.centre}"


class TOMOSEG_OT_change_kind(Action, Operator):
    bl_idname = "tomoseg.change_kind"
    bl_label = "Change Kind"
    bl_description = "Make the selected boxes positive or negative"
    bl_options = {"REGISTER", "UNDO"}
    needs = "not_shown"

    kind: EnumProperty(name="Kind", items=KINDS)  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        chosen: list[Any] = [one for one in context.selected_objects if boxes.is_box(one)]
        if not chosen:
            raise TomosegError("No box is selected: select the boxes to change.")
        for one in chosen:
            boxes.add_box_object(replace(boxes.box_from_object(one), kind=self.kind))
        boxing.save_boxes(context.scene)
        return f"Made {counted(len(chosen), 'box')} {self.kind}"


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_add_box, TOMOSEG_OT_delete_box, TOMOSEG_OT_next_box, TOMOSEG_OT_change_kind)
)
