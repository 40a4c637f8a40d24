"""The box tool in the toolbar of the 3D view with its own keys, and the keys while labels are painted.

Keys of the tool are active with the tool only. Those for painting work on Tomoseg's slices; elsewhere their
operators cannot run, and Blender's own keys act as always.
"""

from typing import Any

import bpy
from bpy.types import Context, WorkSpaceTool

TOOL = "tomoseg.box_tool"
_PRESS = "PRESS"
Item = tuple[str, dict[str, Any], dict[str, Any] | None]


def _steps() -> tuple[Item, ...]:
    """Stepping through slices: wheel, arrows, page keys."""
    keys = [
        ({"type": "WHEELUPMOUSE", "ctrl": True}, 1),
        ({"type": "WHEELDOWNMOUSE", "ctrl": True}, -1),
        ({"type": "WHEELUPMOUSE", "ctrl": True, "shift": True}, 10),
        ({"type": "WHEELDOWNMOUSE", "ctrl": True, "shift": True}, -10),
        ({"type": "UP_ARROW", "repeat": True}, 1),
        ({"type": "DOWN_ARROW", "repeat": True}, -1),
        ({"type": "PAGE_UP", "repeat": True}, 10),
        ({"type": "PAGE_DOWN", "repeat": True}, -10),
    ]
    return tuple(
        ("tomoseg.slice_step", {"value": _PRESS, **event}, {"properties": [("step", count)]}) for event, count in keys
    )


_JUMPS: tuple[Item, ...] = (
    ("tomoseg.next_box", {"type": "RIGHT_ARROW", "value": _PRESS}, {"properties": [("step", 1)]}),
    ("tomoseg.next_box", {"type": "LEFT_ARROW", "value": _PRESS}, {"properties": [("step", -1)]}),
    ("tomoseg.next_tomogram", {"type": "RIGHT_ARROW", "value": _PRESS, "ctrl": True}, {"properties": [("step", 1)]}),
    ("tomoseg.next_tomogram", {"type": "LEFT_ARROW", "value": _PRESS, "ctrl": True}, {"properties": [("step", -1)]}),
)
_VARIANT: Item = ("tomoseg.next_variant", {"type": "V", "value": _PRESS}, None)
_LIVE: tuple[Item, ...] = (
    ("tomoseg.live", {"type": "L", "value": _PRESS}, None),
    ("tomoseg.live_pause", {"type": "L", "value": _PRESS, "shift": True}, None),
    ("tomoseg.live_next", {"type": "RIGHT_ARROW", "value": _PRESS, "shift": True}, None),
    ("tomoseg.mark_wrong", {"type": "W", "value": _PRESS}, None),
    ("tomoseg.take_in_box", {"type": "Y", "value": _PRESS}, None),
    ("tomoseg.label_from_map", {"type": "Y", "value": _PRESS, "shift": True}, None),
    ("tomoseg.take_in_lasso", {"type": "RIGHTMOUSE", "value": _PRESS, "ctrl": True}, None),
)
BOX_KEYS: tuple[Item, ...] = (
    ("tomoseg.place_box", {"type": "LEFTMOUSE", "value": _PRESS}, None),
    ("tomoseg.erase_box", {"type": "LEFTMOUSE", "value": _PRESS, "shift": True}, None),
    ("tomoseg.switch_kind", {"type": "E", "value": _PRESS}, None),
    ("tomoseg.next_feature", {"type": "F", "value": _PRESS}, None),
    ("tomoseg.paint_slice", {"type": "B", "value": _PRESS}, None),
    ("tomoseg.mark_wrong", {"type": "LEFTMOUSE", "value": _PRESS, "alt": True}, None),
    *_steps(),
    *_JUMPS,
    *_LIVE,
    _VARIANT,
)
PAINT_KEYS: tuple[Item, ...] = (
    ("tomoseg.fit_brush", {"type": "LEFTMOUSE", "value": _PRESS}, None),
    ("tomoseg.erase_stroke", {"type": "LEFTMOUSE", "value": _PRESS, "ctrl": True}, None),
    ("tomoseg.erase_stroke", {"type": "RIGHTMOUSE", "value": _PRESS}, None),
    ("tomoseg.flood_label", {"type": "LEFTMOUSE", "value": _PRESS, "alt": True}, None),
    ("tomoseg.change_radius", {"type": "LEFT_BRACKET", "value": _PRESS}, {"properties": [("step", -1)]}),
    ("tomoseg.change_radius", {"type": "RIGHT_BRACKET", "value": _PRESS}, {"properties": [("step", 1)]}),
    ("tomoseg.switch_role", {"type": "I", "value": _PRESS}, None),
    ("tomoseg.finish_painting", {"type": "B", "value": _PRESS}, None),
    ("tomoseg.mark_wrong", {"type": "LEFTMOUSE", "value": _PRESS, "alt": True, "shift": True}, None),
    *_steps(),
    *_JUMPS,
    *_LIVE,
    _VARIANT,
)
GALLERY_KEYS: tuple[Item, ...] = (("tomoseg.pick_tile", {"type": "LEFTMOUSE", "value": _PRESS}, None),)


class BoxTool(WorkSpaceTool):
    """Place, drag and delete boxes on the shown slice."""

    bl_space_type = "VIEW_3D"
    bl_context_mode = "OBJECT"
    bl_idname = TOOL
    bl_label = "Tomoseg Boxes"
    bl_description = (
        "Click places a box on the slice, or drags one\n"
        "Shift click deletes; E switches the kind, F the feature\n"
        "Up, Down, Page keys and Ctrl wheel step slices; Left, Right go from box to box; B paints"
    )
    bl_icon = "ops.mesh.primitive_cube_add_gizmo"
    bl_keymap = BOX_KEYS

    @staticmethod
    def draw_settings(context: Context, layout: Any, _tool: Any) -> None:
        group = context.scene.tomoseg
        layout.row(align=True).prop(group, "box_kind", expand=True)
        layout.prop(group, "box_size")


class _Keymaps:
    """The keys that this extension added for painting."""

    def __init__(self) -> None:
        self.added: list[tuple[Any, Any]] = []


_KEYMAPS = _Keymaps()


def _add_keys() -> None:
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is None:  # in background mode
        return
    _add(configuration.keymaps.new("Image Paint", space_type="EMPTY"), PAINT_KEYS)
    # The Image Editor's own tool takes clicks before the editor's keys are asked.
    for name in ("Image", "Image Editor Tool: Sample"):
        _add(configuration.keymaps.new(name, space_type="IMAGE_EDITOR"), GALLERY_KEYS)


def _add(keymap: Any, keys: tuple[Item, ...]) -> None:
    for operator, event, extra in keys:
        item = keymap.keymap_items.new(operator, head=True, **event)
        for name, value in (extra or {}).get("properties", ()):
            setattr(item.properties, name, value)
        _KEYMAPS.added.append((keymap, item))


def register() -> None:
    """Add the tool and the keys."""
    bpy.utils.register_tool(BoxTool, after={"builtin.cursor"}, separator=True)
    _add_keys()


def unregister() -> None:
    """Take them away again."""
    for keymap, item in _KEYMAPS.added:
        keymap.keymap_items.remove(item)
    _KEYMAPS.added.clear()
    bpy.utils.unregister_tool(BoxTool)
