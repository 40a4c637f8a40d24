"""The triplets of a finished training, and the Dice of each box: a low one often means a wrong label."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ml.augment import Batch
from ml.learning import Learned, honest_maps_of, maps_of
from ml.networks import SegmentationNetwork
from ml.scores import dice
from ml.training import Trainer
from ml.triplets import MOST_SHOWN, Floats, stack_of
from tomo.boxes import NEGATIVE, POSITIVE

MapsOf = Callable[[SegmentationNetwork, Trainer, NDArray[np.int64]], tuple[Batch, Tensor]]


def score_boxes(learned: Learned) -> list[dict[str, Any]]:
    """One entry for each box: its id, kind, whether it was held out, and Dice at the network's own threshold.

    A held-out box is judged by what did not train on it: of an ensemble the one network that did not.

    For a negative box Dice is 1 where nothing was found, else 0; `found` is the share of its pixels.
    """
    trainset = learned.trainer.trainset
    entries = []
    for number, (images, target, known) in enumerate(_shown(learned, np.arange(len(trainset)), honest_maps_of)):
        inside = known > 0
        found = images[inside] > learned.network.info.threshold
        entries.append(
            {
                "id": str(trainset.box_ids[number]),
                "kind": POSITIVE if trainset.positive[number] else NEGATIVE,
                "held_out": bool(trainset.held_out[number]),
                "dice": dice(found, target[inside] > 0.5),
                "found": float(found.mean()) if found.size else 0.0,
            }
        )
    return entries


def first_triplets(learned: Learned) -> tuple[Floats, NDArray[np.bool_]]:
    """(3 n, box, box) ROI, label, output of up to 100 boxes, positive ones first, and which are positive (n,)."""
    trainset = learned.trainer.trainset
    order = np.argsort(~trainset.positive, kind="stable")[:MOST_SHOWN]
    size = trainset.info.box_size
    middle = (trainset.images.shape[-1] - size) // 2
    window = slice(middle, middle + size)
    images = trainset.images[order][:, trainset.info.context // 2, window, window]
    labels = (trainset.labels[order][:, window, window] == 1).astype(np.float32)
    patch = learned.trainer.patch
    inner = slice((patch - size) // 2, (patch - size) // 2 + size)
    outputs = np.stack([shown[inner, inner] for shown, _, _ in _shown(learned, order, maps_of)])
    return stack_of(images, labels, outputs), trainset.positive[order]


def _shown(learned: Learned, numbers: NDArray[np.int64], maps: MapsOf) -> list[tuple[Floats, Floats, Floats]]:
    """(map divided by the amplitude, label, known) of each box, [y, x] of the patch's size."""
    batch, shown = maps(learned.network.module, learned.trainer, numbers)
    strength = shown.clamp(min=0).numpy()[:, 0] / learned.network.info.amplitude
    return list(zip(strength, batch.target.numpy()[:, 0], batch.known.numpy()[:, 0], strict=True))
