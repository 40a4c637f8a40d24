"""Cutting a slice into overlapping tiles, and blending what was found in them so that no seam can be seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """One tile's part of an axis: pixels start to stop, each counted with `weight` (float32, at most 1).

    The weights of all spans of an axis add up to 1 at each pixel.
    """

    start: int
    stop: int
    weight: Floats


def spans(length: int, tile: int, halo: int, stride: int) -> list[Span]:
    """The spans of tiles of at most `tile` pixels along an axis of `length` pixels; both multiples of `stride`.

    Each pixel comes from tiles that see at least `halo` pixels around it (or the axis' end); beyond the halo,
    neighbours overlap by one more stride, over which one fades into the other.
    """
    if length % stride or tile % stride:
        raise ValueError(f"Axis of {length} and tile of {tile} pixels must be multiples of {stride}.")
    fade = _fade(stride)
    overlap = -(-2 * halo // stride) * stride + fade
    tile = max(tile, smallest_tile(halo, stride))
    count = max(1, -(-(length - overlap) // (tile - overlap)))
    # Tiles of equal size, only as large as their number needs: less is computed twice.
    tile = length if count == 1 else -(-((length - overlap) // count + overlap) // stride) * stride
    starts = [i * ((length - tile) // stride) // max(count - 1, 1) * stride for i in range(count)]
    weights = [_ramp(start, start + tile, length, halo, fade) for start in starts]
    total = np.zeros(length, np.float32)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + tile] += weight
    return [
        Span(start, start + tile, weight / total[start : start + tile])
        for start, weight in zip(starts, weights, strict=True)
    ]


def smallest_tile(halo: int, stride: int) -> int:
    """The smallest sensible tile: half of its side is its own, the rest is context; a multiple of `stride`."""
    return -(-(4 * halo + 2 * _fade(stride)) // stride) * stride


def _fade(stride: int) -> int:
    """Over how many pixels two tiles fade into each other, a multiple of the stride."""
    return -(-8 // stride) * stride


def _ramp(start: int, stop: int, length: int, halo: int, fade: int) -> Floats:
    """0 up to one halo from an inner end, then rising to 1 over `fade` pixels; the axis' own ends stay at 1."""
    position = np.arange(start, stop) + 0.5
    nearest = np.full(stop - start, np.inf)
    if start > 0:
        nearest = np.minimum(nearest, position - start)
    if stop < length:
        nearest = np.minimum(nearest, stop - position)
    return np.clip((nearest - halo) / fade, 0, 1).astype(np.float32)


def cut(plane: Floats, row: Span, column: Span, margin: int = 0) -> Floats:
    """One tile of a slice [y, x]; pixel 0 of the spans lies `margin` pixels before the slice's first one.

    What the slice lacks at its ends is mirrored.
    """
    (y0, y1), (x0, x1) = ((span.start - margin, span.stop - margin) for span in (row, column))
    height, width = plane.shape
    part = plane[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    missing = ((max(-y0, 0), max(y1 - height, 0)), (max(-x0, 0), max(x1 - width, 0)))
    return np.pad(part, missing, mode="symmetric") if any(map(any, missing)) else part
