"""Step 10, measuring: how many parts each feature has, their volumes and areas, as a table and as CSV."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import FloatProperty, StringProperty
from bpy.types import Context, Operator, Scene

from .. import jobs, state
from .common import Action, OfTomogram
from .results import mask_of

LARGEST = 2**31 - 1  # of Blender's integer properties


class TOMOSEG_OT_measure(OfTomogram, Action, Operator):
    bl_idname = "tomoseg.measure"
    bl_label = "Measure Mask"
    bl_description = "Count the parts of each feature and measure their volumes and areas; writes a CSV beside the mask"
    bl_options = {"REGISTER"}
    needs = "no_tomogram"
    waits = True

    filepath: StringProperty(  # type: ignore[valid-type]
        name="Mask", description="Mask to read; empty: the tomogram's own", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    csv: StringProperty(  # type: ignore[valid-type]
        name="CSV", description="Table to write; empty: beside the mask", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )

    star: StringProperty(  # type: ignore[valid-type]
        name="STAR",
        description="Centres of all parts for RELION; empty: none",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    smallest: FloatProperty(  # type: ignore[valid-type]
        name="Smallest", description="Leave out parts smaller than this, in nm³", default=0.0, min=0.0
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        mask = mask_of(scene, item.name, self.filepath)
        csv = Path(bpy.path.abspath(self.csv)) if self.csv else mask.with_suffix(".csv")
        params: dict[str, Any] = {"mask": str(mask), "csv": str(csv), "smallest": self.smallest}
        if self.star:
            params["star"] = bpy.path.abspath(self.star)
        return jobs.start(scene, "measure", f"Measuring {mask.name}", ("measure", params), _measured)


def _measured(scene: Scene, result: dict[str, Any]) -> str:
    fill_table(scene, result)
    state.refresh(scene)
    return f"Wrote {Path(result['csv']).name}"


def fill_table(scene: Scene, result: dict[str, Any]) -> None:
    """Show the worker's table in the panel."""
    group = scene.tomoseg
    group.measures.clear()
    group.measured = Path(result["mask"]).name
    for label in result["labels"]:
        row = group.measures.add()
        row.name, row.parts, row.voxels = label["name"], label["components"], min(label["voxels"], LARGEST)
        # Without a voxel size there are no nm, only voxels.
        row.volume, row.area = label["volume_nm3"] or 0.0, label["area_nm2"] or 0.0


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_measure,))
