"""Coordinates of components as RELION STAR files.

RELION 4 counts voxels from the corner, the centre of the first being 0 (rlnCoordinateX/Y/Z). RELION 5 takes Å from
the middle of the tomogram, which is half its size in voxels from the centre of the first (rlnCenteredCoordinate
X/Y/ZAngst). Both want voxels of the unbinned tomogram, where it was shrunk for segmenting.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import starfile
from numpy.typing import NDArray

from tomo.files import replacing
from tomo.geometry import Triple

RELION_4, RELION_5, BOTH = "4", "5", "both"


def star_table(
    centroids: NDArray[np.float64],
    shape: tuple[int, int, int],
    voxel_size: Triple | None,
    *,
    tomogram: str,
    flavour: str = BOTH,
    unbinned: float | None = None,
) -> pd.DataFrame:
    """One row per component, in the order given.

    centroids: (n, 3), x, y, z, in voxels of the mask, the centre of the first voxel being 0. shape: [z, y, x] of the
    mask. voxel_size: Å, or None where unknown: then there is nothing in Å. unbinned: Å per voxel of the tomogram that
    RELION knows, where that is not the mask's.
    """
    columns: dict[str, Any] = {"rlnTomoName": [tomogram] * len(centroids)}
    size = np.array(voxel_size if voxel_size is not None else (1.0, 1.0, 1.0))
    relion = np.array([unbinned] * 3) if unbinned is not None else size
    # Edges of the volume stay where they are, whatever the bin: centres are half a voxel inside.
    coordinates = (centroids + 0.5) * size / relion - 0.5
    middle = np.array(shape[::-1]) * size / relion / 2
    if flavour in (RELION_4, BOTH):
        columns |= {f"rlnCoordinate{axis}": coordinates[:, i] for i, axis in enumerate("XYZ")}
    if flavour in (RELION_5, BOTH) and voxel_size is not None:
        centred = (coordinates - middle) * relion
        columns |= {f"rlnCenteredCoordinate{axis}Angst": centred[:, i] for i, axis in enumerate("XYZ")}
    return pd.DataFrame(columns)


def write_star(path: Path, particles: pd.DataFrame, settings: dict[str, Any]) -> None:
    """Write the particles and, as a comment above them, the settings that chose them; all or nothing."""
    with replacing(path) as temporary:
        starfile.write({"particles": particles}, temporary)
        body = temporary.read_text(encoding="utf-8")
        lines = [f"# {name}: {' '.join(str(value).split())}" for name, value in settings.items()]
        temporary.write_text("\n".join([*lines, body]), encoding="utf-8")
