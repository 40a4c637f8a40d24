"""What steps tell of a single thing is in the singular."""

import pytest

from ml import build_trainset, correct, export_rois, import_rois, import_scnt

BOXES = {"positives": 1, "negatives": 1, "box_size": 64, "painted": 0.5, "trainset": "ring.npz"}
ADDED = {"positive": 1, "negative": 1, "present": 1, "slices": [3]}
TOLD = "1 positive and 1 negative box added, 1 there before; labels painted on 1 slice."


@pytest.mark.parametrize(
    ("step", "result", "words"),
    [
        (build_trainset, BOXES, "1 positive and 1 negative box of 64 pixels, 50.0 %"),
        (correct, {"mask": None, "negatives": 1, "left_out": 0}, "Placed 1 negative box"),
        (export_rois, {"boxes": 1, "stacks": {"good": "ring_good.hdf"}}, "1 box\nWrote ring_good.hdf"),
        (import_rois, ADDED, TOLD),
        (import_scnt, ADDED, TOLD),
    ],
)
def test_one_is_told_in_the_singular(step, result, words):
    assert step.describe(result).startswith(words)
