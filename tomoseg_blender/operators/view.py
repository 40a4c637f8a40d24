"""Step 2, looking: show a tomogram, step through its slices, its contrast, its Fourier amplitude."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, IntProperty
from bpy.types import Context, Operator, Scene

from ...tomo.carry import scale_between
from ...tomo.errors import TomosegError
from .. import jobs, painting, pictures, state, viewing
from ..properties import AXES
from ..scene import slices
from ..scene.slice_pixels import automatic_window
from .common import Action, OfTomogram


class TOMOSEG_OT_show_tomogram(OfTomogram, Action, Operator):
    bl_idname = "tomoseg.show_tomogram"
    bl_label = "Show Tomogram"
    bl_description = "Show the tomogram's slice as a plane at true scale, with its boxes and labels"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"
    moves = True

    def act(self, context: Context) -> str:
        item = state.tomogram_named(context.scene, self.tomogram)
        painting.save_painted(context.scene)
        empty = viewing.show(context.scene, item)
        viewing.frame(context, empty)
        depth, height, width = item.shape
        size = f"{item.voxel_size:.2f} Å" if item.voxel_size else "unknown voxel size, drawn as 10 Å"
        return f"{item.name}: {width} × {height} × {depth} voxels, {size}"


class TOMOSEG_OT_next_tomogram(Action, Operator):
    bl_idname = "tomoseg.next_tomogram"
    bl_label = "Next Tomogram"
    bl_description = "Show the next or previous tomogram of the project"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"
    moves = True

    step: IntProperty(name="Step", default=1)  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        group = context.scene.tomoseg
        current = group.tomograms.find(group.shown)
        item = group.tomograms[(current + self.step) % len(group.tomograms)]
        painting.save_painted(context.scene)
        viewing.show(context.scene, item)
        return str(item.name)


class TOMOSEG_OT_next_variant(Action, Operator):
    bl_idname = "tomoseg.next_variant"
    bl_label = "Next Variant"
    bl_description = "Show the same slice, with the same contrast, in the next variant or bin, such as the denoised one"
    bl_options = {"REGISTER", "UNDO"}
    needs = "not_shown"
    moves = True

    def act(self, context: Context) -> str:
        scene = context.scene
        project = state.require_project(scene)
        shown = state.tomogram_named(scene, scene.tomoseg.shown)
        family = project.family(shown.name)
        if len(family) < 2:
            raise TomosegError(f"{shown.name} has no other bin or variant: import one, named {shown.name}_bin2 say.")
        names = [entry.name for entry in family]
        entry = family[(names.index(shown.name) + 1) % len(family)]
        scale = scale_between(project.tomogram(shown.name), entry)
        item = state.tomogram_named(scene, entry.name)
        painting.save_painted(scene)
        viewing.carry_view(scene, shown, item, scale)
        viewing.show(scene, item)
        return str(entry.name)


class TOMOSEG_OT_slice_step(Action, Operator):
    bl_idname = "tomoseg.slice_step"
    bl_label = "Step Slice"
    bl_description = "Go to another slice of the shown tomogram"
    bl_options = {"REGISTER", "UNDO_GROUPED"}  # a walk through the slices is one step back
    bl_undo_group = "tomoseg slice"
    needs = "not_shown"
    refreshes = False
    moves = True

    step: IntProperty(name="Step", description="Slices to go forward, or back", default=1)  # type: ignore[valid-type]
    axis: EnumProperty(  # type: ignore[valid-type]
        name="Axis", items=(("shown", "Chosen", "The axis chosen in the panel"), *AXES), options={"SKIP_SAVE"}
    )

    def act(self, context: Context) -> None:
        axis = context.scene.tomoseg.axis if self.axis == "shown" else self.axis
        if self.step:  # else only the undo step is wanted: see compat.keep_step_while_painting
            viewing.step(context.scene, axis, self.step)


class TOMOSEG_OT_automatic_contrast(Action, Operator):
    bl_idname = "tomoseg.automatic_contrast"
    bl_label = "Automatic Contrast"
    bl_description = "Choose black and white from the slice that is shown"
    bl_options = {"REGISTER", "UNDO"}
    needs = "not_shown"

    def act(self, context: Context) -> None:
        shown = viewing.shown_tomogram(context.scene)
        if shown is None:
            raise TomosegError("No tomogram is shown: show one first.")
        item = shown[0]
        axis = context.scene.tomoseg.axis
        data = viewing.data_of(context.scene, item.name).data
        low, high = automatic_window(slices.slice_at(data, axis, getattr(item, f"slice_{axis}")))
        with state.muted():
            item.low, item.high = low, high
        viewing.show_again(context.scene)


class TOMOSEG_OT_spectrum(OfTomogram, Action, Operator):
    bl_idname = "tomoseg.spectrum"
    bl_label = "Fourier Amplitude"
    bl_description = (
        "Show the Fourier amplitude of the slice in view, with the missing wedge, and estimate the tilt axis"
    )
    bl_options = {"REGISTER"}
    needs = "no_tomogram"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        project = state.require_project(scene)
        output = project.folder / "spectra" / f"{item.name}.png"
        axis = scene.tomoseg.axis
        params = {"tomogram": str(project.tomogram_path(item.name)), "output": str(output), "axis": axis}
        params["slice"] = getattr(item, f"slice_{axis}")
        return jobs.start(scene, "view", f"Fourier amplitude of {item.name}", ("spectrum", params), _spectrum_shown)


def _spectrum_shown(_scene: Scene, result: dict[str, Any]) -> str:
    pictures.show(Path(result["output"]))
    return f"Fourier amplitude of slice {result['axis']} {result['slice']}. {result['words']}."


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_show_tomogram,
        TOMOSEG_OT_next_tomogram,
        TOMOSEG_OT_next_variant,
        TOMOSEG_OT_slice_step,
        TOMOSEG_OT_automatic_contrast,
        TOMOSEG_OT_spectrum,
    )
)
