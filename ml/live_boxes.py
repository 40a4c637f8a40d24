"""Boxes and labels as they stand in the project folder now, cut out anew only where something changed."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.build_trainset import check_boxes, trainset_info
from ml.live_tomograms import LiveTomograms, Stamp, stamp_of
from ml.trainset import (
    Images,
    Labels,
    Trainset,
    TrainsetInfo,
    assembled,
    crop_size,
    cut_piece,
    joined,
    labels_on_slice,
    usual_context,
)
from tomo.boxes import POSITIVE, Box
from tomo.errors import TomosegError
from tomo.labels import FEATURE, IGNORE, crop, load_label
from tomo.project import Project

NO_PAINTED_BOX = "No painted box yet: paint the feature in one box and training begins."
Place = tuple[str, int]  # tomogram and z


@dataclass(frozen=True)
class Annotations:
    """What can be learned from now. trainset: None while there is nothing. changed: numbers of the boxes in it that are
    new, moved or painted since the last time. problem: one sentence about what was left out, or what is missing.
    """

    trainset: Trainset | None
    changed: tuple[int, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class _Slice:
    """The boxes of one slice that can be used; made anew when `key` changes. source: what its images depend on."""

    key: object
    source: object
    info: TrainsetInfo
    boxes: list[Box]
    images: list[Images]
    labels: Labels
    problem: str | None


class LiveBoxes:
    """The annotations of one feature in all tomograms of a project.

    context: slices that the network sees at once, None for what suits the tomogram.
    """

    def __init__(self, project: Project, feature: str, tomograms: LiveTomograms, context: int | None = None) -> None:
        self.context = context
        self._project, self._feature, self._tomograms = project, feature, tomograms
        self._slices: dict[Place, _Slice] = {}
        self._looked: dict[str, bytes] = {}
        self._stamps: list[Stamp] = []
        self._places: list[Place] = []

    @property
    def all_boxes(self) -> list[Box]:
        """Every box of the feature, used or not."""
        return [box for box in self._project.boxes() if box.feature == self._feature]

    def changed_on_disk(self) -> bool:
        """True where boxes or labels were written since the last call; looks at times only."""
        paths = [self._project.folder / name for name in ("boxes.json", "project.json")]
        paths += [self._project.label_path(name, self._feature, z) for name, z in self._places]
        stamps = [stamp_of(path) for path in paths]
        changed, self._stamps = stamps != self._stamps, stamps
        return changed

    def read(self) -> Annotations:
        """The training set as it is now. What cannot be used is left out, and told as `problem`."""
        boxes = self.all_boxes
        names = [entry.name for entry in self._project.tomograms()]
        places = {(box.tomogram, box.centre[2]) for box in boxes if box.tomogram in names}
        self._places = sorted(places, key=lambda place: (names.index(place[0]), place[1]))
        size = max((box.size for box in boxes), default=0)
        slices, problems = {}, []
        for place in self._places:
            here = [box for box in boxes if (box.tomogram, box.centre[2]) == place]
            try:
                slices[place] = self._slice(place, here, size)
            except TomosegError as error:  # a damaged label: what was read before it was damaged still holds
                problems.append(str(error))
                if place in self._slices:
                    slices[place] = self._slices[place]
        self._slices = slices
        problems += [found.problem for found in slices.values() if found.problem]
        usable = [found for found in slices.values() if found.boxes]
        if not any(box.kind == POSITIVE for found in usable for box in found.boxes):
            return Annotations(None, (), problems[0] if problems else NO_PAINTED_BOX)
        return self._joined(usable, problems[0] if problems else None)

    def _slice(self, place: Place, boxes: list[Box], size: int) -> _Slice:
        name, z = place
        opened = self._tomograms.opened(name)
        path = self._project.label_path(name, self._feature, z)
        context = self.context or usual_context(opened.tomogram.geometry)
        source = (opened.stamp, size, context)
        key = (source, stamp_of(path), tuple(boxes))
        before = self._slices.get(place)
        if before is not None and before.key == key:
            return before
        shape = opened.tomogram.shape
        boxes, problem = _inside(boxes, shape, name)
        painted = load_label(path, shape[1:])
        if problem is None:
            problem = _all_ignored(boxes, painted, self._feature)
        boxes = [box for box in boxes if box.kind != POSITIVE or (crop(painted, box, 0) == FEATURE).any()]
        images: dict[tuple[int, int], Images] = {}
        if before is not None and before.source == source:
            images = {box.centre[:2]: image for box, image in zip(before.boxes, before.images, strict=True)}
        cut = [self._image(name, box, crop_size(size), context, images) for box in boxes]
        labels = labels_on_slice(boxes, painted, crop_size(size)) if boxes else np.empty((0, 1, 1), np.int8)
        info = trainset_info(opened.tomogram, name, self._feature, size, context)
        return _Slice(key, source, info, boxes, cut, labels, problem)

    def _image(self, name: str, box: Box, size: int, context: int, before: dict[tuple[int, int], Images]) -> Images:
        x, y, z = box.centre
        if (x, y) in before:
            return before[x, y]
        return cut_piece(self._tomograms.around(name, z, context), (x, y), size)

    def _joined(self, slices: list[_Slice], problem: str | None) -> Annotations:
        sets = []
        for name in dict.fromkeys(found.info.tomograms for found in slices):
            here = [found for found in slices if found.info.tomograms == name]
            boxes = [box for found in here for box in found.boxes]
            images = np.stack([image for found in here for image in found.images])
            sets.append(assembled(here[0].info, boxes, images, np.concatenate([found.labels for found in here])))
        try:
            trainset = joined(sets)
        except TomosegError as error:
            return Annotations(None, (), str(error))
        return Annotations(trainset, self._changed(trainset), problem)

    def _changed(self, trainset: Trainset) -> tuple[int, ...]:
        """Numbers of the boxes whose place or label is another than at the last call; none at the first one."""
        looks = {
            str(name): hashlib.sha256(image[:, ::16, ::16].tobytes() + label.tobytes()).digest()
            for name, image, label in zip(trainset.box_ids, trainset.images, trainset.labels, strict=True)
        }
        before, self._looked = self._looked, looks
        if not before:
            return ()
        return tuple(number for number, (name, look) in enumerate(looks.items()) if before.get(name) != look)


def _inside(boxes: list[Box], shape: tuple[int, int, int], name: str) -> tuple[list[Box], str | None]:
    """The boxes that lie in the tomogram, and what is wrong with the first one that does not."""
    fitting, problem = [], None
    for box in boxes:
        try:
            check_boxes([box], shape, name)
            fitting.append(box)
        except TomosegError as error:
            problem = problem or str(error)
    return fitting, problem


def _all_ignored(boxes: list[Box], painted: NDArray[np.int8], feature: str) -> str | None:
    """The sentence for a positive box in which every pixel is to be ignored."""
    for box in boxes:
        if box.kind == POSITIVE and (crop(painted, box, IGNORE) == IGNORE).all():
            return f"Every pixel in a box of {feature} is to be ignored: leave some to learn from."
    return None
