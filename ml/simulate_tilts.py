"""A tilt series of a density and the tomogram reconstructed from it, as a microscope and IMOD would make them.

The sample turns about the y axis. Each image is a true projection of the sample, which goes on beyond the field
(as copies of itself), seen through the microscope's contrast transfer function, dimmed by radiation damage and
counted electron by electron. Weighted back-projection of the images leaves a missing wedge, streaks and fringes.
Sources: Grant and Grigorieff, eLife 2015 (damage); Radermacher, "Weighted back-projection methods", 2006.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Imaging:
    """How the microscope was set. Lengths in Å unless named otherwise.

    dose: electrons / Å² over all images. defocus: underfocus, differing by about `spread` from image to image.
    phase: radians by which one voxel of protein (density 1) delays the wave; 2.5 V above ice give 0.016 in 10 Å.
    ice: thickness of what holds the sample; each `free_path` of it lets 1 / e of the electrons through.
    gradient: by how much (as a part) one side of each image is brighter than the other.
    cutoff: of the sampling frequency, where back-projection begins to let less through.
    """

    voxel_size: float = 10.0
    last_tilt: float = 60.0  # degrees
    step: float = 3.0  # degrees
    dose: float = 110.0
    defocus: float = 35000.0
    spread: float = 1500.0
    phase: float = 0.016
    amplitude_contrast: float = 0.08
    wavelength: float = 0.0197  # at 300 kV
    spherical_aberration: float = 2.7e7
    ice: float = 1500.0
    free_path: float = 3000.0
    gradient: float = 0.2
    cutoff: float = 0.3

    @property
    def tilts(self) -> NDArray[np.float64]:
        """All angles in degrees, from the most negative to the most positive."""
        return np.arange(-self.last_tilt, self.last_tilt + self.step / 2, self.step)

    @property
    def dose_before(self) -> NDArray[np.float64]:
        """Electrons / Å² that the sample has taken when half of each image is made; small angles come first."""
        order = np.argsort(np.abs(self.tilts), kind="stable")
        before = np.empty(order.size)
        before[order] = (np.arange(order.size) + 0.5) * self.dose / order.size
        return before


class Projector:
    """Sends slabs of a volume of `shape` [z, y, x] to images of (x, y) pixels tilted about y, and back."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape

    def project(self, slab: Floats, first: int, angle: float) -> Floats:
        """What slices from `first` on, slab [z, y, x], add to the image tilted by `angle`: [x, y]."""
        copies = math.ceil(1 / math.cos(math.radians(angle))) // 2 + 1
        rows = slab.transpose(0, 2, 1).reshape(-1, slab.shape[1])
        image = np.zeros((self.shape[2], self.shape[1]), np.float32)
        for shift in range(-copies, copies + 1):
            image += self._footprint(first, len(slab), angle, shift * self.shape[2]).T @ rows
        return image

    def back_project(self, image: Floats, first: int, last: int, angle: float) -> Floats:
        """The image [x, y] smeared back along its beam over slices `first` to `last` - 1: [z, x, y]."""
        rows = self._footprint(first, last - first, angle, 0) @ image
        smeared: Floats = rows.reshape(last - first, self.shape[2], self.shape[1])
        return smeared

    def _footprint(self, first: int, depth: int, angle: float, shift: int) -> "scipy.sparse.csr_matrix[Any]":
        """Which image column each voxel of a slab lies over: (z · x) rows, x columns, two neighbours share one."""
        width, turn = self.shape[2], math.radians(angle)
        z = np.arange(first, first + depth) - (self.shape[0] - 1) / 2
        x = np.arange(width) - (width - 1) / 2 + shift
        place = (x[None, :] * math.cos(turn) + z[:, None] * math.sin(turn)).ravel() + (width - 1) / 2
        left = np.floor(place).astype(np.int64)
        part = place - left
        row = np.concatenate([np.arange(place.size)] * 2)
        column = np.concatenate([left, left + 1])
        share = np.concatenate([1 - part, part]).astype(np.float32)
        inside = (column >= 0) & (column < width)
        pairs = (row[inside], column[inside])
        return scipy.sparse.csr_matrix((share[inside], pairs), shape=(place.size, width))


def record(images: Floats, imaging: Imaging, seed: int) -> None:
    """Turn projections [tilt, x, y] into images counted by a camera, in place: about 0, features dark."""
    rng = np.random.default_rng((seed, 1))
    defocus = imaging.defocus + imaging.spread * rng.standard_normal(imaging.tilts.size)
    side = rng.uniform(0, 2 * np.pi)
    shape = (images.shape[1], images.shape[2])
    for index, (angle, before) in enumerate(zip(imaging.tilts, imaging.dose_before, strict=True)):
        transfer = contrast_transfer(shape, imaging, float(defocus[index]), float(before))
        contrast = scipy.fft.irfft2(scipy.fft.rfft2(images[index]) * transfer, shape)
        bright = np.maximum(1 + contrast, 0.05) * _illumination(shape, imaging.gradient, side)
        slant = imaging.ice / math.cos(math.radians(angle))
        counts = imaging.dose / imaging.tilts.size * imaging.voxel_size**2 * math.exp(-slant / imaging.free_path)
        images[index] = rng.poisson(bright * counts) / counts - 1


def contrast_transfer(shape: tuple[int, int], imaging: Imaging, defocus: float, before: float) -> Floats:
    """From projected density to brightness, for `rfft2` of images of `shape`; negative: density is dark.

    `before`: electrons / Å² so far, which have blurred the sample.
    """
    x = scipy.fft.fftfreq(shape[0])[:, None] / imaging.voxel_size
    y = scipy.fft.rfftfreq(shape[1])[None, :] / imaging.voxel_size
    square = x**2 + y**2
    wave = imaging.wavelength
    delay = math.pi * wave * square * (defocus - 0.5 * imaging.spherical_aberration * wave**2 * square)
    phase_part = math.sqrt(1 - imaging.amplitude_contrast**2) * np.sin(delay)
    critical = 0.245 * np.maximum(square, 1e-12) ** (-1.665 / 2) + 2.81
    damage = np.exp(-before / (2 * critical))
    seen = phase_part + imaging.amplitude_contrast * np.cos(delay)
    return np.asarray(-2 * imaging.phase * seen * damage, np.float32)


def _illumination(shape: tuple[int, int], gradient: float, side: float) -> NDArray[np.float64]:
    """Uneven ice and beam: brightness [x, y] around 1, falling towards one side."""
    x = np.linspace(-0.5, 0.5, shape[0])[:, None]
    y = np.linspace(-0.5, 0.5, shape[1])[None, :]
    slope = x * math.cos(side) + y * math.sin(side)
    return np.asarray(1 + gradient * slope + 0.3 * gradient * np.cos(2 * np.pi * (x - y)))


def weight(images: Floats, imaging: Imaging) -> None:
    """The ramp filter of weighted back-projection, in place: images [tilt, x, y], the tilt axis along y."""
    width, height = images.shape[1:]
    padded = scipy.fft.next_fast_len(2 * width, real=True)
    x = np.abs(scipy.fft.rfftfreq(padded))[:, None]
    y = scipy.fft.fftfreq(height)[None, :]
    beyond = np.maximum(np.hypot(x, y) - imaging.cutoff, 0)
    ramp = (x * np.exp(-0.5 * (beyond / 0.06) ** 2)).astype(np.float32)
    for image in images:
        spectrum = scipy.fft.fft(scipy.fft.rfft(image, padded, axis=0), axis=1) * ramp
        image[:] = scipy.fft.irfft(scipy.fft.ifft(spectrum, axis=1), padded, axis=0)[:width]


def reconstruct(
    images: Floats, imaging: Imaging, shape: tuple[int, int, int], depth: int
) -> Iterator[tuple[int, Floats]]:
    """The tomogram of weighted images [tilt, x, y]: pairs of a first slice and a slab [z, y, x] of up to `depth`."""
    projector = Projector(shape)
    for first in range(0, shape[0], depth):
        last = min(first + depth, shape[0])
        total = np.zeros((last - first, shape[2], shape[1]), np.float32)
        for image, angle in zip(images, imaging.tilts, strict=True):
            total += projector.back_project(image, first, last, float(angle))
        yield first, np.ascontiguousarray(total.transpose(0, 2, 1)) / np.float32(len(images))
