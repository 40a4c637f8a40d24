"""What the network sees in one slice of a tomogram: at once where network and tomogram were used before."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Report
from tomo.errors import TomosegError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.predict import Predictor
    from ml.preprocess import Preprocessed
    from tomo.preprocessing import Preprocessing

SUMMARY = "apply a network to one slice"
Part = tuple[int, int, int, int]


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
    from ml.trainset import neighbours
    from tomo.files import replacing

    began = time.monotonic()
    use_threads(options.threads)
    predictor = predictor_for(options.network, choose_device(options.device), flips=options.flips)
    preprocessed = _KEPT.preprocessed(options.tomogram, predictor.info.preprocessing, report)
    part = part_of(options.region, options.z, preprocessed.shape, str(options.tomogram))
    around = neighbours(preprocessed.slab, options.z, preprocessed.shape[0], predictor.context)
    found = predict_part(predictor, around, part)
    with replacing(options.output) as temporary, temporary.open("wb") as file:
        np.save(file, found)
    report.preview(str(options.output))
    seconds = time.monotonic() - began
    return {"preview": str(options.output), "z": options.z, "region": list(part), "seconds": seconds}


def describe(result: dict[str, Any]) -> str:
    """Where the preview lies."""
    return f"Wrote {result['preview']} ({result['seconds']:.2f} s)"


def part_of(region: Part | None, z: int, shape: tuple[int, int, int], name: str) -> Part:
    """(x, y, width, height) of what is looked at, cut to the slice; raises TomosegError where that is nothing.

    shape: [z, y, x] of the tomogram called `name`. region: None is the whole slice.
    """
    slices, rows, columns = shape
    if not 0 <= z < slices:
        raise TomosegError(f"{name} has slices 0 to {slices - 1}, not {z}: choose one of them.")
    x, y, width, height = region or (0, 0, columns, rows)
    left, bottom = max(x, 0), max(y, 0)
    width, height = min(x + width, columns) - left, min(y + height, rows) - bottom
    if width < 1 or height < 1:
        raise TomosegError(f"The part to look at lies outside {name}: move the view to the tomogram.")
    return left, bottom, width, height


def predict_part(predictor: "Predictor", around: "NDArray[np.float32]", part: Part) -> "NDArray[np.float32]":
    """The map of a part of a slice, [y, x] in amplitude units. around: [context, y, x], the whole slices."""
    x, y, width, height = part
    # The part begins at a multiple of the stride, so that pooling meets the same pixels as in the whole slice.
    reach, stride = predictor.reach, predictor.stride
    low_y, low_x = (max(start - reach, 0) // stride * stride for start in (y, x))
    seen = around[:, low_y : y + height + reach, low_x : x + width + reach]
    return predictor.predict(seen)[0, y - low_y :, x - low_x :][:height, :width]


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
