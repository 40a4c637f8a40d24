"""Voxel values of a slice to the RGBA floats that Blender's byte images take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Quads = NDArray[np.complex128]
QUICK_SIDE = 2048  # larger slices step at a fraction of their resolution
_SAMPLES = 200_000
_BAND_ROWS = 64  # what lies between stays in the processor's cache: at 4096² a third less time
_KEPT_BUFFERS = 2  # one in full and one quick; at 4096² the full one takes 268 MB
_buffers: dict[tuple[int, int], Quads] = {}


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


def grey_steps(low: float, high: float) -> tuple[float, float]:
    """(factor, addend) that make a voxel's value its grey in steps of 0 to 255, once the fraction is cut off."""
    scale = 255.0 / (high - low) if high != low else 0.0
    return scale, 0.5 - low * scale  # half a step up, so that cutting off rounds


def grey_pixels(pixels: NDArray[Any], low: float, high: float, invert: bool) -> Float:
    """A flat float32 RGBA buffer of the slice [y, x], row 0 first: `low` becomes 0, `high` 1, or with `invert` 1 and 0.

    Greys come in the 256 steps that a byte image keeps. NaN counts as `low`. The buffer is reused by the next call
    with the same shape: hand it over before that.
    """
    buffer = _buffer_for((pixels.shape[0], pixels.shape[1]))
    factor, addend = grey_steps(low, high)
    table = _INVERTED if invert else _PLAIN
    for row in range(0, pixels.shape[0], _BAND_ROWS):
        band = slice(row, row + _BAND_ROWS)
        steps = np.multiply(pixels[band], np.float32(factor), dtype=np.float32)
        steps += np.float32(addend)
        np.fmax(steps, 0.0, out=steps)  # fmax, not clip: it turns NaN into 0
        np.minimum(steps, 255.0, out=steps)
        np.take(table, steps.astype(np.uint8), out=buffer[band], mode="clip")
    return buffer.view(np.float32).reshape(-1)


def _table(greys: NDArray[np.float64]) -> Quads:
    """The RGBA of 256 greys; four floats travel as one 16-byte number, which is half as long as four at a time."""
    table = np.ones((256, 4), np.float32)
    table[:, :3] = greys[:, None]
    return table.view(np.complex128).reshape(-1)


_PLAIN, _INVERTED = _table(np.arange(256) / 255), _table(np.arange(255, -1, -1) / 255)


def _buffer_for(shape: tuple[int, int]) -> Quads:
    """A [y, x] buffer of RGBA pixels, allocated once for each of the last shapes."""
    buffer = _buffers.pop(shape, None)
    if buffer is None:
        buffer = np.empty(shape, np.complex128)
    _buffers[shape] = buffer
    while len(_buffers) > _KEPT_BUFFERS:
        del _buffers[next(iter(_buffers))]
    return buffer
