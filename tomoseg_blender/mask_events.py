"""What happens when a label of a mask is renamed or recoloured in the panel's list."""

from typing import Any

from bpy.types import Context

from ..tomo.errors import TomosegError
from . import masks, state


def _told(scene: Any, action: Any, *arguments: Any) -> None:
    """Do what may fail for the user's reasons; the sentence then stands in the panel."""
    try:
        action(scene, *arguments)
    except TomosegError as error:
        scene.tomoseg.reasons.next_step = str(error)


def renamed(row: Any, _context: Context) -> None:
    """A label's name was edited: table, surfaces and volumes follow."""
    if not state.is_muted():
        _told(row.id_data, masks.rename, row, row.name)


def recoloured(row: Any, _context: Context) -> None:
    """A label's colour was edited: table, feature and materials follow."""
    if not state.is_muted():
        _told(row.id_data, masks.set_colour, row.name, state.hex_colour(row))
