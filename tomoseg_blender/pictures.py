"""Pictures that the worker makes (triplet sheet, loss curve, spectrum, figure), shown in an Image Editor."""

from pathlib import Path
from typing import Any

import bpy

from ..tomo.errors import TomosegError


def load(path: Path) -> Any:
    """The image of a file, read anew if it was loaded before. Raises TomosegError if it cannot be read."""
    if not path.is_file():
        raise TomosegError(f"There is no picture {path}: run the step that makes it again.")
    image = bpy.data.images.load(str(path), check_existing=True)
    image.reload()
    if not image.has_data and not image.size[0]:
        raise TomosegError(f"{path} is no picture that Blender can read: run the step that makes it again.")
    return image


def show(path: Path) -> Any:
    """Show a picture in the first Image Editor of a window; without one it is only loaded."""
    image = load(path)
    if bpy.app.background:
        return image
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.spaces.active.image = image
                area.spaces.active.mode = "VIEW"  # nobody means to paint on it
                fit(area)
                return image
    return image


def fit(area: Any) -> None:
    """Let an Image Editor show its whole image."""
    region = next(one for one in area.regions if one.type == "WINDOW")
    window = next(one for one in bpy.context.window_manager.windows if area in one.screen.areas.values())
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.image.view_all(fit_view=True)
    area.tag_redraw()
