"""Apply a trained network to tomograms: one map per tomogram, slice by slice.

Each map is divided by the network's amplitude (1 is as strong as on the training labels), negatives are 0. The
preprocessing is stored in the network and done here, unless the tomogram's MRC label says that it was done at import.
Networks that EMAN2 wrote (.hdf) are applied with EMAN2's own preprocessing; --invert and --no-filter tell what their
files do not. Memory is bounded by --memory, not by the tomogram. A run that was cancelled or killed goes on where it
stopped when the same command is given again.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.apply_options import INT8, Applying
from ml.applying import Task, identity_of, labels_of, open_task, preprocessing_for, segmented, settled, slab_depth
from ml.options import option
from ml.overlap import Behind, Stopwatch, in_words
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.predict import Predictor
    from tomo.mrc import Tomogram

SUMMARY = "apply a network to tomograms; write one map per tomogram"


@dataclass(frozen=True)
class Options(Applying):
    """What `tomoseg apply` takes."""

    network: Path = option(
        help="network that `tomoseg train` wrote (.safetensors), or EMAN2 (.hdf)", positional=True, metavar="NETWORK"
    )
    tomograms: tuple[Path, ...] = option(help="tomograms to apply it to", positional=True, metavar="TOMOGRAM")
    output: Path = option(help="folder for the maps, <tomogram>__<feature>.mrc", metavar="DIR")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Apply the network to all tomograms; they are all checked before the first is begun.

    Time grows with the tomograms, memory does not. Raises UsageError, TomosegError or Cancelled.
    """
    options.check()
    from ml.devices import choose_device, describe_device, use_threads
    from ml.network_file import load_info
    from ml.predict import predictor_for

    use_threads(options.threads)
    options = settled(options, load_info(options.network))
    device = choose_device(options.device)
    predictor = predictor_for(
        options.network, device, flips=options.flips, memory=options.memory, numbers=options.numbers
    )
    preprocessing_for(predictor.info, options)
    tasks = [
        open_task(path, options.network, options.output, options, predictor.info, report) for path in options.tomograms
    ]
    _check_outputs(tasks)
    report.log(
        f"Applying {options.network.name} ({predictor.info.feature}) on the {describe_device(device)}, "
        f"{'in 8-bit numbers, ' if options.numbers == INT8 else ''}{counted(options.flips, 'view')} of each slice."
    )
    maps = []
    for number, task in enumerate(tasks):
        part = Part(report, number / len(tasks), (number + 1) / len(tasks))
        maps.append(_apply(task, predictor, options, part))
    report.progress(1.0, "Applied")
    return {
        "network": str(options.network),
        "feature": predictor.info.feature,
        "device": device.type,
        "numbers": options.numbers,
        "flips": options.flips,
        "maps": maps,
    }


def describe(result: dict[str, Any]) -> str:
    """One line per map, with each part's share of the time; parts overlap, so that they may sum up to more."""
    return "\n".join(
        f"Wrote {single['map']} ({single['seconds']:.1f} s: {in_words(single['shares'])})" for single in result["maps"]
    )


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
    watch, cpu = Stopwatch(), time.process_time()
    if task.factor is None:
        resumed = _stream(task, task.tomogram, task.output, predictor, options, report, watch)
    else:
        resumed = _rescaled(task, predictor, options, report, watch)
    return {
        "tomogram": str(task.tomogram.path),
        "map": str(task.output),
        "shape": list(task.tomogram.shape),
        "resumed_at_slice": resumed,
        "seconds": time.perf_counter() - watch.began,
        "cpu_seconds": time.process_time() - cpu,
        "shares": watch.shares(),
    }


def _stream(
    task: Task,
    tomogram: "Tomogram",
    output: Path,
    predictor: "Predictor",
    options: Options,
    report: Report,
    watch: Stopwatch,
) -> int:
    """Preprocess, segment and write slab by slab; returns the slice at which an earlier run was continued."""
    from ml.preprocess import Preprocessed
    from ml.resumable import ResumableWriter

    with watch.during("preprocessing"):
        preprocessed = Preprocessed(tomogram, preprocessing_for(predictor.info, options), Part(report, 0.0, 0.05))
    depth, slices = slab_depth(tomogram.shape, predictor.context, options.memory), tomogram.shape[0]
    dtype, labels = "float16" if options.half else "float32", labels_of(task, predictor.info)
    identity = identity_of(task, options)
    with ResumableWriter(output, tomogram.shape, dtype, tomogram.geometry, labels, identity) as writer:
        first = writer.done // depth * depth  # always the same slabs: so the same bits
        writer.done = first
        if first:
            report.log(f"Going on with {output} at slice {first} of {slices}.")
        report.progress(0.05 + 0.95 * first / slices, f"Applying to {tomogram.name}")

        def write(z: int, found: "NDArray[np.float32]") -> None:
            with watch.during("writing"):
                writer.write(z, found)

        found = segmented(preprocessed, predictor, first, slices, depth, report, watch)
        with Behind() as behind, closing(found):
            for z, part in found:
                behind.put(write, z, part)
                report.progress(0.05 + 0.95 * (z + len(part)) / slices, f"Applying to {tomogram.name}")
    watch.seconds["reading"] += preprocessed.reading_seconds
    watch.seconds["preprocessing"] -= preprocessed.reading_seconds
    return first


def _rescaled(task: Task, predictor: "Predictor", options: Options, report: Report, watch: Stopwatch) -> int:
    """Apply at the network's voxel size, then bring the map back to the tomogram's size."""
    from ml.resample import enlarged, resampled_beside
    from ml.volumes import open_any
    from tomo.mrc import MrcWriter

    tomogram, factor = task.tomogram, task.factor or 1.0
    report.log(f"{tomogram.path} is resampled {factor:.3g} times, to the network's voxel size.")
    with _hidden_beside(task.output) as between:
        with resampled_beside(task.output, [tomogram], enlarged(tomogram, factor), Part(report, 0.0, 0.2)) as fitted:
            resumed = _stream(task, fitted[0], between, predictor, options, Part(report, 0.2, 0.8), watch)
        with resampled_beside(task.output, [open_any(between)], tomogram, Part(report, 0.8, 0.95)) as back:
            dtype, labels = "float16" if options.half else "float32", labels_of(task, predictor.info)
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
