"""What happens when a property of `scene.tomoseg` is edited, in the panel or from Python."""

from typing import Any

import bpy
from bpy.types import Context

from ..tomo.errors import TomosegError
from . import painting, state, viewing
from .scene.materials import colour_material, feature_material


def _told(action: Any, scene: Any) -> None:
    """Do something that may fail for the user's reasons; the sentence then stands in the panel."""
    try:
        action(scene)
    except TomosegError as error:
        scene.tomoseg.reasons.next_step = str(error)


def slice_changed(item: Any, _context: Context) -> None:
    """A slice index or the contrast of a tomogram was edited."""
    if not state.is_muted():
        _told(viewing.show_again, item.id_data)


def tomogram_changed(group: Any, _context: Context) -> None:
    """Another tomogram was chosen: it is shown, if one is shown already."""
    if not state.is_muted():
        _told(viewing.show_chosen, group.id_data)
        state.refresh(group.id_data)


def feature_changed(group: Any, _context: Context) -> None:
    """Another feature was chosen: its labels are shown, and painting goes on with them."""
    if not state.is_muted():
        _told(viewing.show_again, group.id_data)
        state.refresh(group.id_data)


def labels_changed(group: Any, _context: Context) -> None:
    """The opacity of labels was edited."""
    if not state.is_muted():
        _told(viewing.show_labels, group.id_data)


def finding_chosen(group: Any, _context: Context) -> None:
    """A line of the check's list was clicked: its place is shown."""
    if not state.is_muted() and 0 <= group.finding_index < len(group.findings):
        bpy.ops.tomoseg.go_to_finding(number=group.finding_index)


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
        colour_material(feature_material(item.name, colour), colour)

    _told(keep, scene)
