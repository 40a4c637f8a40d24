"""The contact sheet of all boxes of a feature: open it, and go to the box that is clicked."""

from typing import Any

import bpy
from bpy.types import Context, Event, Operator

from ...tomo.errors import TomosegError
from .. import boxing, gallery, painting, pictures, state, viewing
from ..scene import marks
from .common import Action


class TOMOSEG_OT_show_gallery(Action, Operator):
    bl_idname = "tomoseg.show_gallery"
    bl_label = "Gallery"
    bl_description = "Show all boxes of the feature with their labels in an Image Editor; a click on one goes there"
    bl_options = {"REGISTER"}
    needs = "no_feature"

    def act(self, context: Context) -> str:
        image = gallery.draw(context.scene)
        area = next(_image_editors(context), None)
        if area is None:
            return "The gallery is ready: open an Image Editor, or use the Tomoseg workspace"
        area.spaces.active.image = image
        area.spaces.active.mode = "VIEW"
        pictures.fit(area)
        return "Click on a box to go there"


def _image_editors(context: Context) -> Any:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                yield area


class TOMOSEG_OT_pick_tile(Action, Operator):
    bl_idname = "tomoseg.pick_tile"
    bl_label = "Go to Box of Gallery"
    bl_description = "Show the box that is clicked in the gallery, on its slice"
    bl_options = {"REGISTER", "UNDO"}
    moves = True

    @classmethod
    def poll(cls, context: Context) -> bool:
        space = context.space_data
        shown = getattr(space, "image", None) if space is not None and space.type == "IMAGE_EDITOR" else None
        if shown is None or not marks.is_marked(shown, gallery.KIND):
            cls.poll_message_set("Open the gallery in an Image Editor, and click on a box there.")
            return False
        return True

    def invoke(self, context: Context, event: Event) -> set[str]:
        u, v = context.region.view2d.region_to_view(event.mouse_region_x, event.mouse_region_y)
        width, height = context.space_data.image.size
        self.point = (u * width, v * height)
        return self.execute(context)

    def act(self, context: Context) -> str:
        scene = context.scene
        point = getattr(self, "point", None)
        box = None if point is None else gallery.box_at(scene, *point)
        if box is None:
            raise TomosegError("Click on a box of the gallery.")
        if scene.tomoseg.shown != box.tomogram:
            painting.save_painted(scene)
            viewing.show(scene, state.tomogram_named(scene, box.tomogram))
        boxing.go_to(scene, box)
        boxing.centre_on(context, box)
        gallery.follow(scene)
        return f"{box.kind.capitalize()} box at {box.centre} of {box.tomogram}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_show_gallery, TOMOSEG_OT_pick_tile))
