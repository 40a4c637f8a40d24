"""Boxes and labels carried between bins: at the same place, and never over painted work."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.carry import carry, carry_box, carry_label, carry_slice, scale_between
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import IGNORE, annotated_slices, load_label, save_label
from tomo.mrc import write_mrc
from tomo.project import Project, TomogramEntry

SHAPES = {"cell": (9, 30, 47), "cell_bin4": (2, 7, 11)}  # 4 does not divide them


@pytest.fixture
def project(tmp_path):
    project = Project.create(tmp_path)
    project.add_feature("membrane")
    for name, shape in SHAPES.items():
        size = 10.0 if name == "cell" else 40.0
        geometry = Geometry((size, size, size))
        write_mrc(project.tomogram_path(name), np.zeros(shape, np.int8), geometry)
        entry = TomogramEntry(name, f"tomograms/{name}.mrc", voxel_size=geometry.voxel_size, shape=shape)
        project.add_tomogram(replace(entry, shrink=int(size / 10)))
    return project


def box(x, y, z, size=8, kind=POSITIVE, tomogram="cell"):
    return Box(tomogram, "membrane", kind, (x, y, z), size)


def test_the_scale_follows_the_voxel_sizes_or_else_the_shrinking(project):
    raw, binned = project.tomograms()
    assert scale_between(raw, binned) == Fraction(1, 4)
    assert scale_between(binned, raw) == 4
    assert scale_between(raw, replace(binned, voxel_size=(0, 0, 0))) == Fraction(1, 4)
    assert scale_between(raw, replace(binned, shrink=1, voxel_size=(40.2, 40.2, 40.2))) == Fraction(1, 4)
    thirds = replace(raw, name="x", voxel_size=(15, 15, 15), shape=(6, 20, 31))
    assert scale_between(raw, thirds) == Fraction(2, 3)


def test_strangers_are_not_carried_to(project):
    raw, binned = project.tomograms()
    with pytest.raises(TomosegError, match="are no bins or variants of one tomogram"):
        scale_between(raw, replace(binned, family="other"))
    with pytest.raises(TomosegError, match=r"cell_bin4 \(2, 7, 15\) is not cell"):
        scale_between(raw, replace(binned, shape=(2, 7, 15)))
    with pytest.raises(TomosegError, match="in no simple ratio"):
        scale_between(raw, replace(binned, voxel_size=(0, 0, 0), shrink=97))
    with pytest.raises(TomosegError, match="cannot be carried to itself"):
        carry(project, "cell", "cell", "membrane")


def test_a_box_covers_the_same_place_in_another_bin():
    small = carry_box(box(20, 12, 6), Fraction(1, 4), "cell_bin4")
    assert (small.corner, small.size, small.centre[2]) == ((4, 2), 2, 1)
    back = carry_box(small, Fraction(4), "cell")
    assert (back.corner, back.size, back.centre[2]) == ((16, 8), 8, 6)


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(2, 3), Fraction(1, 4), Fraction(3)])
@pytest.mark.parametrize("size", [8, 9, 64])
def test_the_middle_of_a_box_moves_by_less_than_a_voxel(scale, size):
    before = box(101, 77, 4, size)
    after = carry_box(before, scale, "x")
    for old, new in zip(before.corner, after.corner, strict=True):
        assert abs((old + Fraction(size, 2)) * scale - (new + Fraction(after.size, 2))) <= Fraction(1, 2)
    assert carry_slice(0, scale) == int(scale / 2)


def test_a_label_shrinks_by_majority_with_ties_to_the_feature():
    label = np.zeros((5, 9), np.int8)
    label[0, :2] = 1  # half of the first block
    label[2, 4] = 1  # a quarter of another
    label[2:4, 6:8] = IGNORE
    carried = carry_label(label, Fraction(1, 2), (2, 4))
    assert carried.dtype == np.int8
    assert np.array_equal(carried, [[1, 0, 0, 0], [0, 0, 0, 2]])


def test_a_label_grows_by_repeating_and_ignores_what_nobody_saw():
    label = np.array([[0, 1, 2], [1, 0, 0]], np.int8)
    carried = carry_label(label, Fraction(2), (5, 7))
    assert np.array_equal(carried[:4, :6], np.kron(label, np.ones((2, 2), np.int8)))
    assert (carried[4] == IGNORE).all()
    assert (carried[:, 6] == IGNORE).all()


def test_a_label_carried_there_and_back_is_the_same():
    label = np.random.default_rng(3).integers(0, 3, (7, 11)).astype(np.int8)
    there = carry_label(label, Fraction(3, 2), (11, 17))
    assert there.shape == (11, 17)
    assert np.array_equal(carry_label(carry_label(label, Fraction(3), (21, 33)), Fraction(1, 3), (7, 11)), label)


def test_boxes_and_labels_are_carried_to_the_bin(project):
    label = np.zeros(SHAPES["cell"][1:], np.int8)
    label[8:16, 16:20] = 1
    save_label(project.label_path("cell", "membrane", 6), label, Geometry())
    project.save_boxes([box(20, 12, 6), box(8, 8, 1, kind=NEGATIVE)])
    carried = carry(project, "cell", "cell_bin4", "membrane")
    assert carried.slices == [1]
    found = load_label(project.label_path("cell_bin4", "membrane", 1), SHAPES["cell_bin4"][1:])
    assert np.argwhere(found).tolist() == [[2, 4], [3, 4]]
    copies = [each for each in project.boxes() if each.tomogram == "cell_bin4"]
    assert copies == carried.boxes
    assert [(each.centre, each.kind) for each in copies] == [((5, 3, 1), POSITIVE), ((2, 2, 0), NEGATIVE)]


def test_carrying_again_adds_nothing_and_moves_what_moved(project):
    first = box(20, 12, 6)
    project.save_boxes([first, box(5, 5, 1, 4, tomogram="cell_bin4")])
    carry(project, "cell", "cell_bin4", "membrane")
    moved = replace(first, centre=(28, 12, 6))
    project.save_boxes([moved, *(each for each in project.boxes() if each.id != first.id)])
    carry(project, "cell", "cell_bin4", "membrane")
    assert sorted(each.centre for each in project.boxes()) == [(5, 5, 1), (7, 3, 1), (28, 12, 6)]


def test_a_painted_slice_is_never_written_over(project):
    save_label(project.label_path("cell", "membrane", 6), np.ones(SHAPES["cell"][1:], np.int8), Geometry())
    mine = np.zeros(SHAPES["cell_bin4"][1:], np.int8)
    mine[0, 0] = 1
    path = project.label_path("cell_bin4", "membrane", 1)
    save_label(path, mine, Geometry())
    before = path.read_bytes()
    carried = carry(project, "cell", "cell_bin4", "membrane")
    assert (carried.slices, carried.kept) == ([], [1])
    assert path.read_bytes() == before


def test_slices_that_fall_together_keep_each_boxes_own_label(project):
    """Slices 4 and 7 both become slice 1: each box must keep what was painted in it."""
    left, right = np.zeros((2, *SHAPES["cell"][1:]), np.int8)
    left[4:12, 4:12] = 1
    right[16:24, 32:40] = 1
    save_label(project.label_path("cell", "membrane", 4), left, Geometry())
    save_label(project.label_path("cell", "membrane", 7), right, Geometry())
    project.save_boxes([box(8, 8, 4), box(36, 20, 7)])
    assert carry(project, "cell", "cell_bin4", "membrane").slices == [1]
    found = load_label(project.label_path("cell_bin4", "membrane", 1), SHAPES["cell_bin4"][1:])
    assert np.argwhere(found).tolist() == [[y, x] for y in (1, 2) for x in (1, 2)] + [
        [y, x] for y in (4, 5) for x in (8, 9)
    ]


def test_what_shrinking_cut_off_is_left_out(project):
    save_label(project.label_path("cell", "membrane", 8), np.ones(SHAPES["cell"][1:], np.int8), Geometry())
    carry(project, "cell", "cell_bin4", "membrane")
    assert annotated_slices(project, "cell_bin4", "membrane") == []
