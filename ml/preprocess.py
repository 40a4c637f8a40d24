"""EMAN2's preprocessing of a whole tomogram, slab by slab: low-pass, high-pass, normalise, clamp, invert.

Memory does not grow with the tomogram: the low-pass is a short kernel, and what the high-pass takes away is the sum
of a few dozen slow cosines per axis. Mean and standard deviation of the filtered tomogram follow from one pass over it.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from ml.filters import Floats, SlowPart, banded, lowpass_taps, mirrored
from ml.report import Cancelled, Report, Silent
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import Tomogram
from tomo.preprocessing import Preprocessing, preprocessing_of

STRIP_VOXELS = 4 * 2**20  # read at once, halo included
SLAB_SLICES = 12  # filtered together: more would read the halo less often but need more memory
NOTHING = Preprocessing(lowpass=0.0, highpass=0.0, normalise=False, clamp=0.0, invert=False)


@dataclass(frozen=True)
class Measured:
    """What one pass over a tomogram tells, so that other processes need not read it all again.

    offset, mean and deviation are in the tomogram's unit; slow: the amplitudes of ml.filters.SlowPart, None without.
    """

    offset: float
    mean: float
    deviation: float
    slow: Floats | None


class Preprocessed:
    """A tomogram as the networks see it, computed slab by slab.

    Making one reads the whole tomogram once where `settings` need its statistics, unless an earlier one's `measured` is
    given. Where the tomogram's MRC label says
    that the preprocessing was done at import, nothing is done again. Where a voxel's sides differ by more than
    1.5 times, each slice is filtered in 2D. reading_seconds: how long the file was waited for so far.
    Raises TomosegError if voxels are NaN or all the same.
    """

    def __init__(
        self,
        tomogram: Tomogram,
        settings: Preprocessing,
        report: Report | None = None,
        measured: Measured | None = None,
    ) -> None:
        report = report or Silent()
        self.shape = tomogram.shape
        self.reading_seconds = 0.0
        self._stopped = False
        self._name, self._data = str(tomogram.path), tomogram.data
        done = preprocessing_of(tomogram.labels)
        self.settings = NOTHING if done else settings
        if done and done != settings:
            report.log(f"{tomogram.name} keeps the preprocessing of its import ({in_words(done)}).")
        in_2d = tomogram.geometry.anisotropic
        if in_2d and (self.settings.lowpass or self.settings.highpass):
            report.log(f"The voxels of {tomogram.name} are no cubes: each slice is filtered by itself, in 2D.")
        still = np.ones(1, np.float32)
        self._taps = lowpass_taps(self.settings.lowpass) if self.settings.lowpass else still
        self._z_taps = still if in_2d else self._taps
        self._offset, self._mean, self._deviation = 0.0, 0.0, 1.0
        self._slow: SlowPart | None = None
        if self.settings.highpass:
            self._slow = SlowPart(self.shape, self.settings.highpass / self.shape[2], in_2d)
        if measured is not None:
            self._take(measured)
        elif self.settings.highpass or self.settings.normalise or self.settings.clamp:
            self._measure(report)

    @property
    def measured(self) -> Measured:
        """What was found out about the whole tomogram, for other processes."""
        slow = None if self._slow is None else self._slow.settled
        return Measured(self._offset, self._mean, self._deviation, slow)

    def _take(self, measured: Measured) -> None:
        self._offset, self._mean, self._deviation = measured.offset, measured.mean, measured.deviation
        if self._slow is not None and measured.slow is not None:
            self._slow.settled = measured.slow

    def slab(self, z0: int, z1: int) -> Floats:
        """Slices z0 to z1 - 1, float32 [z, y, x], computed in parts of bounded size."""
        out = np.empty((z1 - z0, *self.shape[1:]), np.float32)
        for first in range(z0, z1, SLAB_SLICES):
            last = min(first + SLAB_SLICES, z1)
            for y0, y1 in self._strips(last - first):
                if self._stopped:
                    raise Cancelled
                strip = self._lowpassed(first, last, y0, y1)
                self._finish(strip, first, y0)
                out[first - z0 : last - z0, y0:y1] = strip
        return out

    def stop(self) -> None:
        """Let a `slab` that another thread is computing end at once, with Cancelled."""
        self._stopped = True

    def _strips(self, depth: int) -> list[tuple[int, int]]:
        """(y0, y1) of the strips that a slab of `depth` slices is computed in."""
        row = (depth + len(self._z_taps) - 1) * self.shape[2]
        rows = max(16, STRIP_VOXELS // row - (len(self._taps) - 1))
        return [(y, min(y + rows, self.shape[1])) for y in range(0, self.shape[1], rows)]

    def _lowpassed(self, z0: int, z1: int, y0: int, y1: int) -> Floats:
        """Part of the tomogram minus `_offset`, low-passed along all axes; [z, y, x]."""
        strip = self._read(z0, z1, y0, y1)
        if len(self._z_taps) > 1:
            flat = banded(self._z_taps, z1 - z0) @ strip.reshape(len(strip), -1)
            strip = flat.reshape(z1 - z0, *strip.shape[1:])
        if len(self._taps) > 1:
            strip = np.matmul(banded(self._taps, y1 - y0), strip)
            strip = correlate1d(strip, self._taps, axis=2, mode="reflect")  # scipy's word for mirrored
        return strip

    def _read(self, z0: int, z1: int, y0: int, y1: int) -> Floats:
        """Voxels minus `_offset` with the low-pass's halo in z and y, mirrored at the borders."""
        z_halo, y_halo = len(self._z_taps) // 2, len(self._taps) // 2
        z = mirrored(z0 - z_halo, z1 + z_halo, self.shape[0])
        y = mirrored(y0 - y_halo, y1 + y_halo, self.shape[1])
        began = time.perf_counter()
        strip = self._data[z.min() : z.max() + 1, y.min() : y.max() + 1].astype(np.float32)
        self.reading_seconds += time.perf_counter() - began
        if z0 < z_halo or z1 + z_halo > self.shape[0]:
            strip = strip[z - z.min()]
        if y0 < y_halo or y1 + y_halo > self.shape[1]:
            strip = strip[:, y - y.min()]
        if not (np.isfinite(strip.min()) and np.isfinite(strip.max())):
            raise TomosegError(
                f"{self._name} holds voxels that are no numbers (NaN or infinite): "
                "replace them, by the mean say, and try again."
            )
        strip -= np.float32(self._offset)
        return strip

    def _finish(self, strip: Floats, z0: int, y0: int) -> None:
        """High-pass, normalise, clamp and invert, in place, a low-passed part that starts at (z0, y0)."""
        mean, deviation = self._mean, self._deviation
        if self._slow is not None:
            strip -= self._slow.part(z0, z0 + len(strip), y0, y0 + strip.shape[1])
        if self.settings.normalise:
            strip -= np.float32(mean)
            strip *= np.float32(1 / deviation)
            mean, deviation = 0.0, 1.0
        elif self._slow is None:
            strip += np.float32(self._offset)
            mean += self._offset
        if self.settings.clamp:
            reach = self.settings.clamp * deviation
            np.clip(strip, mean - reach, mean + reach, out=strip)
        if self.settings.invert:
            np.negative(strip, out=strip)

    def _measure(self, report: Report) -> None:
        """One pass over the tomogram: the slow part, and mean and standard deviation after the filters."""
        # Near zero, float32 keeps the digits of a faint signal on a high background.
        self._offset = float(
            np.nan_to_num(self._data[self.shape[0] // 2, 0].mean(dtype=np.float64), posinf=0, neginf=0)
        )
        total, squares, low, high = 0.0, 0.0, math.inf, -math.inf
        for z0 in range(0, self.shape[0], SLAB_SLICES):
            report.progress(z0 / self.shape[0], "Measuring the tomogram for its preprocessing")
            z1 = min(z0 + SLAB_SLICES, self.shape[0])
            for y0, y1 in self._strips(z1 - z0):
                strip = self._lowpassed(z0, z1, y0, y1)
                low, high = min(low, float(strip.min())), max(high, float(strip.max()))
                total += float(strip.sum(dtype=np.float64))
                squares += float(np.vdot(strip, strip))
                if self._slow is not None:
                    self._slow.add(strip, z0, y0)
        if high - low <= 1e-6 * abs(self._offset):
            raise TomosegError(f"{self._name} is constant: nothing can be seen in it, so choose another file.")
        self._settle(total, squares)

    def _settle(self, total: float, squares: float) -> None:
        voxels = math.prod(self.shape)
        if self._slow is not None:
            squares -= self._slow.settle()  # the mean, too, is part of what the high-pass takes away
        else:
            self._mean = total / voxels
        self._deviation = math.sqrt(max(squares / voxels - self._mean**2, 1e-30))


def preprocess_array(array: NDArray[Any], settings: Preprocessing, anisotropic: bool = False) -> Floats:
    """A whole array [z, y, x] preprocessed at once; for volumes that fit into memory."""
    geometry = Geometry((2.0, 2.0, 8.0)) if anisotropic else Geometry()
    return Preprocessed(Tomogram(Path("array"), array, geometry, []), settings).slab(0, len(array))


def in_words(settings: Preprocessing) -> str:
    """The settings as a person reads them: `low-pass 0.25, high-pass 5, normalised, clamped at 3 σ`."""
    parts = [
        f"low-pass {settings.lowpass:g}" if settings.lowpass else "no low-pass",
        f"high-pass {settings.highpass:g}" if settings.highpass else "no high-pass",
        "normalised" if settings.normalise else "not normalised",
        f"clamped at {settings.clamp:g} σ" if settings.clamp else "not clamped",
    ]
    return ", ".join([*parts, "inverted"] if settings.invert else parts)
