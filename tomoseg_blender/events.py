"""What happens when a property of `scene.tomoseg` is edited, in the panel or from Python."""

from typing import Any

import bpy
from bpy.types import Context

from ..tomo.errors import TomosegError
from . import masks, painting, parts, state, undo_steps, viewing
from .scene.tomogram import tomograms
from .scene.volumes import set_threshold


def _told(action: Any, scene: Any) -> None:
    """Do something that may fail for the user's reasons; the sentence then stands in the panel."""
    try:
        action(scene)
    except TomosegError as error:
        scene.tomoseg.reasons.next_step = str(error)


def slice_changed(item: Any, _context: Context) -> None:
    """A slice index or the contrast of a tomogram was edited, perhaps by dragging."""
    if not state.is_muted():
        _told(viewing.show_moving, item.id_data)
        undo_steps.keep_soon(item.id_data)


def position_of(group: Any) -> float:
    """Where the shown slice lies along its axis, 0 to 100 %: what the slider shows."""
    shown = viewing.shown_tomogram(group.id_data)
    if shown is None:
        return 0.0
    last = shown[0].shape["zyx".index(group.axis)] - 1
    return 100.0 * float(getattr(shown[0], f"slice_{group.axis}")) / max(last, 1)


def go_to_position(group: Any, percent: float) -> None:
    """The slider was moved."""

    def go(scene: Any) -> None:
        shown = viewing.shown_tomogram(scene)
        if shown is not None:
            last = shown[0].shape["zyx".index(group.axis)] - 1
            index = round(percent / 100 * last)
            viewing.step(scene, group.axis, index - getattr(shown[0], f"slice_{group.axis}"))

    _told(go, group.id_data)
    undo_steps.keep_soon(group.id_data)


def axis_changed(group: Any, context: Context) -> None:
    """Slices along another axis were chosen: they are made, and views that look straight on a slice turn to them."""

    def turn(scene: Any) -> None:
        viewing.show_again(scene)
        shown = viewing.shown_tomogram(scene)
        if shown is not None:
            viewing.frame(context, shown[1], group.axis, straight_only=True)

    if not state.is_muted():
        _told(turn, group.id_data)


def tomogram_changed(group: Any, _context: Context) -> None:
    """Another tomogram was chosen: it is shown, if one is shown already."""
    if not state.is_muted():
        _told(viewing.show_chosen, group.id_data)
        state.refresh(group.id_data)
        undo_steps.keep_soon(group.id_data)


def feature_changed(group: Any, _context: Context) -> None:
    """Another feature was chosen: its labels are shown, and painting goes on with them."""
    if not state.is_muted():
        _told(viewing.show_again, group.id_data)
        state.refresh(group.id_data)
        undo_steps.keep_soon(group.id_data)


def labels_changed(group: Any, _context: Context) -> None:
    """The opacity of labels was edited."""
    if not state.is_muted():
        _told(viewing.show_labels, group.id_data)


def finding_chosen(group: Any, _context: Context) -> None:
    """A line of the check's list was clicked: its place is shown."""
    if not state.is_muted() and 0 <= group.finding_index < len(group.findings):
        bpy.ops.tomoseg.go_to_finding(number=group.finding_index)


def volume_threshold_changed(group: Any, _context: Context) -> None:
    """The threshold of tomograms shown as volumes was edited."""
    for empty in tomograms():
        set_threshold(empty, group.threshold)


def part_chosen(group: Any, _context: Context) -> None:
    """A row of the table of parts was clicked: the part is selected and framed."""
    if not state.is_muted() and 0 <= group.part_index < len(group.parts):
        bpy.ops.tomoseg.show_part(index=group.part_index)


def parts_changed(group: Any, _context: Context) -> None:
    """The table's order or its feature was edited."""
    if not state.is_muted():
        _told(parts.fill, group.id_data)


def brush_changed(group: Any, context: Context) -> None:
    """The brush's radius was edited."""
    if not state.is_muted():
        painting.apply_radius(context)


def colour_changed(item: Any, _context: Context) -> None:
    """A feature's colour was edited: the project keeps it, and what shows the feature gets it."""
    if state.is_muted():
        return
    scene, colour = item.id_data, state.hex_colour(item)

    def keep(scene: Any) -> None:
        state.require_project(scene).set_colour(item.name, colour)
        masks.set_colour(scene, item.name, colour)

    _told(keep, scene)
