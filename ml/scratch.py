"""Big arrays that live on disk while a step runs and vanish with it."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomo.files import explain_write_error, require_space
from tomo.standing import make_folder

IN_MEMORY_BYTES = 64 * 2**20


def scratch_array(shape: tuple[int, ...], dtype: DTypeLike, folder: Path | None = None) -> NDArray[Any]:
    """A writable array of `shape`: in memory up to 64 MB, else mapped from a nameless file in `folder`.

    folder: by default the system's place for temporary files. The file goes when the array goes,
    and also when the process is killed. Raises TomosegError where the disk lacks the space.
    """
    kind = np.dtype(dtype)
    needed = math.prod(shape) * kind.itemsize
    if needed <= IN_MEMORY_BYTES:
        return np.zeros(shape, kind)
    place = folder or Path(tempfile.gettempdir())
    require_space(place, needed)
    try:
        make_folder(place)
        with tempfile.TemporaryFile(dir=place) as file:
            return np.memmap(file, kind, "w+", shape=shape)
    except OSError as error:
        raise explain_write_error(place, error) from error
