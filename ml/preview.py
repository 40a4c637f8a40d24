"""What the network sees in one slice of a tomogram: at once where network and tomogram were used before."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Report
from tomo.errors import TomosegError

if TYPE_CHECKING:
    from ml.preprocess import Preprocessed
    from tomo.preprocessing import Preprocessing

SUMMARY = "apply a network to one slice"


@dataclass(frozen=True)
class Options:
    """What the request `preview` takes."""

    network: Path = option(help="network file")
    tomogram: Path = option(help="tomogram to look at")
    z: int = option(help="slice, counted from 0")
    output: Path = option(help="NPY file to write: float32 [y, x] in amplitude units", metavar="FILE")
    region: tuple[int, int, int, int] | None = option(
        None, help="first x, first y, width and height of the part to look at, in voxels", metavar="N"
    )
    threads: int = option(0, help="CPU cores to use, 0 for all", metavar="N")
    device: str = option("auto", help="where to compute", choices=("auto", "cuda", "mps", "cpu"))
    flips: int = option(1, help="8: the mean over all flips and quarter turns", metavar="1|8")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the map of one slice, or of a part of it. Raises TomosegError for a slice that is not there."""
    import numpy as np

    from ml.devices import choose_device, use_threads
    from ml.predict import predictor_for
    from tomo.files import replacing

    began = time.monotonic()
    use_threads(options.threads)
    predictor = predictor_for(options.network, choose_device(options.device), flips=options.flips)
    preprocessed = _KEPT.preprocessed(options.tomogram, predictor.info.preprocessing, report)
    x, y, width, height = _part(options, preprocessed.shape)
    # The part begins at a multiple of the stride, so that pooling meets the same pixels as in the whole slice.
    reach, stride = predictor.reach, predictor.stride
    low_y, low_x = (max(start - reach, 0) // stride * stride for start in (y, x))
    first, last = max(options.z - predictor.context // 2, 0), options.z + predictor.context // 2 + 1
    slab = preprocessed.slab(first, min(last, preprocessed.shape[0]))
    # Beyond the first and the last slice, these are repeated, as in applying.
    wanted = np.clip(np.arange(predictor.context) + options.z - predictor.context // 2 - first, 0, len(slab) - 1)
    around = slab[wanted, low_y : y + height + reach, low_x : x + width + reach]
    found = predictor.predict(around)[0, y - low_y :, x - low_x :][:height, :width]
    with replacing(options.output) as temporary, temporary.open("wb") as file:
        np.save(file, found)
    report.preview(str(options.output))
    seconds = time.monotonic() - began
    return {"preview": str(options.output), "z": options.z, "region": [x, y, width, height], "seconds": seconds}


def describe(result: dict[str, Any]) -> str:
    """Where the preview lies."""
    return f"Wrote {result['preview']} ({result['seconds']:.2f} s)"


def _part(options: Options, shape: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """(x, y, width, height) of what is looked at, cut to the slice; raises TomosegError where that is nothing."""
    slices, rows, columns = shape
    if not 0 <= options.z < slices:
        raise TomosegError(f"{options.tomogram} has slices 0 to {slices - 1}, not {options.z}: choose one of them.")
    x, y, width, height = options.region or (0, 0, columns, rows)
    left, bottom = max(x, 0), max(y, 0)
    width, height = min(x + width, columns) - left, min(y + height, rows) - bottom
    if width < 1 or height < 1:
        raise TomosegError(f"The part to look at lies outside {options.tomogram}: move the view to the tomogram.")
    return left, bottom, width, height


class KeptTomogram:
    """The last tomogram stays open and measured, so that the next slice comes at once."""

    def __init__(self) -> None:
        self._key: object = None
        self._kept: Preprocessed | None = None

    def preprocessed(self, path: Path, settings: "Preprocessing", report: Report) -> "Preprocessed":
        """The tomogram as the network sees it; opened and measured anew where the file is another now."""
        from ml.preprocess import Preprocessed
        from ml.volumes import open_any

        status = path.stat() if path.exists() else None
        key = (path, settings, status and (status.st_mtime_ns, status.st_size, status.st_ino))
        if self._kept is None or self._key != key:
            self._kept = None
            self._kept, self._key = Preprocessed(open_any(path), settings, report), key
        return self._kept


_KEPT = KeptTomogram()
