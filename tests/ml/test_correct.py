"""Deleting and relabelling components of a mask, into a new file."""

import numpy as np
import pytest

from ml.components import find_components
from ml.correct import Options, run
from ml.masks import open_mask
from ml.measure import Options as MeasureOptions
from ml.measure import run as measure
from ml.report import Silent
from tomo.errors import TomosegError
from tomo.label_table import label_table_path, load_label_table
from tomo.mrc import open_tomogram


def corrected(mask, *edits):
    path = mask.with_name("cell__mask_v2.mrc")
    return run(Options(mask, path, edits), Silent()), open_tomogram(path)


def test_the_component_of_the_measured_table_goes_and_the_mask_stays(mask):
    before = mask.read_bytes()
    rows = measure(MeasureOptions(mask, thickness=False, length=False), Silent())["components"]
    small = next(row for row in rows if row["name"] == "vesicle" and row["component"] == 2)
    result, after = corrected(mask, "1:2=0")
    old = open_tomogram(mask)
    gone = (np.array(old.data) != np.array(after.data)).nonzero()
    assert len(gone[0]) == small["voxels"] == 27 and gone[0].min() == 8
    assert result["labels"] == {"1": 125, "2": 4 * 3 * 7}
    assert mask.read_bytes() == before and after.geometry == old.geometry
    assert load_label_table(label_table_path(mask.with_name("cell__mask_v2.mrc"))) == load_label_table(
        label_table_path(mask)
    )


def test_a_component_gets_another_label_also_a_new_one(mask):
    _, after = corrected(mask, "1:1=2", "2:1=7", "1:1=300")  # the later one counts
    assert after.data.dtype == np.int16
    assert [int(after.data[2, 3, 4]), int(after.data[9, 3, 4]), int(after.data[5, 10, 13])] == [300, 1, 7]
    names = {entry.value: entry.name for entry in load_label_table(label_table_path(after.path))}
    assert names == {1: "vesicle", 2: "filament", 7: "label 7", 300: "label 300"}


def test_voxels_that_meet_at_corners_are_one_component_here_too(mask):
    components = find_components(open_mask(mask, Silent()), Silent())
    assert [(int(v), int(n)) for v, n in zip(components.table.value, components.number, strict=True)] == [
        (1, 1),
        (1, 2),
        (2, 1),
    ]


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (("1:3=0",), "has no component 3 of label 1"),
        (("nonsense",), "'nonsense' is no edit"),
        (("1:1=0", "1:2=0", "2:1=0"), "would leave nothing of cell__mask.mrc"),
    ],
)
def test_impossible_edits_are_one_sentence_and_no_file(mask, edits, words):
    with pytest.raises(TomosegError, match=words):
        corrected(mask, *edits)
    assert not mask.with_name("cell__mask_v2.mrc").exists()


def test_the_mask_is_never_its_own_output(mask):
    with pytest.raises(TomosegError, match="is the mask itself"):
        run(Options(mask, mask, ("1:2=0",)), Silent())
