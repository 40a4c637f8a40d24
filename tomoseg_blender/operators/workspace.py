"""The "Tomoseg" workspace: the slice on the left, an Image Editor on the right, Tomoseg's panels open."""

from typing import Any

import bpy
from bpy.types import Context, Operator

from ...tomo.errors import TomosegError
from .common import Action

NAME = "Tomoseg"
IMAGE_SHARE = 0.3  # of the window's width


class TOMOSEG_OT_workspace(Action, Operator):
    bl_idname = "tomoseg.workspace"
    bl_label = "Tomoseg Workspace"
    bl_description = "Lay the window out for annotation: 3D view, Image Editor, and Tomoseg's panels"
    bl_options = {"REGISTER"}

    def act(self, context: Context) -> str:
        if bpy.app.background or context.window is None:
            raise TomosegError("A workspace needs a window.")
        known = bpy.data.workspaces.get(NAME)
        if known is not None:
            context.window.workspace = known
            return "This is the Tomoseg workspace"
        bpy.ops.workspace.duplicate()
        # The window changes to the copy only when this operator has ended.
        bpy.app.timers.register(_lay_out, first_interval=0.05)
        return "Laying out the Tomoseg workspace"


def _lay_out() -> None:
    """Keep one 3D view, and split it."""
    window = bpy.context.window_manager.windows[0]
    window.workspace.name = NAME
    view = max(window.screen.areas, key=lambda area: (area.type == "VIEW_3D", area.width * area.height))
    _become(window, view, "VIEW_3D")
    _close_others(window, view)
    with bpy.context.temp_override(window=window, area=view, region=_main_region(view)):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=1 - IMAGE_SHARE)
    bpy.app.timers.register(_furnish, first_interval=0.05)


def _furnish() -> float | None:
    """Make the narrow right half an Image Editor, and open Tomoseg's panels in the left one."""
    window = bpy.context.window_manager.windows[0]
    views = sorted((area for area in window.screen.areas if area.type == "VIEW_3D"), key=lambda area: area.x)
    if len(views) < 2:
        return None
    if views[0].x == views[-1].x:
        return 0.05  # Blender places the halves when it draws them
    _become(window, views[-1], "IMAGE_EDITOR")
    with bpy.context.temp_override(window=window, area=views[0], region=_main_region(views[0])):
        space = views[0].spaces.active
        space.show_region_ui = space.show_region_toolbar = space.show_region_tool_header = True
    bpy.app.timers.register(_open_tab, first_interval=0.2)
    return None


def _become(window: Any, area: Any, kind: str) -> None:
    # Without its window in the context, Blender crashes when an area changes its kind.
    with bpy.context.temp_override(window=window, area=area):
        area.type = kind


def _main_region(area: Any) -> Any:
    return next(region for region in area.regions if region.type == "WINDOW")


def _close_others(window: Any, kept: Any) -> None:
    for _ in range(len(window.screen.areas)):
        other = next((area for area in window.screen.areas if area != kept and area.type != "VIEW_3D"), None)
        if other is None:
            return
        with bpy.context.temp_override(window=window, area=other, region=_main_region(other)):
            bpy.ops.screen.area_close()


def _open_tab() -> None:
    for area in bpy.context.window_manager.windows[0].screen.areas:
        if area.type == "VIEW_3D":
            for region in area.regions:
                if region.type == "UI":
                    region.active_panel_category = NAME
            area.tag_redraw()


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_workspace,))
