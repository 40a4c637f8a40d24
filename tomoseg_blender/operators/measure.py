"""Step 10, measuring: how many parts each feature has, their volumes and areas, as a table and as CSV."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo.errors import TomosegError
from .. import jobs, parts, picking, sight, state
from ..masks import mask_of
from ..scene import meshes, part_marker, tomogram
from ..settings import MeasureSettings, settings_of
from .common import Action, OfTomogram

SEEN_AROUND = 2.5  # times the part's own diagonal


class TOMOSEG_OT_measure(MeasureSettings, OfTomogram, Action, Operator):
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

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        mask = mask_of(scene, item.name, self.filepath)
        csv = Path(bpy.path.abspath(self.csv)) if self.csv else mask.with_suffix(".csv")
        options = settings_of(self, context, "measuring", MeasureSettings)
        return start_measuring(scene, item.name, mask, options, csv, bpy.path.abspath(self.star) if self.star else "")


def start_measuring(scene: Scene, name: str, mask: Path, options: dict[str, Any], csv: Path, star: str = "") -> str:
    """Let the worker measure a tomogram's mask; the table is shown when it is done. star: a file, or "" for none."""
    params: dict[str, Any] = {"mask": str(mask), "csv": str(csv), "smallest": options["smallest"]}
    if targets := [one.strip() for one in options["distances_to"].split(";") if one.strip()]:
        params["distances_to"] = targets
    if star:
        params |= {"star": star, "relion": options["relion"]}

    def measured(scene: Scene, result: dict[str, Any]) -> str:
        fill_table(scene, result, name)
        state.refresh(scene)
        return " ".join(f"Wrote {Path(result[kind]).name}." for kind in ("csv", "star") if result[kind])

    return jobs.start(scene, "measure", f"Measuring {mask.name}", ("measure", params), measured)


def fill_table(scene: Scene, result: dict[str, Any], tomogram_name: str) -> None:
    """Show the worker's tables in the panel: one row per feature, and the parts."""
    group = scene.tomoseg
    group.measures.clear()
    group.measured, group.measured_tomogram = Path(result["mask"]).name, tomogram_name
    group.measured_table = result["csv"]
    for label in result["labels"]:
        row = group.measures.add()
        row.name, row.parts, row.voxels = label["name"], label["components"], min(label["voxels"], parts.LARGEST)
        # Without a voxel size there are no nm, only voxels.
        row.volume, row.area = label["volume_nm3"] or 0.0, label["area_nm2"] or 0.0
    with state.muted():
        group.parts_of = ""
    parts.fill(scene)


class TOMOSEG_OT_show_part(Action, Operator):
    bl_idname = "tomoseg.show_part"
    bl_label = "Show Part"
    bl_description = "Select and frame a part of the table: its own surface where there is one, else its feature's"
    bl_options = {"REGISTER", "UNDO"}
    refreshes = False

    index: IntProperty(  # type: ignore[valid-type]
        name="Row", description="Row of the table; -1: the chosen one", default=-1, options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls: Any, context: Context) -> bool:
        """False, with a reason, while there is no table."""
        if not len(context.scene.tomoseg.parts):
            cls.poll_message_set("Measure a mask first.")
            return False
        return True

    def act(self, context: Context) -> None:
        group = context.scene.tomoseg
        index = group.part_index if self.index < 0 else self.index
        if index >= len(group.parts):
            raise TomosegError(f"The table has {len(group.parts)} rows: choose one of them.")
        empty = tomogram.find_tomogram(group.measured_tomogram)
        if empty is None:
            raise TomosegError(f"{group.measured_tomogram} is not in this file: show it first.")
        row = group.parts[index]
        marker = part_marker.show_marker(empty, row.low, row.high)
        _select(context, marker, surface_of(empty, row.name, row.number))
        picking.pick_listed(context.scene, empty, group.measured, row.name, row.number)
        middle, size = part_marker.middle_and_size(marker)
        sight.look(context, middle, None, SEEN_AROUND * size)


def surface_of(empty: Any, feature: str, number: int) -> Any | None:
    """The surface of one part where surfaces were split into parts, else its feature's, or None."""
    return meshes.find_surface(empty, f"{feature}-{number:04d}") or meshes.find_surface(empty, feature)


def _select(context: Context, marker: Any, surface: Any | None) -> None:
    """Select frame and surface and nothing else; the surface becomes the active object."""
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    for other in context.view_layer.objects:
        other.select_set(False)
    for one in (marker, surface):
        if one is not None and one.name in context.view_layer.objects:
            one.select_set(True)
            context.view_layer.objects.active = one


class TOMOSEG_OT_export_star(MeasureSettings, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.export_star"
    bl_label = "Write STAR"
    bl_description = "Measure the mask and write the centres of its parts for RELION beside it"
    bl_options = {"REGISTER"}
    needs = "no_tomogram"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        name = state.tomogram_named(scene, self.tomogram).name
        mask = mask_of(scene, name, "")
        options = settings_of(self, context, "measuring", MeasureSettings)
        star = str(mask.with_suffix(".star"))
        return start_measuring(scene, name, mask, options, mask.with_suffix(".csv"), star)


register, unregister = bpy.utils.register_classes_factory(
    (TOMOSEG_OT_measure, TOMOSEG_OT_show_part, TOMOSEG_OT_export_star)
)
