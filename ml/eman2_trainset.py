"""Training sets out of the box stacks that EMAN2 (or another program) wrote: ROI, labels, negatives."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.eman2_stacks import Stack, read_labels, read_stack
from ml.trainset import Images, Labels, Trainset, TrainsetInfo, crop_size, cut_piece
from tomo.errors import TomosegError
from tomo.labels import IGNORE
from tomo.names import check_feature_name
from tomo.preprocessing import Preprocessing


def trainset_from_stacks(feature: str, positives: Path, labels: Path, negatives: Path | None, copies: int) -> Trainset:
    """The training set of stacks (n, y, x), cut from a tomogram that was preprocessed as EMAN2's tomoseg_auto does.

    A stack holds the boxes only: what lies around them is mirrored and counts as unknown.
    Raises TomosegError where the stacks do not fit each other.
    """
    good = read_stack(positives)
    painted = read_labels(labels, good)
    stacks = [good]
    if negatives is not None:
        stacks.append(read_stack(negatives))
        _require_same_boxes(good, stacks[1])
        painted = np.concatenate([painted, np.zeros(stacks[1].images.shape, np.int8)])
    images = np.concatenate([stack.images for stack in stacks])
    size = good.voxel_size
    info = TrainsetInfo(
        check_feature_name(feature),
        good.box_size,
        (size, size, size),
        Preprocessing(),
        copies=copies,
        tomograms=(positives.stem,),
    )
    roomy, known = _surrounded(images, painted, crop_size(good.box_size))
    positive = np.arange(len(images)) < len(good.images)
    names = np.array([f"{stack.path.stem}-{number}" for stack in stacks for number in range(len(stack.images))])
    return Trainset(info, roomy, known, positive, names, np.zeros(len(images), bool))


def _require_same_boxes(good: Stack, bad: Stack) -> None:
    if good.box_size != bad.box_size:
        raise TomosegError(
            f"{bad.path} has boxes of {bad.box_size} pixels, {good.path} of {good.box_size}: box both at one size."
        )


def _surrounded(images: NDArray[np.float32], painted: NDArray[np.int8], size: int) -> tuple[Images, Labels]:
    """Images (n, 1, size, size) with mirrored surroundings, and labels (n, size, size), unknown there."""
    box = images.shape[-1]
    roomy = cut_piece(images, (box // 2, box // 2), size)[:, None]
    margin = size // 2 - box // 2
    known = np.full((len(images), size, size), IGNORE, np.int8)
    known[:, margin : margin + box, margin : margin + box] = painted
    return roomy, known
