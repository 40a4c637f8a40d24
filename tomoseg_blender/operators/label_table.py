"""Step 9, the label table: names and colours of a mask's labels, edited in the panel's list."""

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Event, Operator

from ...tomo.errors import TomosegError
from ...tomo.features import PALETTE, check_colour
from ...tomo.names import check_feature_name
from ...tomo.words import counted
from .. import masks, state
from ..scene.palette import srgb
from .common import Action


class TOMOSEG_OT_add_label(Action, Operator):
    bl_idname = "tomoseg.add_label"
    bl_label = "Add Label"
    bl_description = "Add a label to the mask's table, for components that are relabelled"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"

    name: StringProperty(name="Name", description="Name of the new label")  # type: ignore[valid-type]
    colour: StringProperty(name="Colour", description="#rrggbb; empty: the next of the palette")  # type: ignore[valid-type]

    def invoke(self, context: Context, _event: Event) -> set[str]:
        return set(context.window_manager.invoke_props_dialog(self))

    def act(self, context: Context) -> str:
        scene = context.scene
        group, name = scene.tomoseg.masks, check_feature_name(self.name.strip())
        if not group.file:
            raise TomosegError("No mask is listed: merge maps into a mask, or import one first.")
        if name in group.labels:
            raise TomosegError(f"{group.file} has a label {name}: choose it in the list.")
        value = max((row.value for row in group.labels), default=0) + 1
        feature = scene.tomoseg.features.get(name)
        own = "" if feature is None else state.hex_colour(feature)
        used = [state.hex_colour(row) for row in group.labels]
        colour = check_colour(self.colour) if self.colour else own or min(PALETTE, key=used.count)
        with state.muted():
            row = group.labels.add()
            row.value, row.name, row.known_as, row.colour = value, name, name, srgb(colour)
            group.label_index = len(group.labels) - 1
        masks.save_listed(scene)
        return f"Added label {value}, {name}"


class TOMOSEG_OT_palette_colours(Action, Operator):
    bl_idname = "tomoseg.palette_colours"
    bl_label = "Palette Colours"
    bl_description = "Give all labels colours that colour-blind readers tell apart"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"

    def act(self, context: Context) -> str:
        scene = context.scene
        names = [row.name for row in scene.tomoseg.masks.labels]
        for number, name in enumerate(names):
            masks.set_colour(scene, name, PALETTE[number % len(PALETTE)])
        return f"Coloured {counted(len(names), 'label')}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_add_label, TOMOSEG_OT_palette_colours))
