"""Boxes: where they lie, and that their list survives."""

import json

import pytest

from tomo.boxes import NEGATIVE, POSITIVE, Box, load_boxes, save_boxes
from tomo.errors import TomosegError

SHAPE = (5, 70, 110)


def box(x: int, y: int, z: int, size: int = 64) -> Box:
    return Box("cell", "membrane", POSITIVE, (x, y, z), size)


def test_boxes_are_read_back_the_same(tmp_path):
    boxes = [box(32, 32, 0), Box("cell bin4", "β", NEGATIVE, (-3, 5, 9), 7)]
    save_boxes(tmp_path / "boxes.json", boxes)
    assert load_boxes(tmp_path / "boxes.json") == boxes
    assert boxes[0].id != box(32, 32, 0).id


def test_a_list_that_changed_is_read_again_and_nobody_shares_it(tmp_path):
    path, first, second = tmp_path / "boxes.json", box(32, 32, 0), box(40, 40, 1)
    save_boxes(path, [first])
    load_boxes(path).append(second)
    assert load_boxes(path) == [first]
    save_boxes(path, [first, second])
    assert load_boxes(path) == [first, second]
    path.write_text(path.read_text().replace("membrane", "filament"))  # by another program, in place, as long as it was
    assert [one.feature for one in load_boxes(path)] == ["filament", "filament"]
    path.unlink()
    assert load_boxes(path) == []


def test_a_box_covers_size_voxels_around_its_centre():
    assert box(32, 40, 0).corner == (0, 8)
    assert box(3, 3, 0, size=7).corner == (0, 0)


@pytest.mark.parametrize(("x", "y", "z"), [(32, 32, 0), (78, 38, 4)])
def test_a_box_in_the_corner_lies_inside(x, y, z):
    assert box(x, y, z).lies_in(SHAPE)
    assert box(x, y, z).touches(SHAPE)


@pytest.mark.parametrize(("x", "y", "z"), [(31, 32, 0), (32, 31, 0), (79, 38, 4), (78, 39, 4)])
def test_a_box_one_voxel_further_only_touches(x, y, z):
    assert not box(x, y, z).lies_in(SHAPE)
    assert box(x, y, z).touches(SHAPE)


@pytest.mark.parametrize(("x", "y", "z"), [(32, 32, -1), (32, 32, 5), (-32, 32, 0), (32, -32, 0), (142, 32, 0)])
def test_a_box_outside_does_not_touch(x, y, z):
    assert not box(x, y, z).touches(SHAPE)
    assert box(-31, 32, 0).touches(SHAPE)
    assert box(141, 32, 0).touches(SHAPE)


GOOD = {"tomogram": "a", "feature": "b", "kind": "positive", "centre": [1, 2, 3], "size": 64, "id": "c"}


@pytest.mark.parametrize(
    "change",
    [{"centre": [1, 2]}, {"centre": "abc"}, {"centre": [1, 2, None]}, {"size": 0}, {"size": 10**6}, {"kind": "maybe"}],
)
def test_a_damaged_box_is_one_sentence(tmp_path, change):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"schema": 1, "boxes": [GOOD, GOOD | change]}))
    with pytest.raises(TomosegError, match=r"boxes\.json holds an? (damaged|impossible) box"):
        load_boxes(path)


def test_numbers_that_json_alone_knows_are_damage_too(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"schema": 1, "boxes": [GOOD | {"size": float("inf")}]}))
    with pytest.raises(TomosegError, match="damaged box"):
        load_boxes(path)


def test_boxes_of_a_newer_tomoseg_ask_for_an_update(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"schema": 2, "boxes": []}))
    with pytest.raises(TomosegError, match="update Tomoseg"):
        load_boxes(path)
