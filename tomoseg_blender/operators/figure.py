"""Step 11, the figure: the surfaces with scale bar and legend, rendered to a picture."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Operator

from ...tomo.errors import TomosegError
from .. import pictures, state, viewing
from ..scene import figure, figure_options, tomogram
from ..settings import FigureSettings, settings_of
from .common import Action, OfTomogram

KEPT = (
    *("preset", "background", "transparent", "outline", "scale_bar", "legend", "use_volumes", "slice_axis"),
    *("cut_axis", "cut_position", "engine", "silhouettes", "haze", "elevation", "turn"),
)


class TOMOSEG_OT_figure(FigureSettings, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.figure"
    bl_label = "Render Figure"
    bl_description = "Build a figure of the tomogram's surfaces in a scene of its own, and render it"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"

    filepath: StringProperty(  # type: ignore[valid-type]
        name="Picture", description="PNG to write; empty: in the project", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        empty = tomogram.find_tomogram(item.name)
        if empty is None:
            raise TomosegError(f"{item.name} is not in this file: import its mask first.")
        options = settings_of(self, context, "figure", FigureSettings)
        path = (
            Path(bpy.path.abspath(self.filepath))
            if self.filepath
            else state.require_project(scene).figure_path(item.name)
        )
        viewing.fill_image(scene)
        built = figure.build_figure(empty, figure_settings(options))
        if bpy.app.background:
            seconds = figure.render_figure(built, path, samples=options["samples"])
            pictures.load(path)
            return f"Rendered {path.name} in {seconds:.0f} s"
        return _render_in_window(built, path, options["samples"])


def figure_settings(options: dict[str, Any]) -> figure_options.FigureSettings:
    """The figure that the panel's options describe."""
    names = tuple(name.strip() for name in options["features"].split(";") if name.strip())
    chosen = {name: options[name] for name in KEPT}
    chosen["slice_axis"] = "" if chosen["slice_axis"] == "none" else chosen["slice_axis"]
    return figure_options.FigureSettings(features=names, size=(options["width"], options["height"]), **chosen)


def _render_in_window(built: Any, path: Path, samples: int) -> str:
    """Let Blender's own render job make the picture: the window stays alive, and Esc ends it."""
    scene = built.scene
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_quality(scene, samples)
    scene.render.filepath = str(path)
    bpy.ops.render.render("INVOKE_DEFAULT", write_still=True, scene=scene.name)
    return f"Rendering {path.name}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_figure,))
