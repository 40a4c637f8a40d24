"""Step 10: the table of counts, volumes and areas."""

import bpy
from bpy.types import Context, Panel

from .common import TomosegPanel, draw_job, operator


def short(value: float) -> str:
    """A number that fits into a narrow column: `0.123`, `12.3`, `93956`."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


class TOMOSEG_PT_measure(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_measure"
    bl_label = "10  Measure"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        operator(layout, "measure", icon="DRIVER_DISTANCE")
        draw_job(layout, context, "measure")
        if not len(group.measures):
            return
        layout.label(text=group.measured)
        known = any(row.volume for row in group.measures)
        titles = ("Feature", "Parts", "nm³", "nm²") if known else ("Feature", "Parts", "Voxels")
        grid = layout.grid_flow(row_major=True, columns=len(titles), even_columns=False, align=True)
        for title in titles:
            grid.label(text=title)
        for row in group.measures:
            sizes = (short(row.volume), short(row.area)) if known else (str(row.voxels),)
            for text in (row.name, str(row.parts), *sizes):
                grid.label(text=text)


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_measure,))
