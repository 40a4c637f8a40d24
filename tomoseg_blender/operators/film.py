"""Step 11, films: a turntable, a sweep of the slice plane, or a way through saved views, as MP4.

A film takes minutes and changes what the scene shows, so in a window a second Blender renders it from a copy of the
file; in background mode this Blender does it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import EnumProperty, FloatProperty, FloatVectorProperty, IntProperty, StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo.errors import TomosegError
from .. import child_blender, sight, state, viewing
from ..scene import figure, film, slices, tomogram
from ..scene.materials import SLICE
from ..settings import FigureSettings, FilmSettings, settings_of
from .common import Action, OfTomogram
from .figure import figure_settings


class TOMOSEG_OT_film(FilmSettings, FigureSettings, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.film"
    bl_label = "Render Film"
    bl_description = "Render a film of the figure as MP4, with the settings of the figure"
    bl_options = {"REGISTER"}
    needs = "no_tomogram"
    waits = True

    filepath: StringProperty(  # type: ignore[valid-type]
        name="Film", description="MP4 to write; empty: in the project", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        item = state.tomogram_named(scene, self.tomogram)
        options = settings_of(self, context, "figure", FigureSettings)
        options |= settings_of(self, context, "film", FilmSettings)
        path = film_path(scene, item.name, options["kind"], self.filepath)
        if not bpy.app.background:
            given = {**options, "tomogram": item.name, "filepath": str(path)}
            return child_blender.start_operator(scene, "figure", f"Film of {item.name}", "film", given)
        frames = make_film(context, item, options, path)
        return f"Rendered {path.name}: {frames} frames"


def film_path(scene: Scene, name: str, kind: str, filepath: str) -> Path:
    """The file to write: the one named, or one in the project that is named after tomogram and kind."""
    if filepath:
        return Path(bpy.path.abspath(filepath))
    return state.require_project(scene).figure_path(f"{name}_{kind}").with_suffix(".mp4")


def make_film(context: Context, item: Any, options: dict[str, Any], path: Path) -> int:
    """Build the figure of a tomogram (a property group), key its frames and render them; returns their number."""
    empty = tomogram.find_tomogram(item.name)
    if empty is None:
        raise TomosegError(f"{item.name} is not in this file: import its mask first.")
    if options["kind"] == "slices":
        options = {**options, "slice_axis": "z" if options["slice_axis"] == "none" else options["slice_axis"]}
    before = _slice_of(item, options["slice_axis"])
    settings = figure_settings(options)
    built = figure.build_figure(empty, settings)
    count = max(2, round(options["seconds"] * options["rate"]))
    film.key_frames(built, empty, _frames(context, built, empty, settings, options["kind"], count))
    sweep = _sweep(context.scene, built, item, empty, options["slice_axis"], count)
    try:
        film.render_film(
            built,
            path,
            options["samples"],
            options["rate"],
            lambda number: child_blender.tell(number / count, f"Frame {number} of {count}"),
            sweep if options["kind"] == "slices" else None,
        )
    finally:
        if options["kind"] == "slices":
            _show_index(context.scene, item, options["slice_axis"], before)
    return count


def _frames(context: Context, built: Any, empty: Any, settings: Any, kind: str, count: int) -> list[Any]:
    points = film.film_points(built, empty)
    if kind == "turntable":
        return film.turntable(built, points, settings.elevation, settings.azimuth_for(points), count)
    if kind == "views":
        return film.way(built, points, [view_of(row) for row in context.scene.tomoseg.views], count)
    return [built.frame] * count


def _sweep(scene: Scene, built: Any, item: Any, empty: Any, axis: str, count: int) -> Callable[[int], None]:
    """A function that shows the slice of a frame: from the first slice to the last."""

    def show(number: int) -> None:
        size = item.shape[slices.AXES.index(axis)]
        index = min(size - 1, (number - 1) * size // max(1, count - 1))
        shown = _show_index(scene, item, axis, index)
        built.plane.location = shown.location
        built.plane.active_material.node_tree.nodes[SLICE].image = slices.shown_image(shown)

    return show


def _slice_of(item: Any, axis: str) -> int:
    return 0 if axis == "none" else int(getattr(item, f"slice_{axis}"))


def _show_index(scene: Scene, item: Any, axis: str, index: int) -> Any:
    """Show slice `index` on the plane of this axis, and on no other; returns the plane."""
    opened = viewing.data_of(scene, item.name)
    with state.muted():
        setattr(item, f"slice_{axis}", index)
    return slices.show_slice(
        tomogram.find_tomogram(item.name),
        axis,
        index,
        opened.data,
        item.low,
        item.high,
        item.invert,
        thickness=item.thickness,
        smooth=item.smooth,
    )


def view_of(row: Any) -> film.View:
    """A saved view as films use it."""
    return film.View(row.name, tuple(row.middle), tuple(row.turn), row.width)


class TOMOSEG_OT_add_view(Operator):
    bl_idname = "tomoseg.add_view"
    bl_label = "Save View"
    bl_description = "Add what the 3D view shows now to the views that a film goes through"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", description="Empty: a number", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    middle: FloatVectorProperty(  # type: ignore[valid-type]
        name="Middle", description="Place in the middle, in Blender units", size=3, options={"SKIP_SAVE"}
    )
    turn: FloatVectorProperty(  # type: ignore[valid-type]
        name="Turn", description="Rotation as a quaternion", size=4, default=(1, 0, 0, 0), options={"SKIP_SAVE"}
    )
    width: FloatProperty(  # type: ignore[valid-type]
        name="Width", description="Blender units that the picture shows; 0: as the 3D view", options={"SKIP_SAVE"}
    )

    def execute(self, context: Context) -> set[str]:
        seen = None if self.width > 0 else sight.seen(context)
        if self.width <= 0 and seen is None:
            self.report({"ERROR"}, "There is no 3D view here: give the view's middle, turn and width.")
            return {"CANCELLED"}
        views = context.scene.tomoseg.views
        row = views.add()
        row.name = self.name or f"View {len(views)}"
        row.middle, row.turn, row.width = seen or (self.middle, self.turn, self.width)
        context.scene.tomoseg.view_index = len(views) - 1
        return {"FINISHED"}


class _OnView:
    """An operator on the view chosen in the list, or number `index`."""

    index: IntProperty(name="View", description="-1: the chosen one", default=-1, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls: Any, context: Context) -> bool:
        """False, with a reason, while there is no view."""
        if not len(context.scene.tomoseg.views):
            cls.poll_message_set("Save a view first.")
            return False
        return True

    def chosen(self: Any, context: Context) -> int:
        """The number of the view, within the list."""
        group = context.scene.tomoseg
        index = group.view_index if self.index < 0 else self.index
        return int(min(index, len(group.views) - 1))


class TOMOSEG_OT_remove_view(_OnView, Operator):
    bl_idname = "tomoseg.remove_view"
    bl_label = "Remove View"
    bl_description = "Take the chosen view off the list"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Context) -> set[str]:
        group = context.scene.tomoseg
        group.views.remove(self.chosen(context))
        group.view_index = max(0, min(group.view_index, len(group.views) - 1))
        return {"FINISHED"}


class TOMOSEG_OT_move_view(_OnView, Operator):
    bl_idname = "tomoseg.move_view"
    bl_label = "Move View"
    bl_description = "Let the film come to the chosen view earlier or later"
    bl_options = {"REGISTER", "UNDO"}

    direction: EnumProperty(  # type: ignore[valid-type]
        name="Direction", items=(("up", "Earlier", "One place up"), ("down", "Later", "One place down"))
    )

    def execute(self, context: Context) -> set[str]:
        group, index = context.scene.tomoseg, self.chosen(context)
        target = max(0, min(index + (-1 if self.direction == "up" else 1), len(group.views) - 1))
        group.views.move(index, target)
        group.view_index = target
        return {"FINISHED"}


class TOMOSEG_OT_go_to_view(_OnView, Operator):
    bl_idname = "tomoseg.go_to_view"
    bl_label = "Go to View"
    bl_description = "Show the chosen view in the 3D view"
    bl_options = {"REGISTER"}

    def execute(self, context: Context) -> set[str]:
        row = context.scene.tomoseg.views[self.chosen(context)]
        sight.look(context, row.middle, row.turn, row.width)
        return {"FINISHED"}


_CLASSES = (
    TOMOSEG_OT_film,
    TOMOSEG_OT_add_view,
    TOMOSEG_OT_remove_view,
    TOMOSEG_OT_move_view,
    TOMOSEG_OT_go_to_view,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
