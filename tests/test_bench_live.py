"""The annotator of the live benchmark paints the truth and nothing else; a session that ends is no measurement."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from bench.live import wrong_pieces
from bench.live_client import Annotator, LiveClient
from tests.ml.live_projects import FEATURE, NAME, box_at, negative, ring_project
from tests.ml.scenes import ring_scene
from tomo.labels import load_label


def test_the_annotator_paints_the_truth_inside_positive_boxes_only(tmp_path):
    project, truth = ring_project(tmp_path), ring_scene()[1]
    annotator = Annotator(project, NAME, FEATURE, truth)
    box = box_at(25, 22, 2, size=16)
    annotator.add(box, negative())
    assert project.boxes() == [box, box_at(70, 50, 2, "negative", box_id=project.boxes()[1].id)]
    painted = load_label(project.label_path(NAME, FEATURE, 2), truth.shape[1:])
    x, y = box.corner
    expected = np.zeros_like(painted)
    expected[y : y + 16, x : x + 16] = truth[2, y : y + 16, x : x + 16]
    assert expected.any()
    assert np.array_equal(painted, expected)


def test_a_session_that_cannot_begin_is_no_measurement(tmp_path):
    client = LiveClient(project=str(tmp_path), feature=FEATURE)
    with pytest.raises(RuntimeError, match="is no Tomoseg project"):
        client.event("state", lambda _told: True, 0.0)
    client.close()


def test_rims_of_one_pixel_are_no_piece_that_somebody_would_correct():
    truth = np.zeros((20, 20), bool)
    truth[5:10, 5:15] = True
    wider = binary_dilation(truth)
    assert not wrong_pieces(wider, truth, erase=True).any()
    assert not wrong_pieces(binary_erosion(truth), truth, erase=False).any()
    wider[15:18, 2:6] = True
    assert wrong_pieces(wider, truth, erase=True).sum() == 12
    cut = truth.copy()
    cut[:, 10:] = False
    assert wrong_pieces(cut, truth, erase=False).sum() == 3 * 4
