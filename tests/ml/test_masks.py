"""What a mask may hold, and the one sentence for what it may not."""

from pathlib import Path

import numpy as np
import pytest

from ml.masks import open_mask
from ml.report import Silent
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.label_table import LabelEntry, label_table_path, save_label_table
from tomo.mrc import write_mrc

SHAPE = (5, 7, 11)
GEOMETRY = Geometry((10.0, 10.0, 10.0))


def _write(folder, array, name="cell__mask.mrc"):
    path = folder / name
    write_mrc(path, array, GEOMETRY)
    return path


def test_each_label_comes_with_its_voxels_box_name_and_colour(tmp_path):
    values = np.zeros(SHAPE, np.int8)
    values[0, 0, :3] = 2
    values[4, 6, 10] = 5
    path = _write(tmp_path, values)
    save_label_table(label_table_path(path), [LabelEntry(2, "membrane", "#123456")])
    first, second = open_mask(path, Silent()).labels
    assert (first.entry.name, first.entry.colour, first.voxels) == ("membrane", "#123456", 3)
    assert first.box == (slice(0, 1), slice(0, 1), slice(0, 3))
    assert (second.entry.name, second.entry.value, second.voxels) == ("label 5", 5, 1)


def test_the_tomograms_name_is_what_stands_before_the_separator(tmp_path):
    values = np.ones(SHAPE, np.int8)
    assert open_mask(_write(tmp_path, values), Silent()).name == "cell"
    assert open_mask(_write(tmp_path, values, "cell_7.mrc"), Silent()).name == "cell_7"


def test_whole_numbers_stored_as_floats_are_labels(tmp_path):
    values = np.zeros(SHAPE, np.float32)
    values[1, 2, 3] = 3.0
    mask = open_mask(_write(tmp_path, values), Silent())
    assert [extent.entry.value for extent in mask.labels] == [3]
    assert mask.read((slice(1, 2), slice(2, 3), slice(3, 4))).tolist() == [[[3]]]


def test_a_map_is_a_mask_at_its_threshold_named_by_its_feature(tmp_path):
    values = np.zeros(SHAPE, np.float32)
    values[1, 2, 3:6] = 0.8, 0.81, 2.5
    mask = open_mask(_write(tmp_path, values, "cell__ribosome.mrc"), Silent(), threshold=np.float32(0.8).item())
    assert [(extent.entry.name, extent.voxels) for extent in mask.labels] == [("ribosome", 2)]


def test_every_second_voxel_lies_where_it_lay(tmp_path):
    path = _write(tmp_path, np.ones(SHAPE, np.int8))
    mask = open_mask(path, Silent(), sample=2)
    assert mask.shape == (3, 4, 6)
    # The centre of the first voxel is 5 Å from the corner, before and after.
    assert mask.geometry.place[0] + mask.geometry.voxel_size[0] / 2 == 5.0


def _fractions(values):
    values[0, 0, 0] = 0.5


def _negative(values):
    values[0, 0, 0] = -1


def _not_a_number(values):
    values[0, 0, 0] = np.nan


def _too_large(values):
    values[0, 0, 0] = 1e6


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_fractions, "holds fractions, so it is a map"),
        (_negative, "holds negative values (-1)"),
        (_not_a_number, "holds voxels that are no numbers"),
        (_too_large, "too large for labels"),
    ],
)
def test_values_that_are_no_labels_are_refused_in_one_sentence(tmp_path, damage, words):
    values = np.ones(SHAPE, np.float32)
    damage(values)
    path = _write(tmp_path, values)
    with pytest.raises(TomosegError) as caught:
        open_mask(path, Silent())
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_an_empty_mask_is_refused_in_one_sentence(tmp_path):
    path = _write(tmp_path, np.zeros(SHAPE, np.int8))
    with pytest.raises(TomosegError, match="holds no label"):
        open_mask(path, Silent())


def test_a_map_that_stays_below_the_threshold_is_refused(tmp_path):
    values = np.linspace(0, 0.7, 5 * 7 * 11, dtype=np.float32).reshape(SHAPE)
    with pytest.raises(TomosegError, match=r"nowhere above 0\.8"):
        open_mask(_write(tmp_path, values), Silent(), threshold=0.8)


def test_sixty_thousand_labels_are_refused_in_one_sentence(tmp_path):
    values = np.arange(60_000, dtype=np.uint16).reshape(50, 40, 30)
    with pytest.raises(TomosegError, match="more than 1000 different labels"):
        open_mask(_write(tmp_path, values), Silent())


def test_a_mask_that_does_not_exist_is_named():
    with pytest.raises(TomosegError, match=r"nowhere\.mrc"):
        open_mask(Path("nowhere.mrc"), Silent())
