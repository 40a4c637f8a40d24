"""Before training: what the check of the annotation found; a click on a line goes there."""

import textwrap
from typing import Any

import bpy
from bpy.types import Context, Panel, UIList

from .. import state
from .common import TomosegPanel, letters_in_list, operator, sentence

ROWS = 6


class TOMOSEG_UL_findings(UIList):
    bl_idname = "TOMOSEG_UL_findings"

    def draw_item(
        self, context: Context, layout: Any, _data: Any, item: Any, _icon: int, _active_data: Any, _active_name: str
    ) -> None:
        # Blender would cut the middle out of a longer line; the whole sentence stands below the list.
        line = f"{item.name}: {item.place}" if item.place else item.name
        icon = "ERROR" if item.problem else "INFO"
        layout.label(text=textwrap.shorten(line, letters_in_list(context), placeholder=" …"), icon=icon)


class TOMOSEG_PT_check(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_check"
    bl_label = "Check Annotation"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        operator(layout, "check_annotation", icon="VIEWZOOM")
        feature = state.active_feature(context.scene)
        if feature is None or group.checked != feature.name:
            return
        if not len(group.findings):
            sentence(layout, context, f"Nothing wrong was found with {feature.name}", "CHECKMARK")
            return
        layout.template_list("TOMOSEG_UL_findings", "", group, "findings", group, "finding_index", rows=ROWS)
        if 0 <= group.finding_index < len(group.findings):
            chosen = group.findings[group.finding_index]
            sentence(layout, context, chosen.sentence, "ERROR" if chosen.problem else "INFO")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_UL_findings, TOMOSEG_PT_check))
