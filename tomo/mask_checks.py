"""What every reader of a mask asks of it: the tomogram's size, and values that can be labels. One sentence each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import TomosegError


def size_words(shape: Sequence[int]) -> str:
    """A shape [z, y, x] as people write it: "56 × 40 × 9", x first."""
    return " × ".join(str(length) for length in reversed(shape))


def check_same_size(mask: Path, shape: Sequence[int], tomogram: str, wanted: Sequence[int], cure: str) -> None:
    """Raise TomosegError if a mask has another size [z, y, x] than its tomogram. cure: what to do, without a stop."""
    if tuple(shape) != tuple(wanted):
        raise TomosegError(f"{mask} has {size_words(shape)} voxels and {tomogram} has {size_words(wanted)}: {cure}.")


def check_numbers(mask: Path, values: NDArray[Any]) -> None:
    """Raise TomosegError for values (any shape) that are no numbers: NaN, or infinite."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise TomosegError(f"{mask} holds voxels that are no numbers (NaN or infinite): export it again.")


def check_label_values(mask: Path, values: NDArray[Any], or_else: str = "") -> None:
    """Raise TomosegError for values (any shape) that cannot be labels: no numbers, fractions, or below 0.

    or_else: what else can be done where they are fractions. Whole numbers that are stored as floats are labels.
    """
    if not values.size:
        return
    check_numbers(mask, values)
    if values.dtype.kind == "f" and (values != np.rint(values)).any():
        raise TomosegError(f"{mask} holds fractions, so it is a map and no mask: merge it into a mask first{or_else}.")
    if (low := values.min()) < 0:
        raise TomosegError(f"{mask} holds negative values ({low:g}), which cannot be labels: export it again.")
