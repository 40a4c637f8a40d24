"""Step 9, correcting: take wrong components out of the mask, give them another label, or learn from them."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, FloatVectorProperty, IntProperty, StringProperty
from bpy.types import Context, Event, Operator, Scene
from mathutils import Vector

from ...tomo.boxes import Box
from ...tomo.errors import TomosegError
from ...tomo.words import counted
from .. import boxing, jobs, mask_edits, masks, picking, slice_picking, state
from ..scene import components
from ..scene.components import Component
from ..settings import SurfaceSettings, settings_of
from .common import Action, OfTomogram
from .results import start_surfaces

PICKING = "Click on a component; Esc ends"


class TOMOSEG_OT_pick_component(Action, Operator):
    bl_idname = "tomoseg.pick_component"
    bl_label = "Pick Component"
    bl_description = "Click on a component of the mask, on its surface or on the slice: corrections then act on it"
    bl_options = {"REGISTER", "UNDO"}
    needs = "not_shown"
    refreshes = False

    origin: FloatVectorProperty(  # type: ignore[valid-type]
        name="From", description="Where the ray starts, in Blender units", options={"SKIP_SAVE"}
    )
    direction: FloatVectorProperty(  # type: ignore[valid-type]
        name="Along", description="Where the ray goes", default=(0.0, 0.0, -1.0), options={"SKIP_SAVE"}
    )

    def invoke(self, context: Context, _event: Event) -> set[str]:
        context.window.cursor_modal_set("EYEDROPPER")
        context.workspace.status_text_set(PICKING)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: Event) -> set[str]:
        if event.type in {"ESC", "RIGHTMOUSE"}:
            self._end(context)
            return {"CANCELLED"}
        if event.type != "LEFTMOUSE" or event.value != "PRESS":
            return {"PASS_THROUGH"} if event.type != "LEFTMOUSE" else {"RUNNING_MODAL"}
        self._end(context)
        try:
            found = self._under(context, event)
            self.report({"INFO"}, self._take(context, found))
        except TomosegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def _end(self, context: Context) -> None:
        context.window.cursor_modal_restore()
        context.workspace.status_text_set(None)

    def _under(self, context: Context, event: Event) -> Any:
        """What is under the mouse, in whichever 3D view it is: the button lies in another region."""
        for area in context.screen.areas:
            region = next((one for one in area.regions if one.type == "WINDOW"), None)
            if area.type != "VIEW_3D" or region is None:
                continue
            place = (event.mouse_x - region.x, event.mouse_y - region.y)
            if 0 <= place[0] < region.width and 0 <= place[1] < region.height:
                with context.temp_override(area=area, region=region):
                    ray = picking.ray_under(bpy.context, place)
                return None if ray is None else slice_picking.find(context.scene, *ray)
        return None

    def _take(self, context: Context, found: Any) -> str:
        if found is None:
            picking.pick(context.scene, None)
            raise TomosegError("No component of a mask is there: click on a surface, or on a part of a label's slice.")
        if isinstance(found, slice_picking.OnSlice):
            return slice_picking.start(context.scene, found)
        told = picking.pick(context.scene, found.component, components.label_of(found.surface))
        for area in context.screen.areas:
            area.tag_redraw()
        return told

    def act(self, context: Context) -> str:
        ray = Vector(self.origin), Vector(self.direction).normalized()
        return self._take(context, slice_picking.find(context.scene, *ray))


class _OnComponent(Action):
    """A correction of the picked component, or of the selected ones."""

    needs = "not_shown"

    @classmethod
    def poll(cls: Any, context: Context) -> bool:
        """False, with the reason, where no component is picked or selected."""
        if not super().poll(context):
            return False
        selected = any(components.whole_component(one) for one in context.selected_objects if one.type == "MESH")
        if not selected and picking.picked(context.scene) is None:
            cls.poll_message_set(picking.NONE_PICKED)
            return False
        return True


class TOMOSEG_OT_delete_component(_OnComponent, Operator):
    bl_idname = "tomoseg.delete_component"
    bl_label = "Delete Component"
    bl_description = "Take the picked component out of the mask; the file changes when the mask is saved"
    bl_options = {"REGISTER", "UNDO"}

    def act(self, context: Context) -> str:
        gone = mask_edits.change(context.scene, picking.chosen(context), 0)
        return f"Deleted {', '.join(gone)}; save the mask to keep it so"


class TOMOSEG_OT_relabel_component(_OnComponent, Operator):
    bl_idname = "tomoseg.relabel_component"
    bl_label = "Relabel Component"
    bl_description = "Give the picked component the label chosen in the list"
    bl_options = {"REGISTER", "UNDO"}

    label: StringProperty(  # type: ignore[valid-type]
        name="Label", description="Name of the new label; empty: the one chosen in the list", options={"SKIP_SAVE"}
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        new = masks.label_value(scene, self.label)
        moved = mask_edits.change(scene, picking.chosen(context), new)
        return f"{', '.join(moved)} became {picking.label_name(scene, new)}; save the mask to keep it so"


class TOMOSEG_OT_component_to_boxes(_OnComponent, Operator):
    bl_idname = "tomoseg.component_to_boxes"
    bl_label = "Negative Boxes of Component"
    bl_description = "Place negative boxes over the picked component, so that the next training learns what it is not"
    bl_options = {"REGISTER", "UNDO"}

    slices: IntProperty(name="Slices", description="On so many of its slices", default=3, min=1, max=64)  # type: ignore[valid-type]
    delete: BoolProperty(  # type: ignore[valid-type]
        name="Delete Too", description="Also take the component out of the mask", default=True
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        boxing.save_boxes(scene)
        found = picking.chosen(context)
        if mask_edits.shown_alone(scene, found):
            return self._by_voxels(scene, found)
        boxes: list[Box] = []
        left_out = 0
        for component in found:
            more, without = mask_edits.negative_boxes(scene, component, self.slices, scene.tomoseg.box_size)
            boxes, left_out = [*boxes, *more], left_out + without
        if not boxes:
            raise TomosegError(
                "Each box over this component would also hold the feature itself: choose a smaller box size."
            )
        for box in boxes:
            boxing.check_place(box, tuple(scene.tomoseg.tomograms[box.tomogram].shape))
        if self.delete:
            mask_edits.change(scene, found, 0)
        boxing.add_all(scene, boxes)
        return _told(len(boxes), left_out)

    def _by_voxels(self, scene: Scene, found: list[Component]) -> str:
        """The other components of the label are not shown: the worker reads them in the mask."""
        params = mask_edits.boxes_request(scene, found, self.slices, scene.tomoseg.box_size)
        delete = self.delete  # the operator is gone when the worker is done

        def done(scene: Scene, result: dict[str, Any]) -> str:
            boxing.save_boxes(scene)
            if delete:
                mask_edits.change(scene, found, 0)
            return _told(result["negatives"], result["left_out"])

        return jobs.start(scene, "results", "Negative boxes", ("correct", params), done)


def _told(count: int, left_out: int) -> str:
    told = f"Placed {counted(count, 'negative box')}"
    return f"{told}; left out {counted(left_out, 'place')} with the feature in them" if left_out else told


class TOMOSEG_OT_save_mask(SurfaceSettings, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.save_mask"
    bl_label = "Save Corrected Mask"
    bl_description = "Write the corrected mask as its next version; the file that it was made of stays as it is"
    bl_options = {"REGISTER"}
    needs = "no_tomogram"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        name = state.tomogram_named(scene, self.tomogram).name
        options = settings_of(self, context, "surface", SurfaceSettings)
        mask, params = mask_edits.save_request(scene, name)

        def done(scene: Any, result: dict[str, Any]) -> str:
            new = Path(result["mask"])
            mask_edits.drop_edits(scene, mask.name)
            picking.pick(scene, None)
            masks.choose_mask(scene, name, new)
            saved = f"Saved {new.name}; {mask.name} stays as it is."
            return start_surfaces(scene, name, new, options, with_volumes=False, after=saved)

        return jobs.start(scene, "results", f"Saving {mask.stem} corrected", ("correct", params), done)


class TOMOSEG_OT_discard_corrections(SurfaceSettings, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.discard_corrections"
    bl_label = "Discard Corrections"
    bl_description = "Forget the corrections that are not saved, and show the mask as its file has it"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        name = state.tomogram_named(scene, self.tomogram).name
        mask = masks.mask_of(scene, name, "")
        if not mask_edits.drop_edits(scene, mask.name):
            raise TomosegError(f"Nothing of {mask.name} was corrected since it was saved.")
        picking.pick(scene, None)
        options = settings_of(self, context, "surface", SurfaceSettings)
        return start_surfaces(scene, name, mask, options, with_volumes=False)


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_pick_component,
        TOMOSEG_OT_delete_component,
        TOMOSEG_OT_relabel_component,
        TOMOSEG_OT_component_to_boxes,
        TOMOSEG_OT_save_mask,
        TOMOSEG_OT_discard_corrections,
    )
)
