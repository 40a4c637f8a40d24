"""EMAN2's Gaussian filters as small matrices per axis, so that they run slab by slab.

EMAN2 (libEM/sparx/processor_sparx.h, fourierfilter.cpp) divides a cutoff by √2 before it takes it as the
Gaussian's sigma: its low-pass is exp(-(f / cutoff)²), its high-pass 1 - exp(-(f / cutoff)²), f in cycles per voxel.
EMAN2 wraps around at the volume's borders; here the volume is mirrored there, so that one side never shines
through on the other. Inside, both are the same.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NEGLIGIBLE = 1e-5  # a response below this is left out


def lowpass_taps(cutoff: float) -> Floats:
    """The kernel whose Fourier response is exp(-(f / cutoff)²), an odd number of weights with sum 1.

    cutoff: a fraction of the sampling frequency, above 0.
    """
    sigma = 1 / (math.sqrt(2) * math.pi * cutoff)
    radius = max(5, math.ceil(4.5 * sigma))
    size = 64 * radius
    response = np.exp(-((np.fft.rfftfreq(size) / cutoff) ** 2))
    kernel = np.roll(np.fft.irfft(response, size), radius)[: 2 * radius + 1]
    return (kernel / kernel.sum()).astype(np.float32)


def mirrored(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Indices start … stop - 1 folded into 0 … size - 1 as if the axis were mirrored at its ends."""
    folded = np.arange(start, stop) % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def banded(taps: Floats, count: int) -> Floats:
    """The matrix (count, count + len(taps) - 1) that filters an axis with a halo by a product."""
    matrix = np.zeros((count, count + len(taps) - 1), np.float32)
    for row in range(count):
        matrix[row, row : row + len(taps)] = taps
    return matrix


@dataclass(frozen=True)
class Waves:
    """The slow cosines of one axis: basis (k, n), rows of length 1; frequency (k,) in cycles per voxel."""

    basis: Floats
    frequency: NDArray[np.float64]


def slow_waves(size: int, cutoff: float) -> Waves:
    """The cosines of a mirrored axis of `size` voxels that exp(-(f / cutoff)²) does not suppress."""
    highest = cutoff * math.sqrt(-math.log(NEGLIGIBLE))
    count = min(size, int(2 * size * highest) + 1)
    number = np.arange(count)
    basis = np.cos(np.pi * np.outer(number, np.arange(size) + 0.5) / size) * math.sqrt(2 / size)
    basis[0] = math.sqrt(1 / size)
    return Waves(basis.astype(np.float32), number / (2 * size))


def each_slice(size: int) -> Waves:
    """An axis that is not filtered at all: each voxel is its own wave of frequency 0."""
    return Waves(np.eye(size, dtype=np.float32), np.zeros(size))


class SlowPart:
    """What a Gaussian high-pass takes away from a volume: a wide Gaussian of it, as a sum of slow cosines.

    A Gaussian of 5 Fourier pixels is made of some 35 cosines per axis, whatever the size of the volume. So it is
    kept exactly in little memory: first `add` every part of the volume once, then `settle`, then ask for any `part`.
    settled: the cosines' amplitudes, [z, y, x]; another process can go on from them.
    """

    def __init__(self, shape: tuple[int, int, int], cutoff: float, in_2d: bool) -> None:
        z, y, x = shape
        self._z = each_slice(z) if in_2d else slow_waves(z, cutoff)
        self._y, self._x = slow_waves(y, cutoff), slow_waves(x, cutoff)
        axes = [(waves.frequency / cutoff) ** 2 for waves in (self._z, self._y, self._x)]
        self._response = np.exp(-(axes[0][:, None, None] + axes[1][:, None] + axes[2]))
        self._amplitudes = np.zeros(self._response.shape)
        self.settled: Floats = np.zeros((0, 0, 0), np.float32)

    def add(self, strip: Floats, z0: int, y0: int) -> None:
        """Take in the part [z, y, all x] of the volume that starts at (z0, y0)."""
        depth, height = strip.shape[:2]
        planes = np.matmul(self._y.basis[:, y0 : y0 + height], strip @ self._x.basis.T)
        self._amplitudes += np.tensordot(self._z.basis[:, z0 : z0 + depth], planes, 1)

    def settle(self) -> float:
        """End the additions; by how much the high-pass lowers the sum of squares over the volume."""
        self.settled = (self._amplitudes * self._response).astype(np.float32)
        return float((self._amplitudes**2 * (2 - self._response) * self._response).sum())

    def part(self, z0: int, z1: int, y0: int, y1: int) -> Floats:
        """What is to be subtracted from rows y0 … y1 - 1 of slices z0 … z1 - 1, [z, y, x]."""
        planes = np.tensordot(self._z.basis[:, z0:z1].T, self.settled, 1)
        return np.matmul(self._y.basis[:, y0:y1].T, planes @ self._x.basis)
