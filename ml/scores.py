"""How good a segmentation is: Dice, precision, recall, and surface Dice at a tolerance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
THRESHOLDS = 200


def dice(found: Mask, truth: Mask) -> float:
    """2 × overlap / sum of both, 0 to 1; 1 where both are empty. Any shape."""
    together = int(found.sum()) + int(truth.sum())
    return 1.0 if together == 0 else 2.0 * int((found & truth).sum()) / together


def precision_and_recall(found: Mask, truth: Mask) -> tuple[float, float]:
    """Share of what was found that is right, and share of the truth that was found; 0 where there is nothing."""
    right = int((found & truth).sum())
    return right / max(1, int(found.sum())), right / max(1, int(truth.sum()))


def best_dice(
    values: NDArray[Any], truth: Mask, known: Mask, tolerance: float = 0.0, least: float = -np.inf
) -> tuple[float, float]:
    """(Dice, threshold) of the best of 200 thresholds for `values > threshold`, over the known pixels. Any shape.

    Among thresholds whose Dice is equal the middle one is taken; with a tolerance, the lowest one whose Dice is at
    most that much below the best; among these not below `least`, if there are others.
    """
    seen, right = values[known].astype(np.float64), truth[known]
    edges = np.linspace(min(0.0, float(seen.min(initial=0.0))), max(float(seen.max(initial=0.0)), 1e-6), THRESHOLDS + 1)
    curve = dice_curve(seen, right, edges[:-1])
    best = int(np.argmax(curve))
    plateau = np.flatnonzero(curve >= curve[best] - max(tolerance, 1e-9))
    high_enough = plateau[edges[plateau] >= least]
    lowest = high_enough[0] if len(high_enough) else plateau[-1]
    chosen = int(lowest) if tolerance else int(plateau[len(plateau) // 2])
    return float(curve[chosen]), float(edges[chosen])


def dice_curve(values: NDArray[np.float64], truth: Mask, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dice of `values > threshold` for each threshold (ascending). values, truth: (n,)."""
    inside = np.sort(values[truth])
    everywhere = np.sort(values)
    right = len(inside) - np.searchsorted(inside, thresholds, side="right")
    found = len(everywhere) - np.searchsorted(everywhere, thresholds, side="right")
    result: NDArray[np.float64] = 2.0 * right / np.maximum(1, found + len(inside))
    return result


def surface_dice(found: Mask, truth: Mask, tolerance: float) -> float:
    """Share of both surfaces that lies within `tolerance` voxels of the other one; [z, y, x], slice by slice.

    The surface of a slice are the feature's pixels with a neighbour (of 4) that is none; distances are within the
    slice, since slices may be far apart. 1 where both are empty. Source: Nikolov et al., arXiv 1809.04430.
    """
    from scipy.ndimage import distance_transform_edt

    near = total = 0
    for one, other in zip(found, truth, strict=True):
        edges = _edge(one), _edge(other)
        total += int(edges[0].sum()) + int(edges[1].sum())
        for mine, yours in (edges, edges[::-1]):
            if mine.any() and yours.any():
                near += int((distance_transform_edt(~yours)[mine] <= tolerance).sum())
    return 1.0 if total == 0 else near / total


def _edge(mask: Mask) -> Mask:
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    result: Mask = mask & ~inner
    return result
