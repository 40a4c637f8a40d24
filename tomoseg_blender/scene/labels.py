"""Label images that people paint: one per feature and slice, and one for its ignore zones.

Byte images, transparent where nothing is painted: a pixel with alpha above 0.5 counts. Python never writes into an
image that has been painted on, since undo would put old pixels back over it: a new label is a new image.
Pixels are kept in a file of this Blender session, and packed only while the .blend is being written: to pack takes ten
times as long.
"""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...tomo.errors import TomosegError
from ...tomo.labels import FEATURE, IGNORE
from .. import compat
from . import marks, materials
from .palette import IGNORE_COLOUR, srgb

KIND = "label image"
SET_ASIDE = "label image set aside"
LABEL, IGNORED = "label", "ignore"  # the two images of a slice
ROLES = (LABEL, IGNORED)
ALPHA_LIMIT = 0.5
Label = NDArray[np.int8]


def ensure_label_image(
    tomogram: str, feature: str, z: int, shape: tuple[int, int], colour: str, role: str = LABEL
) -> Any:
    """The image to paint on for slice `z` (shape [y, x]) of a feature; made transparent and kept where missing."""
    image = find_label_image(tomogram, feature, z, role)
    if image is None:
        image = _new_image(tomogram, feature, z, role, np.zeros(shape, bool), colour)
    return image


def find_label_image(tomogram: str, feature: str, z: int, role: str = LABEL) -> Any | None:
    """The image for a feature's slice in its role (label or ignore), or None."""
    return marks.first_marked(bpy.data.images, KIND, tomogram=tomogram, feature=feature, z=z, role=role)


def label_images(tomogram: str | None = None, feature: str | None = None) -> Iterator[Any]:
    """All images people paint labels on, of one tomogram and feature if given."""
    wanted = {"tomogram": tomogram, "feature": feature}
    return marks.marked(bpy.data.images, KIND, **{name: value for name, value in wanted.items() if value is not None})


def key_of(image: Any) -> tuple[str, str, int]:
    """(tomogram, feature, z) that a label image belongs to."""
    tomogram, feature, z = (marks.value_of(image, name) for name in ("tomogram", "feature", "z"))
    return str(tomogram), str(feature), int(z)


def read_label(image: Any | None, ignore_image: Any | None = None) -> Label:
    """The label [y, x] int8 that two images hold: 0, 1 = feature, 2 = ignore (which wins where both are painted)."""
    given = next((one for one in (image, ignore_image) if one is not None), None)
    if given is None:
        raise TomosegError("This slice has no label yet: paint on it first.")
    width, height = given.size
    label = np.zeros((height, width), np.int8)
    for value, part in ((FEATURE, image), (IGNORE, ignore_image)):
        if part is not None:
            label[_painted(part)] = value
    return label


def read_slice_label(tomogram: str, feature: str, z: int) -> Label:
    """The label [y, x] int8 painted on one slice. Raises TomosegError if nothing was begun there."""
    images = (find_label_image(tomogram, feature, z, role) for role in ROLES)
    return read_label(*images)


def write_new_label(tomogram: str, feature: str, z: int, label: Label, colour: str) -> Any:
    """Put `label` [y, x] (0, 1, 2 = ignore) in place of what is painted on a slice; returns the label image.

    New images take the place of the old ones on planes and as the painting canvas. The old ones stay in the file,
    kept and set aside, so that undo finds them.
    """
    made = None
    for role, value in ((LABEL, FEATURE), (IGNORED, IGNORE)):
        old = find_label_image(tomogram, feature, z, role)
        if old is None and role == IGNORED and not (label == IGNORE).any():
            continue
        if old is not None:
            set_aside(old)
        image = _new_image(tomogram, feature, z, role, label == value, colour)
        if old is not None:
            _swap(old, image)
        made = image if role == LABEL else made
    return made


def rewrite_label(tomogram: str, feature: str, z: int, label: Label, colour: str) -> None:
    """Write `label` [y, x] into the images of a slice that nobody has painted on yet: made by `write_new_label`.

    What is written is kept and undone only by the one who pushes an undo step afterwards.
    """
    for role, value in ((LABEL, FEATURE), (IGNORED, IGNORE)):
        image = find_label_image(tomogram, feature, z, role)
        if image is None and (label == value).any():
            image = ensure_label_image(tomogram, feature, z, (label.shape[0], label.shape[1]), colour, role)
        if image is not None:
            _fill(image, label == value, role, colour)


def set_aside(image: Any) -> None:
    """Take an image out of use without losing what is painted on it."""
    keep(image)
    image[marks.KIND] = SET_ASIDE
    image.name = f"{image.name[:50]} (before)"


def images_set_aside() -> Iterator[Any]:
    """All label images that were replaced; only undo may want them back."""
    return marks.marked(bpy.data.images, SET_ASIDE)


def keep(image: Any) -> None:
    """Keep what is painted, so that `is_dirty` is False until the next stroke and undo finds the pixels.

    In a file of this Blender session; where that can't be written, or the image came packed with a .blend, in its pack.
    """
    if image.packed_file is None and (image.is_dirty or image.source != "FILE"):
        try:
            _write_file(image)
        except RuntimeError:  # no space
            image.pack()
    elif image.is_dirty:
        image.pack()


def _write_file(image: Any) -> None:
    """Write the pixels to the image's file, under the same name each time. Raises RuntimeError."""
    if image.source != "FILE":
        # TARGA keeps the colour where alpha is 0, and takes a tenth of PNG's time: 0.2 s at 4096².
        image.filepath_raw = str(Path(bpy.app.tempdir) / f"tomoseg-{uuid.uuid4().hex}.tga")
        image.file_format = "TARGA"
    image.save()


def pack_for_blend() -> dict[str, str]:
    """Pack the label images whose pixels are kept in files, before the .blend is written; returns name: file.

    An image that is being painted on is left out: packing it would let the rest of the stroke go unnoticed.
    """
    packed = {}
    for image in (*label_images(), *images_set_aside()):
        if image.packed_file is None and not image.is_dirty:
            try:
                if not Path(image.filepath_raw).is_file():  # somebody tidied up
                    image.save()
                image.pack()
                packed[image.name] = image.filepath_raw
            except RuntimeError:  # the project has it all the same
                continue
    return packed


def unpack_after_blend(packed: dict[str, str]) -> None:
    """Let go of the packs of `pack_for_blend`, once the .blend is written, so that the images are as before."""
    for name, path in packed.items():
        image = bpy.data.images.get(name)
        if image is not None and image.packed_file is not None:
            image.filepath_raw = path  # "Save As" makes all paths relative
            image.unpack(method="REMOVE")


def show_label(plane: Any, image: Any | None, ignore_image: Any | None = None, opacity: float = 0.5) -> None:
    """Show a label and its ignore zones as tinted overlays on a slice plane; None shows nothing."""
    materials.set_overlay(plane.active_material, materials.LABEL, image, opacity)
    materials.set_overlay(plane.active_material, materials.IGNORE, ignore_image, opacity)


def _painted(image: Any) -> NDArray[np.bool_]:
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)[..., 3] > ALPHA_LIMIT


def _new_image(tomogram: str, feature: str, z: int, role: str, painted: NDArray[np.bool_], colour: str) -> Any:
    height, width = painted.shape
    name = f"{role.capitalize()} {feature} z{z} {tomogram}"
    image = compat.byte_image(name, width, height, alpha=True)
    image.alpha_mode = "CHANNEL_PACKED"  # keeps the colour where alpha is 0
    _fill(image, painted, role, colour)
    keep(image)  # now is_dirty means "painted since"
    marks.mark(image, KIND, tomogram=tomogram, feature=feature, z=z, role=role)
    return image


def _fill(image: Any, painted: NDArray[np.bool_], role: str, colour: str) -> None:
    """Give an image its role's colour where `painted` [y, x], and make it transparent elsewhere."""
    pixels = np.zeros((*painted.shape, 4), np.float32)
    pixels[painted] = (*srgb(colour if role == LABEL else IGNORE_COLOUR), 1.0)
    image.pixels.foreach_set(pixels.reshape(-1))
    image.update()
    image.update_tag()


def _swap(old: Any, new: Any) -> None:
    """Let `new` take the place of `old` in slice materials and as the canvas of texture painting."""
    for material in bpy.data.materials:
        if material.node_tree is not None:
            for node in material.node_tree.nodes:
                if node.type == "TEX_IMAGE" and node.image == old:
                    node.image = new
    for scene in bpy.data.scenes:
        if scene.tool_settings.image_paint.canvas == old:
            scene.tool_settings.image_paint.canvas = new
