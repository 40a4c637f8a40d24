"""Apply a trained network to tomograms: one map per tomogram, slice by slice.

Each map is divided by the network's amplitude (1 is as strong as on the training labels), negatives are 0. The
preprocessing is stored in the network and done here, unless the tomogram's MRC label says that it was done at import.
Memory is bounded by --memory, not by the tomogram. A run that was cancelled or killed goes on where it stopped when
the same command is given again.
"""

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import UsageError, option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.names import result_name

if TYPE_CHECKING:
    from ml.network_file import NetworkInfo
    from ml.predict import Predictor
    from tomo.mrc import Tomogram

SUMMARY = "apply a network to tomograms; write one map per tomogram"
SAME_VOXEL_SIZE = 0.05
SHARE_FOR_SLABS = 0.4  # of the memory that the user allows
DEEPEST_SLAB = 12  # slices; what ml.preprocess filters together


@dataclass(frozen=True)
class Options:
    """What `tomoseg apply` takes."""

    network: Path = option(help="network that `tomoseg train` wrote (.safetensors)", positional=True, metavar="NETWORK")
    tomograms: tuple[Path, ...] = option(help="tomograms to apply it to", positional=True, metavar="TOMOGRAM")
    output: Path = option(help="folder for the maps, <tomogram>__<feature>.mrc", metavar="DIR")
    threads: int = option(0, help="CPU cores to use, 0 for all", metavar="N")
    memory: float = option(2.0, help="memory to use at most, in GB", metavar="GB")
    device: str = option("auto", help="where to compute", choices=("auto", "cuda", "mps", "cpu"))
    flips: int = option(1, help="8: the mean over all flips and quarter turns, eight times as slow", metavar="1|8")
    voxel_size: float | None = option(None, help="the tomograms' voxel size, where the file is wrong", metavar="Å")
    rescale: bool = option(False, help="resample tomograms to the network's voxel size, and their maps back")
    half: bool = option(False, help="write maps as float16, half as large")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Apply the network to all tomograms; they are all checked before the first is begun.

    Time grows with the tomograms, memory does not. Raises UsageError, TomosegError or Cancelled.
    """
    check_options(options)
    from ml.devices import choose_device, describe_device, use_threads
    from ml.predict import predictor_for

    use_threads(options.threads)
    device = choose_device(options.device)
    predictor = predictor_for(options.network, device, flips=options.flips, memory=options.memory)
    tasks = [_task(path, options, predictor.info, report) for path in options.tomograms]
    _check_outputs(tasks)
    report.log(f"Applying {options.network.name} ({predictor.info.feature}) on the {describe_device(device)}.")
    maps = []
    for number, task in enumerate(tasks):
        part = Part(report, number / len(tasks), (number + 1) / len(tasks))
        maps.append(_apply(task, predictor, options, part))
    report.progress(1.0, "Applied")
    return {"network": str(options.network), "feature": predictor.info.feature, "device": device.type, "maps": maps}


def describe(result: dict[str, Any]) -> str:
    """One line per map."""
    return "\n".join(f"Wrote {single['map']} ({single['seconds']:.1f} s)" for single in result["maps"])


def check_options(options: Options) -> None:
    """Raises UsageError for values that no run could use."""
    if options.flips not in (1, 8):
        raise UsageError(f"--flips is 1 or 8, not {options.flips}")
    if not 0 < options.memory < math.inf:
        raise UsageError(f"--memory is a number of GB above 0, not {options.memory:g}")
    if options.threads < 0:
        raise UsageError(f"--threads is 1 or more, or 0 for all cores, not {options.threads}")
    if options.voxel_size is not None and not 0 < options.voxel_size < math.inf:
        raise UsageError(f"--voxel-size is a number of Å above 0, not {options.voxel_size:g}")


@dataclass(frozen=True)
class Task:
    """One tomogram to apply the network to. factor: how many times each side is resampled first, None for not."""

    tomogram: "Tomogram"
    output: Path
    factor: float | None


def _task(path: Path, options: Options, info: "NetworkInfo", report: Report) -> Task:
    """Open and check one tomogram; raises TomosegError where the network does not suit it."""
    from ml.volumes import open_any

    tomogram = open_any(path)
    if options.voxel_size is not None:
        tomogram = replace(tomogram, geometry=tomogram.geometry.with_voxel_size(options.voxel_size))
    for note in tomogram.notes:
        report.log(f"{path}: {note}")
    output = options.output / f"{result_name(tomogram.name, info.feature)}.mrc"
    return Task(tomogram, output, _factor(tomogram, options, info, report))


def _factor(tomogram: "Tomogram", options: Options, info: "NetworkInfo", report: Report) -> float | None:
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
        f"{tomogram.path} has voxels of {_sizes(found)} Å, but the network {options.network} was trained on "
        f"{_sizes(trained)} Å: shrink the tomogram to that, use --rescale, or train a network at its size."
    )


def _sizes(voxel_size: tuple[float, float, float]) -> str:
    if len({round(size, 4) for size in voxel_size}) == 1:
        return f"{voxel_size[0]:.4g}"
    return " × ".join(f"{size:.4g}" for size in voxel_size)


def _check_outputs(tasks: list[Task]) -> None:
    """Raise TomosegError where a map would overwrite a tomogram or another map."""
    sources = {task.tomogram.path.resolve() for task in tasks}
    seen: dict[Path, Path] = {}
    for task in tasks:
        place = task.output.resolve()
        if place in sources:
            raise TomosegError(f"{task.output} is one of the tomograms: choose another output folder.")
        if place in seen:
            raise TomosegError(
                f"{seen[place]} and {task.tomogram.path} would both be written to {task.output}: apply them one by "
                "one to different folders."
            )
        seen[place] = task.tomogram.path


def _apply(task: Task, predictor: "Predictor", options: Options, report: Report) -> dict[str, Any]:
    """Write one map; returns its line of the result."""
    began, cpu = time.monotonic(), time.process_time()
    labels = [f"Tomoseg map of {predictor.info.feature} by {options.network.name}"]
    identity = _identity(task, options)
    if task.factor is None:
        resumed = _stream(task.tomogram, task.output, predictor, options, labels, identity, report)
    else:
        resumed = _rescaled(task, predictor, options, labels, identity, report)
    return {
        "tomogram": str(task.tomogram.path),
        "map": str(task.output),
        "shape": list(task.tomogram.shape),
        "resumed_at_slice": resumed,
        "seconds": time.monotonic() - began,
        "cpu_seconds": time.process_time() - cpu,
    }


def _identity(task: Task, options: Options) -> dict[str, Any]:
    """What the map is made of: a run goes on with a map that an earlier one left only where all this is the same."""
    status = task.tomogram.path.stat()
    return {
        "network": hashlib.sha256(options.network.read_bytes()).hexdigest(),
        "tomogram": [str(task.tomogram.path.resolve()), status.st_size, status.st_mtime_ns],
        "voxel_size": task.tomogram.geometry.voxel_size,
        "flips": options.flips,
        "factor": task.factor,
    }


def _stream(
    tomogram: "Tomogram",
    output: Path,
    predictor: "Predictor",
    options: Options,
    labels: list[str],
    identity: dict[str, Any],
    report: Report,
) -> int:
    """Preprocess, segment and write slab by slab; returns the slice at which an earlier run was continued."""
    from ml.neighbours import Neighbours
    from ml.preprocess import Preprocessed
    from ml.resumable import ResumableWriter

    preprocessed = Preprocessed(tomogram, predictor.info.preprocessing, Part(report, 0.0, 0.05))
    depth = slab_depth(tomogram.shape, predictor.context, options.memory)
    neighbours = Neighbours(preprocessed, depth, predictor.context)
    dtype = "float16" if options.half else "float32"
    with ResumableWriter(output, tomogram.shape, dtype, tomogram.geometry, labels, identity) as writer:
        first = writer.done
        if first:
            report.log(f"Going on with {output} at slice {first} of {tomogram.shape[0]}.")
        for z in range(first, tomogram.shape[0], depth):
            report.progress(0.05 + 0.95 * z / tomogram.shape[0], f"Applying to {tomogram.name}")
            stop = min(z + depth, tomogram.shape[0])
            writer.write(z, predictor.predict(neighbours.slices(z, stop)))
            for note in predictor.take_notes():
                report.log(note)
    return first


def slab_depth(shape: tuple[int, int, int], context: int, memory: float) -> int:
    """How many slices are preprocessed and segmented before they are written; at least one."""
    # Input and map of the slab, and where the network looks at neighbours those before and after it.
    copies = 2 if context == 1 else 4
    slices = memory * 1e9 * SHARE_FOR_SLABS / (copies * 4 * shape[1] * shape[2])
    return int(min(max(slices, 1), DEEPEST_SLAB))


def _rescaled(
    task: Task,
    predictor: "Predictor",
    options: Options,
    labels: list[str],
    identity: dict[str, Any],
    report: Report,
) -> int:
    """Apply at the network's voxel size, then bring the map back to the tomogram's size."""
    from ml.resample import enlarged, resampled_beside
    from ml.volumes import open_any
    from tomo.mrc import MrcWriter

    tomogram, factor = task.tomogram, task.factor or 1.0
    report.log(f"{tomogram.path} is resampled {factor:.3g} times, to the network's voxel size.")
    with _hidden_beside(task.output) as between:
        with resampled_beside(task.output, [tomogram], enlarged(tomogram, factor), Part(report, 0.0, 0.2)) as fitted:
            resumed = _stream(fitted[0], between, predictor, options, labels, identity, Part(report, 0.2, 0.8))
        with resampled_beside(task.output, [open_any(between)], tomogram, Part(report, 0.8, 0.95)) as back:
            dtype = "float16" if options.half else "float32"
            with MrcWriter(task.output, tomogram.shape, dtype, tomogram.geometry, labels) as writer:
                for z in range(tomogram.shape[0]):
                    writer.write(z, back[0].data[z : z + 1])
    return resumed


@contextmanager
def _hidden_beside(output: Path) -> Iterator[Path]:
    """A hidden name for the map at the network's size; it goes when the block ends."""
    place = output.with_name(f".{output.stem[:60]}.rescaled.mrc")
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)
