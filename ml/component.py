"""The component of a mask that holds one voxel: its label, its number, and its surface, alone in a file.

For a click on a slice where no surface is shown: only this component is outlined.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Part, Report
from tomo.errors import TomosegError

if TYPE_CHECKING:
    from ml.components import Components

SUMMARY = "find the component of a mask at a voxel"


@dataclass(frozen=True)
class Options:
    """What the request `component` takes."""

    mask: Path = option(help="the mask of integers", metavar="MASK")
    voxel: tuple[int, int, int] = option(help="x, y, z, from 0", metavar=("X", "Y", "Z"))
    output: Path = option(help="folder for the surface", metavar="DIR")
    smoothing: int = option(10, help="Taubin iterations", metavar="N")
    voxel_size: float | None = option(None, help="voxel size in Å, in place of the file's", metavar="Å")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the surface; returns one entry like those of `surface`, with `slices`, the first and the last z.

    Raises TomosegError where the voxel lies outside the mask or holds no label.
    """
    from ml.components import find_components
    from ml.masks import open_mask
    from ml.surface import Options as SurfaceOptions
    from ml.surface import outline_alone

    mask = open_mask(options.mask, Part(report, 0, 0.2), voxel_size=options.voxel_size)
    components = find_components(mask, Part(report, 0.2, 0.7))
    row = _row_at(components, options.voxel)
    wanted = SurfaceOptions(options.mask, options.output, smoothing=options.smoothing, number=True)
    made = outline_alone(wanted, components.only(row), Part(report, 0.7, 1.0))
    low, high = components.table.low[row, 0], components.table.high[row, 0]
    return {**made, "voxels": int(components.table.voxels[row]), "slices": [int(low), int(high) - 1]}


def describe(result: dict[str, Any]) -> str:
    """What was found."""
    return f"{result['feature']}, component {result['component']}: {result['path']}"


def _row_at(components: "Components", voxel: tuple[int, int, int]) -> int:
    """The row of the component that holds the voxel (x, y, z)."""
    x, y, z = voxel
    depth, height, width = components.mask.shape
    if not (0 <= x < width and 0 <= y < height and 0 <= z < depth):
        raise TomosegError(
            f"{components.mask.path} has no voxel ({x}, {y}, {z}): it has {width}×{height}×{depth} of them."
        )
    for z0, ids in components.slabs():
        if z0 <= z < z0 + len(ids):
            if found := int(ids[z - z0, y, x]):
                return found - 1
            break
    raise TomosegError(f"{components.mask.path.name} has no label at ({x}, {y}, {z}): click on a part of a label.")
