"""The overlay of live training in the 3D views, drawn on exactly the slice that it was computed for."""

from typing import Any

import bpy
from mathutils import Vector

from . import live, state, viewing
from .scene import prediction


class _Handles:
    """What Blender gave for the function that draws."""

    def __init__(self) -> None:
        self.view: Any = None


_HANDLES = _Handles()


def _draw() -> None:
    """Called by Blender for each 3D view: the prediction of exactly the shown slice, where there is one."""
    context = bpy.context
    scene, space = context.scene, context.space_data
    found, shown = live.prediction_of(scene), viewing.shown_tomogram(scene)
    feature = state.active_feature(scene)
    if found is None or shown is None or feature is None or not space.overlay.show_overlays or shown[1].hide_viewport:
        return
    look = prediction.Look(tuple(feature.colour), scene.tomoseg.prediction_opacity, live.threshold(feature))
    towards: Vector = context.region_data.view_rotation @ Vector((0, 0, 1))
    place = prediction.Place(
        shown[1].matrix_world, found.corner, found.z, towards, context.region_data.perspective_matrix
    )
    prediction.draw((id(live.training()), found.number), found.values, look, place)


def register() -> None:
    """Draw from now on, over what canvas draws; nothing in background mode."""
    if not bpy.app.background:
        _HANDLES.view = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")


def unregister() -> None:
    """Draw no more."""
    if _HANDLES.view is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_HANDLES.view, "WINDOW")
        _HANDLES.view = None
    prediction.forget()
