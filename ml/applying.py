"""Applying a network to one tomogram: what is checked first, and the slabs that are segmented one after the other.

Used by the step `apply`, and by the tasks of a batch, which take a range of slices each.
"""

import hashlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ml.apply_options import AUTO, FLOAT32, INT8, Applying
from ml.options import UsageError
from ml.overlap import Stopwatch, ahead
from ml.report import Report
from tomo.errors import TomosegError
from tomo.names import result_name
from tomo.preprocessing import NO_FILTER, Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.network_file import NetworkInfo
    from ml.predict import Predictor
    from ml.preprocess import Preprocessed
    from tomo.mrc import Tomogram

Some = TypeVar("Some", bound=Applying)
SAME_VOXEL_SIZE = 0.05
SHARE_FOR_SLABS = 0.4  # of the memory that the user allows
DEEPEST_SLAB = 12  # slices; what ml.preprocess filters together


@dataclass(frozen=True)
class Task:
    """One tomogram to apply the network to. factor: how many times each side is resampled first, None for not."""

    tomogram: "Tomogram"
    network: Path
    output: Path
    factor: float | None


def open_task(path: Path, network: Path, folder: Path, options: Applying, info: "NetworkInfo", report: Report) -> Task:
    """Open and check one tomogram; raises TomosegError where the network does not suit it."""
    from ml.volumes import open_any

    tomogram = open_any(path)
    if options.voxel_size is not None:
        tomogram = replace(tomogram, geometry=tomogram.geometry.with_voxel_size(options.voxel_size))
    for note in tomogram.notes:
        report.log(f"{path}: {note}")
    output = folder / f"{result_name(tomogram.name, info.feature)}.mrc"
    return Task(tomogram, network, output, _factor(tomogram, network, options, info, report))


def settled(options: Some, info: "NetworkInfo") -> Some:
    """The options with what they leave open decided: the numbers and the views that suit this network here.

    Views cost time: in float32 on a CPU too much; otherwise each network has four. EMAN2's are applied as EMAN2 does.
    """
    from ml.devices import choose_device
    from ml.eight_bits import FORMS, knows_eight_bits

    card = choose_device(options.device).type != "cpu"
    numbers, flips = options.numbers, options.flips
    if numbers == AUTO:
        numbers = INT8 if not card and knows_eight_bits(info) else FLOAT32
    if flips == 0:
        quick = info.architecture in FORMS and (card or numbers == INT8)
        flips = (8 if info.architecture == "unets" else 4) if quick else 1
    # Other machines of a cluster may have cards: all ranges of a map are made of the same numbers.
    device = "cpu" if numbers == INT8 else options.device
    return replace(options, numbers=numbers, flips=flips, device=device)


def preprocessing_for(info: "NetworkInfo", options: Applying) -> Preprocessing:
    """The preprocessing of a raw tomogram; raises UsageError where the options contradict what the network knows."""
    if not info.by_eman2:
        if options.invert or not options.filter:
            raise UsageError(
                f"--invert and --no-filter are for networks made by EMAN2: that of {info.feature} knows itself how "
                "it was trained"
            )
        return info.preprocessing
    return replace(info.preprocessing if options.filter else NO_FILTER, invert=options.invert)


def _factor(
    tomogram: "Tomogram", network: Path, options: Applying, info: "NetworkInfo", report: Report
) -> float | None:
    """None where the voxel sizes fit, or else the factor that --rescale resamples by; raises TomosegError."""
    trained, found = info.voxel_size, tomogram.geometry.voxel_size
    if not tomogram.geometry.voxel_size_known or 0.0 in trained:
        whose = "The network's" if tomogram.geometry.voxel_size_known else f"{tomogram.path}'s"
        report.log(f"{whose} voxel size is unknown, so it cannot be checked that the network suits the tomogram.")
        return None
    # A 2D network never looks along z, so serial sections of any thickness suit it.
    axes = range(3 if info.context > 1 else 2)
    if all(abs(found[axis] / trained[axis] - 1) <= SAME_VOXEL_SIZE for axis in axes):
        return None
    if options.rescale:
        return found[0] / trained[0]
    raise TomosegError(
        f"{tomogram.path} has voxels of {_sizes(found)} Å, but the network {network} was trained on "
        f"{_sizes(trained)} Å: shrink the tomogram to that, use --rescale, or train a network at its size."
    )


def _sizes(voxel_size: tuple[float, float, float]) -> str:
    if len({round(size, 4) for size in voxel_size}) == 1:
        return f"{voxel_size[0]:.4g}"
    return " × ".join(f"{size:.4g}" for size in voxel_size)


def identity_of(task: Task, options: Applying) -> dict[str, Any]:
    """What the map is made of: a run goes on with a map that an earlier one left only where all this is the same."""
    status = task.tomogram.path.stat()
    return {
        "network": hashlib.sha256(task.network.read_bytes()).hexdigest(),
        "tomogram": [str(task.tomogram.path.resolve()), status.st_size, status.st_mtime_ns],
        "voxel_size": task.tomogram.geometry.voxel_size,
        "numbers": options.numbers,
        "views": options.flips,
        "factor": task.factor,
        "eman2": [options.invert, options.filter],
    }


def labels_of(task: Task, info: "NetworkInfo") -> list[str]:
    """The map's MRC labels, which tell where it comes from."""
    return [f"Tomoseg map of {info.feature} by {task.network.name}"]


def slab_depth(shape: tuple[int, int, int], context: int, memory: float) -> int:
    """How many slices are preprocessed and segmented before they are written; at least one."""
    # Input and map of the slab, and where the network looks at neighbours those before and after it.
    copies = 2 if context == 1 else 4
    slices = memory * 1e9 * SHARE_FOR_SLABS / (copies * 4 * shape[1] * shape[2])
    return int(min(max(slices, 1), DEEPEST_SLAB))


def segmented(
    preprocessed: "Preprocessed",
    predictor: "Predictor",
    start: int,
    stop: int,
    depth: int,
    report: Report,
    watch: Stopwatch | None = None,
) -> "Generator[tuple[int, NDArray[np.float32]]]":
    """(first slice, map [z, y, x]) of slices start to stop - 1 in order, some at a time; start: a multiple of `depth`.

    `depth` slices are read and preprocessed together, while the network is at those before. Close it when it is left
    early.
    """
    from ml.neighbours import Neighbours

    watch = watch or Stopwatch()
    neighbours, reach = Neighbours(preprocessed, depth, predictor.context), predictor.context - 1

    def prepared(z: int) -> "tuple[int, list[NDArray[np.float32]]]":
        with watch.during("preprocessing"):
            return z, neighbours.slices(z, min(z + depth, stop))

    together = predictor.at_a_time(depth)
    with closing(ahead(prepared, range(start, stop, depth))) as slabs:
        try:
            for z, slices in slabs:
                for first in range(0, len(slices) - reach, together):
                    with watch.during("computing"):
                        found = predictor.predict(slices[first : first + together + reach])
                    for note in predictor.take_notes():
                        report.log(note)
                    yield z + first, found
        except BaseException:  # the caller's, too: nobody waits for the next slab any more
            preprocessed.stop()
            raise
