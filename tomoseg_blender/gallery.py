"""The gallery in an Image Editor: all boxes of the active feature with their labels, and which box lies where."""

import time
from typing import Any

import bpy
import numpy as np
from bpy.types import Scene

from ..tomo.boxes import Box
from ..tomo.errors import TomosegError
from ..tomo.gallery import Sheet, Tile, contact_sheet
from ..tomo.labels import crop, load_label
from ..tomo.project import Project
from . import compat, painting, pictures, state, viewing
from .scene import boxes, labels, marks

KIND = "gallery"
NAME = "Tomoseg Gallery"
SMALL = 2_000_000  # pixels of a label image that can be read again each second


class _Shown:
    """The sheet as it was drawn last: where each box is."""

    def __init__(self) -> None:
        self.sheet: Sheet | None = None
        self.signature: object = None


_SHOWN = _Shown()


def find_image() -> Any | None:
    """The gallery's image, or None if it was never opened in this file."""
    return marks.first_marked(bpy.data.images, KIND)


def image_of_sheet(sheet: Sheet) -> Any:
    """The gallery's image with this sheet; an image of another size is made anew, editors then show the new one."""
    height, width = sheet.pixels.shape[:2]
    image = find_image()
    if image is None:
        image = compat.byte_image(NAME, width, height)
        marks.mark(image, KIND)
    elif tuple(image.size) != (width, height):
        image.scale(width, height)
        for area in editors(image):
            pictures.fit(area)
    image.pixels.foreach_set(sheet.pixels.reshape(-1))
    image.update()
    image.update_tag()
    return image


def tiles(scene: Scene) -> list[Tile]:
    """All boxes of the active feature, positive ones first, slice by slice. Raises TomosegError without any."""
    feature = state.feature_named(scene, "")
    project = state.require_project(scene)
    found = [box for box in boxes.merged_boxes(project.boxes()) if box.feature == feature.name]
    if not found:
        raise TomosegError(f"{feature.name} has no boxes yet: place some, then open the gallery.")
    found.sort(key=lambda box: (box.kind != "positive", box.tomogram, box.centre[2], box.centre[1], box.centre[0]))
    source = _Source(scene, project)
    return [source.tile(box) for box in found]


class _Source:
    """Reads what the tiles show, each tomogram once and slice by slice."""

    def __init__(self, scene: Scene, project: Project) -> None:
        self.scene, self.project = scene, project
        self.tomograms: dict[str, Any] = {}
        self.label: tuple[tuple[str, int], Any] = (("", -1), None)

    def tile(self, box: Box) -> Tile:
        if box.tomogram not in self.tomograms:
            self.tomograms[box.tomogram] = viewing.data_of(self.scene, box.tomogram).data
        data = self.tomograms[box.tomogram]
        z = min(max(box.centre[2], 0), data.shape[0] - 1)
        picture = crop(data[z], box, 0).astype(np.float32)  # cut first: slices may be large
        item = state.tomogram_named(self.scene, box.tomogram)
        low, high = item.low, item.high
        if low == high:
            low, high = float(np.nanmin(picture)), float(np.nanmax(picture))
        grey = (picture - low) / ((high - low) or 1.0)
        if self.label[0] != (box.tomogram, z):
            self.label = ((box.tomogram, z), self._label(box, z, (data.shape[1], data.shape[2])))
        return Tile(box, 1 - grey if item.invert else grey, crop(self.label[1], box, 0))

    def _label(self, box: Box, z: int, shape: tuple[int, int]) -> Any:
        """What is painted now, also where it is not saved yet."""
        if any(labels.find_label_image(box.tomogram, box.feature, z, role) is not None for role in labels.ROLES):
            return labels.read_slice_label(box.tomogram, box.feature, z)
        return load_label(self.project.label_path(box.tomogram, box.feature, z), shape)


def draw(scene: Scene) -> Any:
    """Draw the gallery anew; returns its image. Raises TomosegError where there are no boxes."""
    feature = state.feature_named(scene, "")
    _SHOWN.sheet = contact_sheet(tiles(scene), state.hex_colour(feature), active=scene.tomoseg.box_id)
    return image_of_sheet(_SHOWN.sheet)


def box_at(scene: Scene, x: float, y: float) -> Box | None:
    """The box under a pixel of the gallery's image, counted from its lower left; None beside the tiles."""
    if _SHOWN.sheet is None:
        draw(scene)
    box_id = "" if _SHOWN.sheet is None else _SHOWN.sheet.box_at(x, y)
    known = boxes.merged_boxes(state.require_project(scene).boxes()) if box_id else []
    return next((box for box in known if box.id == box_id), None)


def editors(image: Any) -> list[Any]:
    """The areas of the Image Editors that show `image`."""
    return [
        area
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        if area.type == "IMAGE_EDITOR" and area.spaces.active.image == image
    ]


def is_seen() -> bool:
    """True while an Image Editor shows the gallery."""
    image = find_image()
    return image is not None and bool(editors(image))


def follow(scene: Scene) -> None:
    """Draw the gallery again if somebody sees it, and boxes, labels or the chosen box have changed since."""
    if not is_seen():
        return
    try:
        signature = _signature(scene)
        if signature != _SHOWN.signature:
            _SHOWN.signature = signature
            draw(scene)
    except TomosegError as error:
        scene.tomoseg.reasons.next_step = str(error)


def _signature(scene: Scene) -> object:
    """Differs whenever the gallery would look different; of strokes on large slices only once they are saved."""
    feature = state.feature_named(scene, "")
    found = [box for box in boxes.scene_boxes() if box.feature == feature.name]
    images = [
        (image.name, image.get(painting.VERSION, ""), image.is_dirty, _strokes(image))
        for image in labels.label_images(feature=feature.name)
    ]
    return feature.name, tuple(feature.colour), scene.tomoseg.box_id, found, images


def _strokes(image: Any) -> int:
    """Another number each second while a small image is being painted on."""
    small = image.size[0] * image.size[1] <= SMALL
    return int(time.monotonic()) if image.is_dirty and small else 0
