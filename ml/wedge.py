"""Where a tomogram's missing wedge lies: the tilt axis in the plane of the slices, and the highest tilt.

A tilt series leaves the directions of Fourier space empty that are steeper than the highest tilt, seen along the tilt
axis. In the spectrum of one slice this shows as a faint dark line along the tilt axis.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftn

from tomo.mrc import Tomogram

Floats = NDArray[np.float32]
_BLOCK = 160  # voxels of the block's sides at most
_RING = (0.06, 0.42)  # cycles per voxel: below lie gradients, above the corners
_STEEP = (0.25, 0.85)  # |kz| / |k| where in-plane directions with and without a wedge differ most
_SECTORS = 180
_FAINT = 0.12  # relative modulation below which there is no wedge to speak of
_TILT_STEP = 1.0
_ROUNDS, _CAP = 6, 5.0  # times the mean power of a frequency


@dataclass(frozen=True)
class Wedge:
    """axis: the tilt axis in degrees from x towards y, in (-90, 90]. highest_tilt: degrees.

    strength: how much the power varies around the circle, 0 to 1.
    """

    axis: float
    highest_tilt: float
    strength: float


def find_wedge(tomogram: Tomogram) -> Wedge | None:
    """The missing wedge of a tomogram, from a block in its middle; None where none is seen. Memory does not grow.

    Voxels whose sides differ by more than 1.5 times are serial sections: they were never tilted.
    """
    if tomogram.geometry.anisotropic:
        return None
    power, frequencies = _whitened_power(tomogram)
    axis, strength = _axis(power, frequencies)
    return None if strength < _FAINT else Wedge(axis, _highest_tilt(power, frequencies, axis), strength)


def slice_spectrum(plane: NDArray[np.generic], size: int | None = None) -> Floats:
    """log(1 + |Fourier amplitude|) of a slice [y, x], frequency 0 in the middle, at voxel (ny // 2, nx // 2).

    size: of a square to which the slice is filled up with zeros, so that angles in it are those of the slice.
    """
    image = plane.astype(np.float32)
    image -= image.mean()
    image *= _taper(image.shape[0])[:, None] * _taper(image.shape[1])
    return np.fft.fftshift(np.log1p(np.abs(fftn(image, None if size is None else (size, size))))).astype(np.float32)


def _taper(size: int) -> Floats:
    """A smooth fall to 0 at both ends, so that the borders draw no cross into the spectrum."""
    return np.sin(np.pi * (np.arange(size, dtype=np.float32) + 0.5) / size) ** 2


def _whitened_power(tomogram: Tomogram) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """(power / mean power at that frequency, (kz, ky, kx)) of a block in the middle, over half of Fourier space."""
    sides = [min(side, _BLOCK) for side in tomogram.shape]
    starts = [(side - kept) // 2 for side, kept in zip(tomogram.shape, sides, strict=True)]
    (z, y, x), (dz, dy, dx) = starts, sides
    block = tomogram.data[z : z + dz, y : y + dy, x : x + dx].astype(np.float32)
    block -= block.mean()
    # A window along z would blur the wedge of a thin tomogram; along x and y it is what keeps the borders out.
    block *= (_taper(dy)[:, None] * _taper(dx))[None]
    power = np.abs(fftn(block)[:, :, : dx // 2 + 1]) ** 2
    z_unit, y_unit, x_unit = _relative_sides(tomogram)
    kz, ky = (np.fft.fftfreq(side, unit).astype(np.float32) for side, unit in ((dz, z_unit), (dy, y_unit)))
    kx = np.fft.rfftfreq(dx, x_unit).astype(np.float32)
    radius = np.sqrt(kz[:, None, None] ** 2 + ky[:, None] ** 2 + kx**2)
    shell = np.minimum((radius * 100).astype(np.int64), 99)
    count = np.maximum(np.bincount(shell.ravel(), minlength=100), 1)
    # Capped again and again, so that a few strong waves (a crystal, a microtubule) do not outshine all else.
    for _ in range(_ROUNDS):
        mean = np.bincount(shell.ravel(), power.ravel(), 100) / count
        np.minimum(power, _CAP * mean[shell], out=power)
    power /= np.maximum(mean[shell], 1e-30)
    power[(radius < _RING[0]) | (radius > _RING[1])] = np.nan
    return power.astype(np.float32), (kz[:, None, None], ky[:, None], kx)


def _relative_sides(tomogram: Tomogram) -> tuple[float, float, float]:
    """A voxel's sides (z, y, x) in units of its shortest, so that angles are those of space."""
    if not tomogram.geometry.voxel_size_known:
        return 1.0, 1.0, 1.0
    x, y, z = (size / min(tomogram.geometry.voxel_size) for size in tomogram.geometry.voxel_size)
    return z, y, x


def _axis(power: Floats, frequencies: tuple[Floats, Floats, Floats]) -> tuple[float, float]:
    """(degrees, strength): the in-plane direction with the least power away from the plane kz = 0."""
    kz, ky, kx = frequencies
    flat = np.hypot(ky, kx)
    steepness = np.abs(kz) / np.maximum(np.sqrt(kz**2 + flat**2), 1e-9)
    chosen = (steepness > _STEEP[0]) & (steepness < _STEEP[1]) & np.isfinite(power)
    azimuth = np.broadcast_to(np.arctan2(ky, kx), power.shape)[chosen]
    sector = ((azimuth / np.pi * _SECTORS).round().astype(int)) % _SECTORS
    total = np.bincount(sector, power[chosen], _SECTORS)
    count = np.bincount(sector, minlength=_SECTORS)
    profile = total[count > 0] / count[count > 0]
    angles = np.flatnonzero(count > 0) * np.pi / _SECTORS
    moment = (profile * np.exp(2j * angles)).sum()  # a half turn leads to the same direction
    strength = float(2 * abs(moment) / profile.sum())
    return _upright(math.degrees(np.angle(moment) / 2) + 90), strength


def _upright(degrees: float) -> float:
    """The same line's angle in (-90, 90]."""
    turned = degrees % 180
    return turned - 180 if turned > 90 else turned


def _highest_tilt(power: Floats, frequencies: tuple[Floats, Floats, Floats], axis: float) -> float:
    """The tilt above which there is no power: where two levels fit the power over the tilt best."""
    kz, ky, kx = frequencies
    angle = math.radians(axis)
    across = np.abs(ky * math.cos(angle) - kx * math.sin(angle))
    tilt = np.degrees(np.arctan2(np.abs(kz), across))
    chosen = np.isfinite(power) & (np.hypot(np.abs(kz), across) > _RING[0])
    bins = (tilt[chosen] / _TILT_STEP).astype(int)
    count = np.bincount(bins, minlength=int(90 / _TILT_STEP) + 1).astype(float)
    total = np.bincount(bins, power[chosen], len(count))
    # Between-class variance of two levels split before bin `i`, as Otsu's threshold maximises it.
    below, sums = count.cumsum()[:-1], total.cumsum()[:-1]
    above, rest = count.sum() - below, total.sum() - sums
    valid = (below > 0) & (above > 0)
    contrast = np.zeros(len(below))
    contrast[valid] = (below * above)[valid] * (sums[valid] / below[valid] - rest[valid] / above[valid]) ** 2
    return float((int(contrast.argmax()) + 1) * _TILT_STEP)
