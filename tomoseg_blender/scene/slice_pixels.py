"""Voxel values of a slice to the RGBA floats that Blender's byte images take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
QUICK_SIDE = 2048  # larger slices step at a fraction of their resolution
_SAMPLES = 200_000
_KEPT_BUFFERS = 2  # one in full and one quick; at 4096² the full one takes 268 MB
_buffers: dict[tuple[int, int], Float] = {}


def automatic_window(pixels: NDArray[Any]) -> tuple[float, float]:
    """(low, high) for a slice [y, x]: its mean ± 3 standard deviations, within its range; finite voxels only."""
    step = max(1, int(np.sqrt(pixels.size / _SAMPLES)))
    values = pixels[::step, ::step].astype(np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    mean, spread = float(values.mean()), float(values.std())
    low, high = max(mean - 3 * spread, float(values.min())), min(mean + 3 * spread, float(values.max()))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def quick_step(shape: tuple[int, ...]) -> int:
    """Show every n-th pixel of a slice [y, x] while stepping, so that its sides stay within 2048."""
    return -(-max(shape) // QUICK_SIDE)


def grey_pixels(pixels: NDArray[Any], low: float, high: float, invert: bool) -> Float:
    """A flat float32 RGBA buffer of the slice [y, x], row 0 first: `low` becomes 0, `high` 1, or with `invert` 1 and 0.

    NaN counts as `low`. The buffer is reused by the next call with the same shape: hand it over before that.
    """
    buffer = _buffer_for((pixels.shape[0], pixels.shape[1]))
    scale = 1.0 / (high - low) if high != low else 0.0
    grey = np.multiply(pixels, np.float32(scale), dtype=np.float32)
    grey -= np.float32(low * scale)
    np.fmax(grey, 0.0, out=grey)  # fmax, not clip: it turns NaN into 0
    np.minimum(grey, 1.0, out=grey)
    if invert:
        np.subtract(1.0, grey, out=grey)
    buffer[..., :3] = grey[..., None]
    return buffer.reshape(-1)


def _buffer_for(shape: tuple[int, int]) -> Float:
    """A [y, x, 4] float32 buffer with alpha 1, allocated once for each of the last shapes."""
    buffer = _buffers.pop(shape, None)
    if buffer is None:
        buffer = np.ones((*shape, 4), np.float32)
    _buffers[shape] = buffer
    while len(_buffers) > _KEPT_BUFFERS:
        del _buffers[next(iter(_buffers))]
    return buffer
