"""Painted labels: one small file per feature and annotated slice, and cutting boxes out of them."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import TomosegError
from .geometry import Geometry
from .mrc import open_tomogram, write_mrc

if TYPE_CHECKING:
    from .boxes import Box
    from .project import Project

BACKGROUND, FEATURE, IGNORE = 0, 1, 2
_SLICE_FILE = re.compile(r"z(\d{5,})\.mrc")


def slice_file_name(z: int) -> str:
    """`z00012.mrc` for slice 12."""
    if z < 0:
        raise ValueError(f"Slices count from 0, {z} is none.")
    return f"z{z:05d}.mrc"


def load_label(path: Path, shape_yx: tuple[int, int]) -> NDArray[np.int8]:
    """A painted slice, int8 [y, x]: 0, 1 = feature, 2 = ignore; all 0 where nothing was painted yet.

    Raises TomosegError where the file is damaged, has another size than the tomogram or other values.
    """
    if not path.exists():
        return np.zeros(shape_yx, np.int8)
    painted = open_tomogram(path, single_slice=True)
    if painted.shape != (1, *shape_yx):
        (_, height, width), (expected_height, expected_width) = painted.shape, shape_yx
        raise TomosegError(
            f"The label {path} has {width} × {height} pixels where its tomogram has {expected_width} × "
            f"{expected_height}: restore the file, or remove it and paint again."
        )
    check_values_of_label(painted.data, path)
    return np.array(painted.data[0], np.int8)  # a copy: a memory map would hold the file open against the next save


def check_values_of_label(label: NDArray[Any], source: object) -> None:
    """Raise TomosegError if `label` holds anything but 0, 1 and 2; `source` is what the sentence names."""
    if not np.isin(label, (BACKGROUND, FEATURE, IGNORE)).all():
        raise TomosegError(f"{source} holds other values than 0, 1 (feature) and 2 (ignore): paint it again.")


def save_label(path: Path, label: NDArray[Any], geometry: Geometry) -> None:
    """Write a painted slice [y, x], all or nothing. geometry: the tomogram's; the file's name tells the slice."""
    check_values_of_label(label, path)
    write_mrc(
        path, np.asarray(label, np.int8), geometry.at_slice(slice_of(path)), ["Tomoseg label: 1 feature, 2 ignore"]
    )


def slice_of(path: Path) -> int:
    """The z of a painted slice by its file's name; raises TomosegError if it is none."""
    if not (found := _SLICE_FILE.fullmatch(path.name)):
        raise TomosegError(f"{path} is no painted slice: its name would be like z00012.mrc.")
    return int(found[1])


def annotated_slices(project: "Project", tomogram: str, feature: str) -> list[int]:
    """The z of all slices with a label file of `feature`, in order; lists one folder."""
    folder = project.label_folder(tomogram, feature)
    if not folder.is_dir():
        return []
    return sorted(int(found[1]) for path in folder.iterdir() if (found := _SLICE_FILE.fullmatch(path.name)))


def crop(array: NDArray[Any], box: "Box", fill: float, size: int | None = None) -> NDArray[Any]:
    """Cut the box out of a slice [y, x]: [size, size] around its centre, `fill` where that lies outside.

    size: voxels, the box's own if not given. The box is then the middle of a larger cut, from
    size // 2 - box.size // 2 on along each axis.
    """
    side = box.size if size is None else size
    result = np.full((side, side), fill, array.dtype)
    from_x, from_y = (centre - side // 2 for centre in box.centre[:2])
    height, width = array.shape
    y0, y1 = max(from_y, 0), min(from_y + side, height)
    x0, x1 = max(from_x, 0), min(from_x + side, width)
    if y0 < y1 and x0 < x1:
        result[y0 - from_y : y1 - from_y, x0 - from_x : x1 - from_x] = array[y0:y1, x0:x1]
    return result
