# What the demo makes of the files it is given, and the scores it prints.
import numpy as np
import pytest

from demo import inputs, scores
from demo.__main__ import main
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.label_table import LabelEntry, save_label_table
from tomo.mrc import write_mrc

GEOMETRY = Geometry((10.0, 10.0, 10.0))
SHAPE = (9, 20, 30)


@pytest.fixture
def files(tmp_path):
    """A tomogram with a dark bar, and its label volume; returns (tomogram, label, the label's array)."""
    label = np.zeros(SHAPE, np.int8)
    label[:, 3:9, 4:20] = 7
    data = np.random.default_rng(0).normal(0, 0.1, SHAPE).astype(np.float32) - (label != 0)
    write_mrc(tmp_path / "cell.mrc", data, GEOMETRY)
    write_mrc(tmp_path / "cell__bar.mrc", label, GEOMETRY)
    return tmp_path / "cell.mrc", tmp_path / "cell__bar.mrc", label


def test_every_fourth_slice_is_held_out_and_dark_features_are_seen(files):
    material = inputs.given(files[0], [files[1]])
    assert material.held_out == [3, 7] and material.train == [0, 1, 2, 4, 5, 6, 8]
    assert material.dark and material.box == 20 and list(material.labels) == ["bar"]


def test_dice_counts_held_out_slices_only(files, tmp_path):
    material = inputs.given(files[0], [files[1]])
    mask = (files[2] != 0).astype(np.int8) * 2
    mask[material.train] = 0
    assert scores.dice_per_feature(mask, {"bar": 2}, material) == {"bar": 1.0}
    mask[3] = 0
    assert scores.dice_per_feature(mask, {"bar": 2}, material)["bar"] == pytest.approx(2 / 3)
    write_mrc(tmp_path / "mask.mrc", mask, GEOMETRY)
    save_label_table(tmp_path / "mask.json", [LabelEntry(2, "bar", "#e69f00")])
    assert scores.lines(tmp_path / "mask.mrc", material) == ["Dice of bar on the 2 slices never trained on: 0.667"]


def test_shuffled_labels_score_badly(files):
    material = inputs.given(files[0], [files[1]])
    shuffled = np.random.default_rng(1).permutation((files[2] != 0).reshape(-1)).reshape(SHAPE).astype(np.int8)
    assert scores.dice_per_feature(shuffled, {"bar": 1}, material)["bar"] < 0.3


def test_labels_that_do_not_fit_are_named(files, tmp_path):
    write_mrc(tmp_path / "small.mrc", np.ones((2, 3, 4), np.int8), GEOMETRY)
    write_mrc(tmp_path / "empty.mrc", np.zeros(SHAPE, np.int8), GEOMETRY)
    (tmp_path / "other").mkdir()
    write_mrc(tmp_path / "other" / "x__bar.mrc", files[2], GEOMETRY)
    with pytest.raises(TomosegError, match=r"small\.mrc has the shape"):
        inputs.given(files[0], [tmp_path / "small.mrc"])
    with pytest.raises(TomosegError, match="mark nothing"):
        inputs.given(files[0], [tmp_path / "empty.mrc"])
    with pytest.raises(TomosegError, match="name the same feature"):
        inputs.given(files[0], [files[1], tmp_path / "other" / "x__bar.mrc"])


def test_a_folder_that_is_no_demo_project_is_left_alone(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "thesis.txt").write_text("years of work")
    with pytest.raises(TomosegError, match="no project of the demo"):
        inputs.fresh_folder(tmp_path)
    assert (tmp_path / "project" / "thesis.txt").exists()


def test_a_tomogram_without_labels_ends_with_one_sentence(files, tmp_path, capsys):
    assert main(["--tomogram", str(files[0]), "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("demo: A tomogram and its labels go together")
