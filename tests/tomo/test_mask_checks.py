"""What is asked of every mask: one sentence for each way in which it is none."""

from pathlib import Path

import numpy as np
import pytest

from tomo.errors import TomosegError
from tomo.mask_checks import check_label_values, check_numbers, check_same_size, size_words

MASK = Path("cell__mask.mrc")


def test_sizes_are_told_with_x_first():
    assert size_words((5, 7, 11)) == "11 × 7 × 5"


def test_another_size_is_told_with_both_and_what_to_do():
    check_same_size(MASK, (5, 7, 11), "cell", [5, 7, 11], "choose its own mask")
    words = r"^cell__mask\.mrc has 10 × 7 × 5 voxels and cell has 11 × 7 × 5: choose its own mask\.$"
    with pytest.raises(TomosegError, match=words):
        check_same_size(MASK, (5, 7, 10), "cell", (5, 7, 11), "choose its own mask")


@pytest.mark.parametrize("values", [[0, 1, 300], [0.0, 2.0], [], [True, False]])
def test_whole_numbers_are_labels_however_they_are_stored(values):
    check_label_values(MASK, np.array(values))


@pytest.mark.parametrize(
    "values, words",
    [
        ([0.0, 0.4], "holds fractions, so it is a map and no mask: merge it into a mask first, or look again."),
        ([0, -3], "holds negative values (-3), which cannot be labels: export it again."),
        ([0.0, -2.0], "holds negative values (-2), which cannot be labels: export it again."),
        ([0.0, np.nan], "holds voxels that are no numbers (NaN or infinite): export it again."),
        ([0.0, np.inf], "holds voxels that are no numbers (NaN or infinite): export it again."),
    ],
)
def test_what_cannot_be_labels_is_one_sentence(values, words):
    with pytest.raises(TomosegError) as caught:
        check_label_values(MASK, np.array(values), ", or look again")
    assert str(caught.value) == f"{MASK} {words}"


def test_a_map_may_hold_fractions_and_negative_values_but_numbers_only():
    check_numbers(MASK, np.array([-0.5, 0.25]))
    with pytest.raises(TomosegError, match="no numbers"):
        check_numbers(MASK, np.array([np.nan]))
