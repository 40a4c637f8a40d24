"""The triplet sheet, the loss curve and the score of each box."""

import json

import numpy as np
import pytest
from PIL import Image

from ml.triplets import curve_of, files_beside, sheet_of, stack_of, write_triplets
from tomo.geometry import Geometry
from tomo.mrc import open_tomogram


def three_boxes():
    """Images, labels and outputs of three boxes, 5 × 7 pixels, one bright corner each (first row, first column)."""
    images, labels, outputs = (np.zeros((3, 5, 7), np.float32) for _ in range(3))
    images[:, 0, 0], labels[:2, 0, 0], outputs[:, 0, 0] = 3, 1, 0.5
    return images, labels, outputs


def test_the_stack_holds_roi_label_and_output_in_turn():
    images, labels, outputs = three_boxes()
    stack = stack_of(images, labels, outputs)
    assert stack.shape == (9, 5, 7)
    assert np.array_equal(stack[3], images[1])
    assert np.array_equal(stack[4], labels[1])
    assert np.array_equal(stack[5], outputs[1])


def test_row_0_is_the_bottom_row_of_the_sheet():
    sheet = np.asarray(sheet_of(stack_of(*three_boxes()), np.array([True, True, False]), per_row=2))
    bright = np.argwhere((sheet == 255).all(axis=2))
    assert (4, 4) in [tuple(place) for place in bright]  # lower left corner of the first ROI, right of its bar
    assert tuple(sheet[0, 0]) == (80, 200, 120)  # positive: green
    assert tuple(sheet[9, 0]) == (200, 90, 80)  # the third box, in the second row, is a negative one: red


def test_the_curve_falls_from_left_to_right():
    rows = [{"loss": loss, "validation_loss": loss + 0.1} for loss in (1.0, 0.6, 0.2)]
    picture = np.asarray(curve_of(rows)).astype(int)
    orange = np.argwhere((abs(picture - [230, 159, 0]).sum(axis=2)) < 30)
    left, right = orange[orange[:, 1].argmin()], orange[orange[:, 1].argmax()]
    assert left[0] < right[0]  # rows count from the top


def test_a_loss_that_is_no_number_does_not_break_the_curve():
    assert curve_of([{"loss": float("nan"), "validation_loss": float("nan")}]).size == (480, 240)


def test_all_files_lie_beside_the_sheet(tmp_path):
    stack = stack_of(*three_boxes())
    rows = [{"loss": 1.0, "validation_loss": 1.2}]
    places = write_triplets(
        tmp_path / "t" / "actin.png", stack, np.array([True, True, False]), [{"id": "a"}], rows, Geometry((9.0,) * 3)
    )
    assert places == {name: str(path) for name, path in files_beside(tmp_path / "t" / "actin.png").items()}
    assert open_tomogram(tmp_path / "t" / "actin.mrcs").geometry.voxel_size[0] == pytest.approx(9)
    assert json.loads((tmp_path / "t" / "actin.json").read_text()) == {"boxes": [{"id": "a"}]}
    with Image.open(tmp_path / "t" / "actin_losses.png") as curve:
        assert curve.size == (480, 240)
