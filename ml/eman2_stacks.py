"""EMAN2's stacks of ROIs, labels and negatives (`_good`, `_good_seg`, `_bad`), as HDF or .mrcs, and its info/*.json.

Facts from EMAN2's programs: a box is a square whose voxel `size // 2` is its coordinate, as ours. A stack's headers
hold ptcl_source_coord (x, y) with ptcl_source_coord_z (2017), or (x, y, z) from the tomogram's middle (since 2018).
info/*.json holds `boxes` [x, y, how, z] (2017) or `boxes_3d` [x, y, z, how, score, class], the latter counted from
the middle in voxels of `apix_unbin` Å where that is given; `class_list` names the classes and their box sizes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.hdf import SIGNATURE, Header, open_hdf, write_hdf
from tomo.boxes import DEFAULT_SIZE, Box
from tomo.errors import TomosegError
from tomo.files import explain_read_error, read_json
from tomo.geometry import Geometry
from tomo.mrc import open_tomogram, write_mrc
from tomo.names import tomogram_name
from tomo.project import TomogramEntry

GOOD, SEGMENTED, BAD = "_good", "_seg", "_bad"
_PEN = 99.0  # EMAN2 paints with a high value; on closing, pixels of at least 99 become 1
Point = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Stack:
    """images: (n, y, x) float32, square. voxel_size: Å, 0 where unknown. headers: EMAN2's, empty ones for MRC."""

    path: Path
    images: NDArray[np.float32]
    voxel_size: float
    headers: list[Header]

    @property
    def box_size(self) -> int:
        """Pixels of a box's side."""
        return int(self.images.shape[-1])


def read_stack(path: Path) -> Stack:
    """Read a stack of square 2D images of one size; raises TomosegError if it is none. Holds it in memory."""
    stack = _read_hdf(path) if _is_hdf(path) else _read_mrc(path)
    _, height, width = stack.images.shape
    if height != width:
        raise TomosegError(f"{path} holds images of {width} × {height} pixels: boxes are square, so box it again.")
    if not np.isfinite(stack.images).all():
        raise TomosegError(f"{path} holds pixels that are no numbers (NaN or infinite): box it again.")
    return stack


def read_labels(path: Path, rois: Stack) -> NDArray[np.int8]:
    """The painted labels (n, y, x) of `rois`, 0 and 1; raises TomosegError where they do not match or are empty."""
    stack = read_stack(path)
    if stack.images.shape != rois.images.shape:
        mine, theirs = (f"{len(each.images)} images of {each.box_size} pixels" for each in (stack, rois))
        raise TomosegError(f"{path} holds {mine}, but {rois.path} holds {theirs}: choose the labels made from it.")
    highest = float(stack.images.max())
    if highest <= 0:
        raise TomosegError(f"{path} holds no painted pixel: paint the feature in the boxes first.")
    return (stack.images >= (_PEN if highest >= _PEN else highest / 2)).astype(np.int8)


def write_stack(path: Path, images: NDArray[Any], voxel_size: float = 0.0, headers: list[Header] | None = None) -> None:
    """Write images (n, y, x): EMAN2's HDF if `path` ends so, else an MRC stack. All or nothing."""
    if path.suffix.lower() not in (".hdf", ".h5", ".hdf5"):
        write_mrc(path, images, Geometry((voxel_size, voxel_size, voxel_size)))
        return
    sizes = {f"apix_{axis}": float(voxel_size) for axis in "xyz"} if voxel_size > 0 else {}
    write_hdf(path, list(images), [{**sizes, **header} for header in headers or [{}] * len(images)])


def companions(good: Path) -> tuple[Path | None, Path | None]:
    """The label and the negative stack that lie beside a `_good` stack under EMAN2's names, where they are there."""
    stem, suffix = tomogram_name(good), good.suffix
    labels = good.with_name(f"{stem}{SEGMENTED}{suffix}")
    negatives = good.with_name(f"{stem.replace(GOOD, BAD)}{suffix}")
    return (labels if labels.is_file() else None), (negatives if negatives.is_file() and negatives != good else None)


def boxes_of_stack(stack: Stack, tomogram: TomogramEntry, feature: str, kind: str) -> list[Box]:
    """The boxes that the images were cut from, in the voxels of `tomogram`, in order.

    Raises TomosegError where the headers do not tell, or tell places outside the tomogram.
    """
    points = [_point_of(header, tomogram.shape) for header in stack.headers]
    if not points or any(point is None for point in points):
        raise TomosegError(
            f"{stack.path} does not tell where its boxes lie: build the training set from the stacks themselves."
        )
    return [_box(point, tomogram, (feature, kind, stack.box_size), stack.path) for point in points if point]


def boxes_of_info(
    path: Path, tomogram: TomogramEntry, feature: str, kind: str, *, only: str | None = None, shrink: int = 1
) -> list[Box]:
    """The boxes in an EMAN2 info file, in the voxels of `tomogram`.

    only: the class by name or number; all if not given. shrink: by how much `tomogram` was shrunk since the boxes were
    placed, for files without `apix_unbin`, which tells it by itself. Raises TomosegError for files without boxes.
    """
    info = read_json(path)
    try:
        placed = _placed_boxes(info, tomogram, shrink, path)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise TomosegError(f"{path} holds boxes in a form that EMAN2 does not write: box again.") from error
    chosen = [(point, size) for point, size, names in placed if only is None or only in names]
    if not chosen:
        known = sorted({name for _, _, names in placed for name in names if not name.isdigit()})
        raise TomosegError(f"{path} has no boxes{f' of class {only!r} (there are {known})' if placed else ''}.")
    return [_box(point, tomogram, (feature, kind, size), path) for point, size in chosen]


def _placed_boxes(
    info: Any, tomogram: TomogramEntry, shrink: int, path: Path
) -> list[tuple[Point, int, tuple[str, str]]]:
    """(centre in voxels of `tomogram`, size, (class number, class name)) of each box in the parsed file."""
    middle = tuple(side // 2 for side in tomogram.shape[::-1])
    unbinned = float(info.get("apix_unbin", 0))
    if unbinned > 0 and info.get("boxes_3d"):
        if tomogram.voxel_size[0] in (0.0, 1.0):
            raise TomosegError(f"{path} counts in Å, but {tomogram.name} has no voxel size: import it again.")
        scale, origin = unbinned / tomogram.voxel_size[0], middle
    else:
        scale, origin = 1 / shrink, (0, 0, 0)
    classes = {str(key): value for key, value in info.get("class_list", {}).items()}
    placed = []
    for x, y, z, *rest in info.get("boxes_3d", []):
        number = str(int(rest[2])) if len(rest) > 2 else "0"
        entry = classes.get(number, {})
        name = str(entry.get("name", "") if isinstance(entry, dict) else entry) or f"particles_{int(number):02d}"
        size = entry.get("boxsize", DEFAULT_SIZE) if isinstance(entry, dict) else DEFAULT_SIZE
        u, v, w = (float(each) * scale + start for each, start in zip((x, y, z), origin, strict=True))
        placed.append(((u, v, w), max(2, round(float(size) * scale)), (number, name)))
    for x, y, how, *depth in info.get("boxes", []):
        z = float(depth[0]) if depth else 0.0
        point = (float(x) / shrink, float(y) / shrink, z / shrink)
        placed.append((point, max(2, DEFAULT_SIZE // shrink), ("0", str(how))))
    return placed


def _point_of(header: Header, shape: tuple[int, int, int]) -> Point | None:
    """(x, y, z) in voxels from the first one, as the header of a boxed image tells it; None if it does not."""
    place = header.get("ptcl_source_coord")
    if not isinstance(place, list) or not all(isinstance(each, int | float) for each in place):
        return None
    if len(place) == 3:
        x, y, z = (float(each) + side // 2 for each, side in zip(place, reversed(shape), strict=True))
        return x, y, z
    depth = header.get("ptcl_source_coord_z")
    if len(place) != 2 or not isinstance(depth, int | float):
        return None
    return float(place[0]), float(place[1]), float(depth)


def _box(point: Point, tomogram: TomogramEntry, what: tuple[str, str, int], source: Path) -> Box:
    if not all(np.isfinite(point)):
        raise TomosegError(f"{source} holds a box at a place that is no number: box it again.")
    feature, kind, size = what
    x, y, z = (round(each) for each in point)
    box = Box(tomogram.name, feature, kind, (x, y, z), size)
    if not box.touches(tomogram.shape):
        depth, height, width = tomogram.shape
        raise TomosegError(
            f"{source} holds a box at ({x}, {y}, {z}), outside {tomogram.name} ({width} × {height} × {depth} voxels): "
            "it belongs to another tomogram or bin."
        )
    return box


def _is_hdf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(8) == SIGNATURE
    except OSError as error:
        raise explain_read_error(path, error) from error


def _read_hdf(path: Path) -> Stack:
    with open_hdf(path) as reader:
        shapes = {reader.dataset(index).shape for index in range(len(reader))}
        shape = shapes.pop()
        if shapes or len(shape) < 2 or (len(shape) == 3 and len(reader) > 1 and shape[0] > 1):
            raise TomosegError(f"{path} is no stack of 2D images of one size: box it again, without thickness in z.")
        images = np.concatenate([reader.read(index).reshape(-1, *shape[-2:]) for index in range(len(reader))])
        headers = [reader.header(index) for index in range(len(reader))]
    size = headers[0].get("apix_x", 0.0)
    known = isinstance(size, int | float) and size > 0 and size != 1
    return Stack(path, images.astype(np.float32), float(size) if known else 0.0, headers)


def _read_mrc(path: Path) -> Stack:
    tomogram = open_tomogram(path, single_slice=True)
    size = tomogram.geometry.voxel_size[0] if tomogram.geometry.voxel_size_known else 0.0
    return Stack(path, np.array(tomogram.data, np.float32), size, [{} for _ in range(len(tomogram.data))])
