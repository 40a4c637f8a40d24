"""A tiny tomogram with bright rings, boxes on it, and their training set: what the engine's tests learn from."""

import numpy as np

from ml.annotator import draw_boxes
from ml.trainset import TrainsetInfo, cut_boxes

SHAPE = (5, 70, 90)


def ring_scene(seed=0):
    """(tomogram, labels), float32 and int8 [z, y, x]: noise of standard deviation 1 with rings of strength 3."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    labels = np.zeros(SHAPE, np.int8)
    for z in range(SHAPE[0]):
        radius = np.hypot(y - 20 - z, x - 25)
        labels[z] = (radius > 7) & (radius < 11)
    tomogram = random.normal(size=SHAPE).astype(np.float32) + 3 * labels
    return tomogram, labels


def ring_trainset(size=16, positives=6, negatives=8, context=1, seed=0):
    """The training set that an annotator would make of the scene."""
    tomogram, labels = ring_scene()
    boxes = draw_boxes(labels, positives, negatives, size, seed, "rings", "ring")
    info = TrainsetInfo("ring", size, context=context, tomograms=("rings",))
    return cut_boxes(boxes, lambda a, b: tomogram[a:b], lambda z: labels[z], SHAPE[0], info)
