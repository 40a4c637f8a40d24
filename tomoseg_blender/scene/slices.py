"""A slice of a tomogram as a plane with an image: one plane for each of the axes z, y and x.

Images are byte images in sRGB: with the view transform Standard the greys on the screen are the greys written.
"""

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...tomo.errors import TomosegError
from .. import compat
from . import marks
from .collections import SLICES, collection, link_only
from .materials import SLICE, slice_material
from .slice_pixels import grey_pixels, quick_step
from .tomogram import make_child, name_of, shape_of

AXES = ("z", "y", "x")
KIND = "slice"
IMAGE_KIND = "slice image"


def slice_at(data: NDArray[Any], axis: str, index: int, thickness: int = 1) -> NDArray[Any]:
    """The slice as an image, row 0 at the bottom: [y, x] along z, [z, x] along y, [z, y] along x.

    data: [z, y, x]; only what is needed is read from a memory map. With a thickness of n the mean (float32) of the
    n slices around `index` that lie inside. Raises TomosegError for an index outside the tomogram.
    """
    number = AXES.index(axis)
    size = data.shape[number]
    if not 0 <= index < size:
        raise TomosegError(f"There is no slice {index} along {axis}: choose 0 to {size - 1}.")
    first = max(index - (thickness - 1) // 2, 0)
    chosen = data[(slice(None),) * number + (slice(first, min(index + thickness // 2, size - 1) + 1),)]
    if chosen.shape[number] == 1:
        return np.take(chosen, 0, axis=number)
    mean: NDArray[Any] = chosen.mean(axis=number, dtype=np.float32)
    return mean


def show_slice(
    tomogram: Any,
    axis: str,
    index: int,
    data: NDArray[Any],
    low: float,
    high: float,
    invert: bool = False,
    *,
    thickness: int = 1,
    smooth: bool = False,
    quick: bool = False,
    binned: int = 1,
) -> Any:
    """Show slice `index` along `axis` ("z", "y" or "x") on the plane of `tomogram`; returns the plane.

    data: [z, y, x]; voxels at `low` are black, at `high` white (with `invert` the other way round).
    quick: slices larger than 2048 at half resolution or less, for stepping; show again without it when it stands
    still. Measured: 1024² about 10 ms, 4096² about 30 ms quick and 140 ms in full.
    binned: `data` is a copy of the tomogram that has so many of its voxels on each side in one.
    """
    pixels = slice_at(data, axis, index // binned, max(1, round(thickness / binned)))
    step = quick_step(pixels.shape) if quick else 1
    plane = ensure_plane(tomogram, axis)
    image = _image_for(tomogram, axis, pixels[::step, ::step].shape, step)
    image.pixels.foreach_set(grey_pixels(pixels[::step, ::step], low, high, invert))
    image.update()
    image.update_tag()  # without it the view keeps the old slice
    node = plane.active_material.node_tree.nodes[SLICE]
    if node.image != image:
        node.image = image
    node.interpolation = "Linear" if smooth else "Closest"
    marks.mark(plane, KIND, axis=axis, index=index)
    plane.location = (0, 0, 0)
    plane.location["xyz".index(axis)] = index + 0.5
    return plane


def ensure_plane(tomogram: Any, axis: str) -> Any:
    """The plane that shows slices along `axis`, made where it is missing."""
    plane = find_plane(tomogram, axis)
    if plane is None:
        plane = bpy.data.objects.new(f"Slice {axis} {name_of(tomogram)}", _plane_mesh(tomogram, axis))
        plane.data.materials.append(slice_material(plane.name))
        make_child(plane, tomogram)
        link_only(plane, collection(name_of(tomogram), SLICES))
        marks.mark(plane, KIND, tomogram=name_of(tomogram), axis=axis, index=0)
    return plane


def find_plane(tomogram: Any, axis: str) -> Any | None:
    """The plane that shows slices along `axis`, or None."""
    return marks.first_marked(tomogram.children, KIND, axis=axis)


def index_of(plane: Any) -> int:
    """Which slice a plane shows."""
    return int(marks.value_of(plane, "index", 0))


def shown_image(plane: Any) -> Any | None:
    """The image with the greys that a plane shows now."""
    return plane.active_material.node_tree.nodes[SLICE].image


def _plane_mesh(tomogram: Any, axis: str) -> Any:
    """A rectangle over the whole slice in voxel coordinates, its UV map covering 0 to 1 as the image does."""
    depth, height, width = shape_of(tomogram)
    across, up = {"z": ((width, 0, 0), (0, height, 0)), "y": ((width, 0, 0), (0, 0, depth))}.get(
        axis, ((0, height, 0), (0, 0, depth))
    )
    corners = [(0, 0, 0), across, tuple(a + b for a, b in zip(across, up, strict=True)), up]
    mesh = bpy.data.meshes.new(f"Slice {axis} {name_of(tomogram)}")
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", [0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    return mesh


def _image_for(tomogram: Any, axis: str, shape: tuple[int, ...], step: int) -> Any:
    """The byte image [y, x] of `shape` for this axis and resolution; made anew where the size does not fit."""
    name = name_of(tomogram)
    image = marks.first_marked(bpy.data.images, IMAGE_KIND, tomogram=name, axis=axis, step=step)
    if image is not None and tuple(image.size) != (shape[1], shape[0]):
        bpy.data.images.remove(image)
        image = None
    if image is None:
        image = compat.byte_image(f"Slice {axis} {name}", shape[1], shape[0])
        marks.mark(image, IMAGE_KIND, tomogram=name, axis=axis, step=step)
    return image
