"""The voxel values of a large z slice on the graphics card, which it is drawn from in Solid mode.

A Blender image of 4096² takes four times as much memory, and twice as long to fill and to hand over. So it stays at
screen resolution while all 3D views are in Solid mode, and is filled in full only where Blender itself shows it.
"""

from typing import Any

import bpy
import gpu
import numpy as np
from numpy.typing import NDArray

from .scene.slice_pixels import quick_step

Key = tuple[str, int, int]  # tomogram, slice, mean of how many slices


class _Held:
    """The values that were put here last, and their texture once they have been drawn."""

    def __init__(self) -> None:
        self.key: Key | None = None
        self.values: NDArray[np.float32] | None = None
        self.texture: Any = None
        self.refused = False  # this graphics card does not take it


_HELD = _Held()


def serves(shape: tuple[int, ...]) -> bool:
    """True where slices [y, x] of this shape are drawn from here: large ones, in Solid mode, in a window."""
    if bpy.app.background or _HELD.refused or quick_step(shape) == 1:
        return False
    areas = [area for window in bpy.context.window_manager.windows for area in window.screen.areas]
    solid = all(area.spaces.active.shading.type == "SOLID" for area in areas if area.type == "VIEW_3D")
    return solid and max(shape) <= gpu.capabilities.max_texture_size_get()


def put(key: Key, pixels: NDArray[Any]) -> None:
    """Keep the values of a slice [y, x], to be drawn from now on."""
    _HELD.key, _HELD.values, _HELD.texture = key, np.ascontiguousarray(pixels, np.float32), None


def drop() -> None:
    """Let go of the values: Blender's own image is shown in full."""
    _HELD.key = _HELD.values = _HELD.texture = None


def is_held() -> bool:
    """True while Blender's own image may be coarser than what is drawn."""
    return _HELD.key is not None


def texture_of(key: Key) -> Any | None:
    """The texture of a slice, one float for each voxel; None where the values of another slice, or none, are here.

    Call it while drawing. Raises nothing: where the graphics card refuses, `serves` is False from then on.
    """
    if key != _HELD.key:
        return None
    if _HELD.values is not None:
        height, width = _HELD.values.shape
        try:
            buffer = gpu.types.Buffer("FLOAT", height * width, _HELD.values.reshape(-1))
            _HELD.texture = gpu.types.GPUTexture((width, height), format="R32F", data=buffer)
        except (RuntimeError, ValueError, SystemError, MemoryError) as error:
            print(f"Tomoseg: large slices are shown by Blender itself ({error}).")
            _HELD.refused = True
            drop()
            return None
        _HELD.values = None
    return _HELD.texture
