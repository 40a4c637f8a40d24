"""What happens when a feature's threshold is moved."""

from typing import Any

from bpy.types import Context

from ..tomo.errors import TomosegError
from . import state, thresholding


def level_changed(item: Any, _context: Context) -> None:
    """The slider was moved: the outline follows at once, the project and the surface once it stands still."""
    if state.is_muted():
        return
    try:
        thresholding.changed(item.id_data, item.name)
    except TomosegError as error:
        item.id_data.tomoseg.reasons.next_step = str(error)
