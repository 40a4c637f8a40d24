"""The contact sheet: each box where its pixel map says, upright, with its label in the feature's colour."""

import numpy as np
import pytest

from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.gallery import FRAME, GAP, NEGATIVE_FRAME, POSITIVE_FRAME, Tile, contact_sheet


def tile(number: int, size: int = 8, kind: str = POSITIVE) -> Tile:
    picture = np.full((size, size), number / 10, np.float32)
    picture[0, :] = 1.0  # the bottom row is bright
    label = np.zeros((size, size), np.int8)
    label[2, 3], label[size - 3, 1] = 1, 2
    return Tile(Box("cell", "tube", kind, (20, 20, number), size, f"id{number}"), picture, label)


def test_the_first_box_is_at_the_top_left_with_its_bottom_row_at_the_bottom():
    sheet = contact_sheet([tile(n) for n in range(5)], "#ff0000", per_row=3)
    cell = 8 + 2 * FRAME + GAP
    assert sheet.pixels.shape == (2 * cell + GAP, 3 * cell + GAP, 4)
    bottom = sheet.pixels.shape[0] - GAP - FRAME - 8
    left = GAP + FRAME
    assert sheet.pixels[bottom, left : left + 8, 0] == pytest.approx(1.0)
    assert sheet.pixels[bottom + 1, left, 0] == pytest.approx(0.0)
    assert sheet.pixels[bottom + 2, left + 3, :3] == pytest.approx((0.45, 0, 0))
    assert sheet.pixels[bottom + 5, left + 1, :3] == pytest.approx((0.225,) * 3)


def test_a_pixel_tells_its_box_and_a_gap_tells_none():
    sheet = contact_sheet([tile(n) for n in range(5)], "#ff0000", per_row=3)
    height, cell = sheet.pixels.shape[0], sheet.cell
    for number in range(5):
        x = GAP + number % 3 * cell + 2
        y = height - GAP - number // 3 * cell - 3
        assert sheet.box_at(x, y) == f"id{number}"
    assert sheet.box_at(GAP + cell - 1, height - GAP - 3) == ""
    assert sheet.box_at(GAP + 2 * cell + 2, height - GAP - cell - 3) == ""
    assert sheet.box_at(-5, 3) == sheet.box_at(3, height + 30) == ""


def test_kinds_differ_by_frame_and_the_active_box_is_framed_white():
    sheet = contact_sheet([tile(0), tile(1, kind=NEGATIVE), tile(2)], "#0072b2", per_row=3, active="id2")
    frames = [sheet.pixels[-GAP - 1, GAP + n * sheet.cell : GAP + (n + 1) * sheet.cell - GAP, :3] for n in range(3)]
    assert (frames[0] == np.array(POSITIVE_FRAME, np.float32)).all()
    assert 0.2 < (frames[1] == np.array(NEGATIVE_FRAME, np.float32)).all(axis=1).mean() < 0.8  # dashed
    assert (frames[2] == 1).all()


def test_boxes_of_unlike_size_and_an_empty_list_make_a_sheet():
    sheet = contact_sheet([tile(1, 8), tile(2, 4)], "#0072b2")
    assert sheet.ids == (("id1", "id2"),)
    assert contact_sheet([], "#0072b2").box_at(1, 1) == ""
