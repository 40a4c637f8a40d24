"""The extension in Blender's process: scene, operators, panels, and the handle of the worker. Never imports torch."""

import bpy  # noqa: F401  # first: in Blender as a module, it is what brings blf and gpu along

from . import (
    canvas,
    command,
    handlers,
    live_drawing,
    menus,
    operators,
    outlining,
    panels,
    picking,
    preferences,
    properties,
    setup_command,
    tools,
    worker,
)

__all__ = [
    "canvas",
    "command",
    "handlers",
    "live_drawing",
    "menus",
    "operators",
    "outlining",
    "panels",
    "picking",
    "preferences",
    "properties",
    "register",
    "setup_command",
    "tools",
    "unregister",
    "worker",
]

# Operators draw properties and panels draw operators, so they are registered in this order.
_PARTS = (
    properties,
    preferences,
    operators,
    panels,
    menus,
    tools,
    canvas,
    live_drawing,
    outlining,
    picking,
    handlers,
    command,
    setup_command,
)


def register() -> None:
    """Called by Blender when the extension is switched on."""
    for part in _PARTS:
        part.register()


def unregister() -> None:
    """Called by Blender when the extension is switched off; the worker ends with it."""
    worker.HANDLE.stop()
    for part in reversed(_PARTS):
        part.unregister()
