"""Make a tomogram of a simulated cell, and the labels that a patient annotator would paint on it.

The cell has a membrane of its own and vesicles, microtubules, ribosomes, filaments and a crowd of small proteins;
beyond its edge lie a carbon film and gold beads. It is photographed as a tilt series from -60° to 60° through the
microscope's contrast transfer function, with counted electrons, and reconstructed by weighted back-projection:
missing wedge, fringes and noise are real. Features are dark: import it with --invert. One seed gives one cell.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import check_seed, option
from ml.report import Part, Report
from tomo.errors import TomosegError
from tomo.files import require_space, write_json
from tomo.geometry import Geometry
from tomo.names import result_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ml.simulate_phantom import Cell
    from ml.simulate_tilts import Imaging

SUMMARY = "make a tomogram of a simulated cell and its labels"
NAME = "cell"
USUAL_SIZE = (48, 256, 256)
SMALLEST, LARGEST = (16, 64, 64), (512, 2048, 2048)
MOST_VOXELS = 2**29
SLAB_VOXELS = 2**22


@dataclass(frozen=True)
class Options:
    """What `tomoseg simulate` takes."""

    output: Path = option(help="folder for the tomogram and its label volumes", metavar="DIR")
    seed: int = option(0, help="number from which everything random is drawn: the same gives the same files")
    size: tuple[int, int, int] = option(USUAL_SIZE, help="voxels of 10 Å along each axis", metavar=("Z", "Y", "X"))


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the tomogram, one int8 label volume per feature, and a JSON file that tells what was made.

    Memory grows with the tilt series (41 · y · x), not with the thickness; all files appear together or none.
    Raises TomosegError for a size or seed that cannot be simulated, and for what the disk refuses.
    """
    _check(options)
    from ml.simulate_layout import build_cell
    from ml.simulate_shapes import FEATURES
    from ml.simulate_tilts import Imaging

    report.progress(0.0, "Growing the cell")
    cell, imaging = build_cell(options.size, options.seed), Imaging()
    if absent := [feature for feature, number in cell.count().items() if not number]:
        report.log(f"The field is too small for {', '.join(absent)}: the label volume stays empty")
    tomogram = options.output / f"{NAME}_tomogram.mrc"
    labels = {feature: options.output / f"{result_name(NAME, feature)}.mrc" for feature in FEATURES}
    _write(cell, imaging, options.seed, tomogram, labels, report)
    result = {
        "tomogram": str(tomogram),
        "labels": {feature: str(path) for feature, path in labels.items()},
        "seed": options.seed,
        "size": list(options.size),
        "objects": cell.count(),
        "imaging": asdict(imaging),
    }
    write_json(options.output / f"{NAME}.json", result)
    return result


def describe(result: dict[str, Any]) -> str:
    """The files, and how to go on."""
    size = " × ".join(str(side) for side in result["size"])
    lines = [f"Wrote {result['tomogram']}: {size} voxels (z × y × x) of 10 Å; features are dark, so use --invert"]
    lines += [f"Wrote {path}: {result['objects'][feature]} × {feature}" for feature, path in result["labels"].items()]
    return "\n".join(lines)


def simulate(
    cell: "Cell", imaging: "Imaging", seed: int, report: Report, labelled: "dict[str, Any] | None" = None
) -> "Iterator[tuple[int, NDArray[np.float32]]]":
    """The tomogram of a cell: pairs of a first slice and a slab [z, y, x], features dark.

    labelled: for each feature an object whose `write(first, slab)` takes the labels, slab by slab.
    """
    import numpy as np

    from ml.simulate_phantom import paint
    from ml.simulate_tilts import Projector, reconstruct, record, weight

    depth, height, width = cell.shape
    thick = max(1, SLAB_VOXELS // (height * width))
    projector = Projector(cell.shape)
    images = np.zeros((imaging.tilts.size, width, height), np.float32)
    for first in range(0, depth, thick):
        report.progress(0.1 + 0.6 * first / depth, "Taking the tilt series")
        density, labels = paint(cell, first, min(first + thick, depth))
        for index, angle in enumerate(imaging.tilts):
            images[index] += projector.project(density, first, float(angle))
        for feature, target in (labelled or {}).items():
            target.write(first, labels[feature])
    record(images, imaging, seed)
    weight(images, imaging)
    for first, slab in reconstruct(images, imaging, cell.shape, thick):
        report.progress(0.75 + 0.25 * first / depth, "Reconstructing the tomogram")
        yield first, slab


def _write(
    cell: "Cell", imaging: "Imaging", seed: int, tomogram: Path, labels: dict[str, Path], report: Report
) -> None:
    from tomo.mrc_writer import MrcWriter

    size = imaging.voxel_size
    geometry = Geometry((size, size, size))
    voxels = cell.shape[0] * cell.shape[1] * cell.shape[2]
    require_space(tomogram.parent, voxels * (4 + len(labels)))
    words = [f"Tomoseg simulated cell, seed {seed}, features dark"]
    with ExitStack() as stack:
        writers = {
            feature: stack.enter_context(MrcWriter(path, cell.shape, "int8", geometry, [f"{words[0]}: {feature}"]))
            for feature, path in labels.items()
        }
        raw = stack.enter_context(MrcWriter(tomogram, cell.shape, "float32", geometry, words))
        for first, slab in simulate(cell, imaging, seed, Part(report, 0.0, 1.0), writers):
            raw.write(first, slab)


def _check(options: Options) -> None:
    size = " × ".join(str(side) for side in options.size)
    fits = all(low <= side <= high for low, side, high in zip(SMALLEST, options.size, LARGEST, strict=True))
    if not fits or options.size[0] * options.size[1] * options.size[2] > MOST_VOXELS:
        raise TomosegError(
            f"A cell of {size} voxels (z × y × x) cannot be simulated: choose a size from 16 × 64 × 64 to "
            "512 × 2048 × 2048, of at most 512 × 1024 × 1024 voxels together."
        )
    check_seed(options.seed)
