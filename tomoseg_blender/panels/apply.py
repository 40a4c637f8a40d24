"""Step 7: apply the network to one or many tomograms."""

from typing import Any

import bpy
from bpy.types import Context, Panel, UIList

from .common import TomosegPanel, draw_job, operator, step_row


class TOMOSEG_UL_chosen(UIList):
    bl_idname = "TOMOSEG_UL_chosen"

    def draw_item(
        self, _context: Context, layout: Any, _data: Any, item: Any, _icon: int, _active_data: Any, _active_name: str
    ) -> None:
        layout.prop(item, "chosen", text=item.name)


class TOMOSEG_PT_apply(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_apply"
    bl_label = "7  Apply"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        layout.template_list("TOMOSEG_UL_chosen", "", group, "tomograms", group, "tomogram_index", rows=2)
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.row().prop(group.apply, "flips", expand=True)
        row = layout.row()
        row.active = group.apply.device in ("auto", "cpu")
        row.prop(group.apply, "numbers", expand=True)
        for name in ("threads", "memory", "device", "rescale", "half"):
            layout.prop(group.apply, name)
        row = step_row(layout, context, group.reasons.apply)
        operator(row, "apply", icon="PLAY").chosen = False
        operator(row, "apply", text="To Chosen", icon="CHECKBOX_HLT").chosen = True
        draw_job(layout, context, "apply")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_UL_chosen, TOMOSEG_PT_apply))
