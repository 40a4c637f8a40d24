"""Undo steps for slices that are changed in the panel while painting, which Blender before 5.0 does not make.

Dragging a slider changes the slice many times: the step is made once it rests, or before the next stroke begins.
"""

import bpy
from bpy.types import Scene

from . import compat, painting

REST_SECONDS = 0.2


def keep_soon(scene: Scene) -> None:
    """The shown slice, tomogram or feature was changed by a property: let Ctrl+Z go back over that too."""
    if compat.AT_LEAST_5 or bpy.app.background or painting.painted_plane(scene) is None:
        return
    if bpy.app.timers.is_registered(keep):
        bpy.app.timers.unregister(keep)
    bpy.app.timers.register(keep, first_interval=REST_SECONDS)


def keep() -> None:
    """Timer: make the step."""
    compat.keep_step_while_painting(bpy.context, "Change Slice", grouped=True)


def keep_now() -> None:
    """Make the step that is still due, before something is painted."""
    if bpy.app.timers.is_registered(keep):
        bpy.app.timers.unregister(keep)
        keep()
