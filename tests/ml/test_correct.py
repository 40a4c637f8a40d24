"""Deleting and relabelling components of a mask, into a new file."""

import numpy as np
import pytest

from ml.components import find_components
from ml.correct import Options, describe, run
from ml.masks import open_mask
from ml.measure import Options as MeasureOptions
from ml.measure import run as measure
from ml.options import UsageError
from ml.report import Silent
from tomo.boxes import Box
from tomo.errors import TomosegError
from tomo.label_table import label_table_path, load_label_table
from tomo.mrc import open_tomogram
from tomo.project import Project, TomogramEntry


def corrected(mask, *, delete=None, relabel=None):
    result = run(Options(mask, delete=delete, relabel=relabel), Silent())
    path = mask.with_name("cell__mask_v2.mrc")
    assert result["mask"] == str(path)
    return result, open_tomogram(path)


def test_the_component_of_the_measured_table_goes_and_the_mask_stays(mask):
    before = mask.read_bytes()
    rows = measure(MeasureOptions(mask, thickness=False, length=False), Silent())["components"]
    small = next(row for row in rows if row["name"] == "vesicle" and row["component"] == 2)
    result, after = corrected(mask, delete=("vesicle:2",))
    old = open_tomogram(mask)
    gone = (np.array(old.data) != np.array(after.data)).nonzero()
    assert len(gone[0]) == small["voxels"] == 27 and gone[0].min() == 8
    assert result["labels"] == {"1": 125, "2": 4 * 3 * 7}
    assert mask.read_bytes() == before and after.geometry == old.geometry
    assert load_label_table(label_table_path(mask.with_name("cell__mask_v2.mrc"))) == load_label_table(
        label_table_path(mask)
    )


def test_a_component_gets_another_label_also_a_new_one(mask):
    _, after = corrected(mask, relabel=("1:1=filament", "filament:1=7", "1:1=300"))  # the later one counts
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


def test_a_relabelled_component_has_the_integer_of_the_label_that_is_named(mask):
    _, after = corrected(mask, relabel=("vesicle:2=filament",))
    assert int(after.data[9, 3, 4]) == 2 and int(after.data[2, 3, 4]) == 1


def test_each_version_is_a_file_of_its_own(mask):
    corrected(mask, delete=("1:2",))
    second = run(Options(mask, delete=("1:1",)), Silent())
    assert second["mask"] == str(mask.with_name("cell__mask_v3.mrc"))
    with pytest.raises(TomosegError, match=r"_v2\.mrc is there already, and masks are not overwritten"):
        run(Options(mask, mask.with_name("cell__mask_v2.mrc"), delete=("1:1",)), Silent())
    assert int(open_tomogram(mask.with_name("cell__mask_v2.mrc")).data[2, 3, 4]) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"delete": ("vesicle:3",)}, "has no component 3 of vesicle: it has 2 of them"),
        ({"delete": ("nonsense",)}, "'nonsense' names no component: write LABEL:NUMBER"),
        ({"delete": ("vesicle:-1",)}, "'vesicle:-1' names no component"),
        ({"delete": ("tail:1",)}, "has no label 'tail': its labels are vesicle, filament"),
        ({"relabel": ("1:1",)}, "'1:1' names no new label: write LABEL:NUMBER=NEW"),
        ({"relabel": ("1:1=tail",)}, "has no label 'tail'"),
        ({"relabel": ("1:1=40000",)}, "has no label '40000'"),
        ({"delete": ("1:1", "1:2", "2:1")}, "would leave nothing of cell__mask.mrc"),
    ],
)
def test_impossible_edits_are_one_sentence_and_no_file(mask, given, words):
    with pytest.raises(TomosegError, match=words):
        corrected(mask, **given)
    assert not mask.with_name("cell__mask_v2.mrc").exists()


def test_the_mask_is_never_its_own_output(mask):
    with pytest.raises(TomosegError, match="is the mask itself"):
        run(Options(mask, mask, delete=("1:2",)), Silent())


@pytest.fixture
def project(tmp_path, mask):
    """A project with the mask's tomogram and its features."""
    made = Project.create(tmp_path / "project")
    made.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc", shape=(12, 14, 20)))
    made.add_feature("vesicle")
    return made


def test_a_false_component_becomes_negative_boxes_and_goes(mask, project):
    options = Options(mask, negatives=("vesicle:2",), project=project.folder, box_size=4, slices=2)
    result = run(options, Silent())
    # The block covers x 3 to 5, y 2 to 4, z 8 to 10: the middle of its voxels is 4, 3.
    boxes = [(box.tomogram, box.feature, box.kind, box.centre, box.size) for box in project.boxes()]
    assert boxes == [("cell", "vesicle", "negative", (4, 3, z), 4) for z in (8, 10)]
    assert result["negatives"] == 2 and result["labels"]["1"] == 125
    assert describe(result).splitlines()[1] == "Placed 2 negative boxes"


def test_the_component_may_stay_and_then_no_mask_is_written(mask, project):
    result = run(Options(mask, negatives=("1:2",), project=project.folder, box_size=4, keep=True), Silent())
    assert result["mask"] is None and len(project.boxes()) == 3
    assert sorted(mask.parent.glob("*.mrc")) == [mask]


def test_no_box_is_placed_where_a_person_put_a_positive_one(mask, project):
    project.save_boxes([Box("cell", "vesicle", "positive", (6, 3, 8), 4)])
    result = run(Options(mask, negatives=("1:2",), project=project.folder, box_size=4), Silent())
    assert result["left_out"] == 1
    assert [box.centre[2] for box in project.boxes() if box.kind == "negative"] == [9, 10]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"negatives": ("filament:1",), "box_size": 4}, "'filament' is no feature of the project"),
        ({"negatives": ("1:1",), "box_size": 64}, "larger than a slice of cell"),
        ({"negatives": ("1:1",), "box_size": 4, "tomogram": "other"}, "no tomogram 'other'"),
    ],
)
def test_impossible_boxes_are_one_sentence_and_nothing_is_written(mask, project, given, words):
    with pytest.raises(TomosegError, match=words):
        run(Options(mask, delete=("1:2",), project=project.folder, **given), Silent())
    assert project.boxes() == [] and sorted(mask.parent.glob("*.mrc")) == [mask]


def test_a_mask_of_another_size_gets_no_boxes(mask, project):
    project.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc", shape=(12, 14, 21)))
    with pytest.raises(TomosegError, match="has 20 × 14 × 12 voxels and cell has 21 × 14 × 12"):
        run(Options(mask, negatives=("1:2",), project=project.folder, box_size=4), Silent())


@pytest.mark.parametrize("given", [{}, {"negatives": ("1:1",)}, {"delete": ("1:1",), "slices": 0}])
def test_options_that_say_too_little_are_wrong_usage(mask, given):
    with pytest.raises(UsageError):
        run(Options(mask, **given), Silent())
