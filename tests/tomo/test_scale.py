"""The size of what was painted: a bin is offered where it does not suit the boxes, with the reason."""

import math
import re

import numpy as np
import pytest

from tomo.boxes import Box
from tomo.geometry import Geometry
from tomo.labels import save_label
from tomo.lint import check_annotation
from tomo.mrc import write_mrc
from tomo.project import Project, TomogramEntry
from tomo.scale import known_part, scale_hint, width_of


def disc(side, radius, centre):
    y, x = np.ogrid[:side, :side]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def everywhere(mask):
    return np.ones_like(mask)


@pytest.mark.parametrize("radius", [3, 12, 40])
def test_a_disc_is_as_wide_as_its_diameter(radius):
    mask = disc(150, radius, (60, 70))
    assert width_of(mask, everywhere(mask), 128) == pytest.approx(2 * radius + 1, rel=0.17, abs=2)


def test_a_long_line_is_as_wide_as_it_is_thick():
    mask = np.zeros((90, 130), bool)
    mask[20:25, 5:125] = True
    assert width_of(mask, everywhere(mask), 128) == 5
    mask[60:63, 5:15] = True  # a small thinner part hardly counts
    assert width_of(mask, everywhere(mask), 128) == 5


def test_a_large_slice_is_looked_at_coarsely():
    mask = disc(1500, 300, (700, 800))
    assert width_of(mask, everywhere(mask), 900) == pytest.approx(601, rel=0.17)


def test_what_goes_on_outside_the_boxes_is_not_narrow():
    mask = np.zeros((60, 80), bool)
    mask[10:26, 20:36] = True  # fills its box, so it may go on beyond
    box = Box("cell", "mito", "positive", (28, 18, 3), 16)
    assert width_of(mask, known_part(mask, [box]), 32) == math.inf
    wider = mask.copy()
    wider[5:45, 15:50] = True  # painted beyond the box: then all of it was painted
    assert width_of(wider, known_part(wider, [box]), 64) == pytest.approx(35, abs=2)


def test_nothing_painted_has_no_width():
    empty = np.zeros((9, 11), bool)
    assert width_of(empty, everywhere(empty), 64) is None
    assert scale_hint("mito", "cell", [], 64, 1) is None


@pytest.mark.parametrize(
    ("widths", "shrink", "words"),
    [
        ([180, 170, 190], 1, "mito is about 180 voxels wide in cell: at shrink 3 it fits a box of 64"),
        ([100], 2, "at shrink 4 it fits"),
        ([math.inf], 2, "fills its boxes of 64 voxels in cell, so its outline cannot be seen: .* shrink 4 or more"),
        ([3], 4, "only about 3 voxels wide in cell, which was shrunk 4 times: at shrink 2"),
    ],
)
def test_the_hint_gives_the_bin_and_the_reason(widths, shrink, words):
    assert re.search(words, scale_hint("mito", "cell", widths, 64, shrink))


@pytest.mark.parametrize(("width", "shrink"), [(64, 1), (20, 4), (3, 1), (5, 4)])
def test_there_is_no_hint_where_the_size_suits(width, shrink):
    assert scale_hint("mito", "cell", [width], 64, shrink) is None


def test_checking_the_annotation_offers_the_bin(tmp_path):
    project = Project.create(tmp_path / "project")
    shape = (5, 120, 130)
    write_mrc(project.tomogram_path("cell"), np.random.default_rng(0).normal(size=shape).astype(np.float32), Geometry())
    project.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc", shape=shape))
    project.add_feature("mito")
    label = np.zeros(shape[1:], np.int8)
    label[disc(130, 38, (60, 62))[:120]] = 1
    save_label(project.label_path("cell", "mito", 3), label, Geometry())
    project.save_boxes([Box("cell", "mito", "positive", (62, 60, 3), 32)])
    (hint,) = [found for found in check_annotation(project, "mito") if "voxels wide" in found.sentence]
    assert "at shrink 3 it fits a box of 32" in hint.sentence
    assert (hint.tomogram, hint.z, hint.problem) == ("cell", 3, False)
