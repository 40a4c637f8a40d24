"""How far each component is from another label."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ml.components import Components
from ml.masks import Region
from ml.measurements import outermost
from ml.report import Report

MOST_POINTS = 4_000_000


def distances_to(
    components: Components, targets: list[int], size: tuple[float, float, float], report: Report
) -> dict[int, NDArray[np.float64]]:
    """For each target label: float64 (n,), the gap between each component's surface and the label's, never below 0.

    NaN for the label's own components and where the label has none. size: the voxel's sides, x, y, z, in any unit.
    Exact to about half a voxel; where a label has a surface of millions of voxels, every 2nd, 3rd … cell stands for
    its neighbours. Memory: the surfaces' points, at most some 100 MB for each label.
    """
    sides = np.array(size[::-1])
    points = _surface_points(components, sides, report)
    result = {}
    for target in targets:
        gaps = np.full(len(components), np.nan)
        if target in points:
            tree = KDTree(points[target][1])
            for value, (rows, places) in points.items():
                if value != target:
                    nearest = np.full(len(components), np.inf)
                    np.minimum.at(nearest, rows, tree.query(places)[0])
                    found = np.isfinite(nearest)
                    # Between centres of outermost voxels; surfaces are half a voxel nearer on either side.
                    gaps[found] = np.maximum(nearest[found] - sides.mean(), 0)
        result[target] = gaps
    return result


def _surface_points(
    components: Components, sides: NDArray[np.float64], report: Report
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """For each label: the component rows and places (n, 3), z, y, x in space, of its outermost voxels."""
    mask, table = components.mask, components.table
    voxels = {int(value): int(table.voxels[table.value == value].sum()) for value in np.unique(table.value)}
    cell = {value: int(np.ceil(np.sqrt(count / MOST_POINTS))) for value, count in voxels.items()}
    found: dict[int, list[NDArray[np.int64]]] = {value: [] for value in voxels}
    for z0, ids in components.slabs():
        report.progress(z0 / mask.shape[0], "Finding neighbours")
        low, high = max(0, z0 - 1), min(mask.shape[0], z0 + len(ids) + 1)
        region: Region = (slice(low, high), slice(None), slice(None))
        values = mask.read(region)
        core = slice(z0 - low, z0 - low + len(ids))
        for value in voxels:
            place = np.argwhere(outermost(values == value)[core] & (ids > 0))
            rows = ids[tuple(place.T)] - 1
            cells = (place + np.array([z0, 0, 0])) // cell[value]
            found[value].append(np.unique(np.column_stack([rows, cells]), axis=0))
    result = {}
    for value, parts in found.items():
        every = np.unique(np.concatenate(parts), axis=0)
        result[value] = every[:, 0], ((every[:, 1:] + 0.5) * cell[value]) * sides
    return result
