"""Maps compete voxel by voxel; the mask says who won, and the table beside it what each number means."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ml.cli import main
from ml.merge import Options, label_names, merge_slab, run
from ml.options import UsageError
from ml.report import Silent
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.label_table import load_label_table
from tomo.mrc import open_tomogram, write_mrc

SHAPE = (5, 7, 11)
GEOMETRY = Geometry((13.6, 13.6, 13.6), (100.0, -50.0, 25.0), (3, 4, 5))


@pytest.fixture
def maps(tmp_path):
    """Three maps; `mito` strong in one corner, `vesicle` elsewhere, `carbon` everywhere but weak."""
    mito, vesicle, carbon = (np.zeros(SHAPE, np.float32) for _ in range(3))
    mito[0, 1, 2] = 1.5
    vesicle[0, 1, 2], vesicle[4, 6, 10] = 1.0, 0.9
    carbon[:] = 0.5
    paths = []
    for name, array in {"mito": mito, "vesicle": vesicle, "carbon": carbon}.items():
        paths.append(tmp_path / f"cell1__{name}.mrc")
        write_mrc(paths[-1], array, GEOMETRY)
    return paths


def merged(tmp_path, maps, **options):
    output = tmp_path / "out" / "cell1__mask.mrc"
    result = run(Options(tuple(maps), output, **options), Silent())
    return open_tomogram(output), result


def test_the_largest_value_above_the_threshold_wins(tmp_path, maps):
    mask, result = merged(tmp_path, maps)
    expected = np.zeros(SHAPE, np.int8)
    expected[0, 1, 2], expected[4, 6, 10] = 1, 2
    assert mask.data.dtype == np.int8
    assert (mask.data == expected).all()
    assert mask.geometry == GEOMETRY
    assert [label["voxels"] for label in result["labels"]] == [1, 1, 0]


def test_each_map_has_its_own_threshold(tmp_path, maps):
    mask, _ = merged(tmp_path, maps, threshold=(2.0, 0.95, 0.4))
    assert mask.data[0, 1, 2] == 2  # mito is stronger there, but not above its own threshold
    assert mask.data[4, 6, 10] == 3
    assert (np.delete(mask.data.ravel(), [13]) == 3).all()


def test_the_table_beside_the_mask_names_the_labels(tmp_path, maps):
    _, result = merged(tmp_path, maps, colours=("#ff0000", "#00ff00", "#0000ff"))
    table = load_label_table(tmp_path / "out" / "cell1__mask.json")
    assert [(entry.value, entry.name, entry.colour) for entry in table] == [
        (1, "mito", "#ff0000"),
        (2, "vesicle", "#00ff00"),
        (3, "carbon", "#0000ff"),
    ]
    assert result["label_table"] == str(tmp_path / "out" / "cell1__mask.json")


def test_ties_go_to_the_first_and_the_threshold_itself_does_not_win():
    tied = np.full((1, 1, 3), 0.9, np.float32)
    exact = np.full((1, 1, 3), 0.8, np.float32)
    assert merge_slab([tied, tied], [0.8, 0.8], np.int8).tolist() == [[[1, 1, 1]]]
    assert merge_slab([exact, exact], [0.8, 0.8], np.int8).tolist() == [[[0, 0, 0]]]
    assert merge_slab([exact, tied], [0.7, 0.8], np.int8).tolist() == [[[2, 2, 2]]]


def test_nan_never_wins():
    bad, good = np.full((1, 1, 2), np.nan, np.float32), np.array([[[0.9, 0.1]]], np.float32)
    assert merge_slab([bad, good], [0.8, 0.8], np.int8).tolist() == [[[2, 0]]]
    assert merge_slab([good, bad], [0.8, 0.8], np.int8).tolist() == [[[1, 0]]]


@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "float16", ">f4", ">f2"])
def test_any_type_of_map_competes_with_any_other(kind):
    values = np.random.default_rng(1).normal(0.5, 1.0, (2, *SHAPE)).astype(np.float32)
    first = (np.abs(values[0]) * 2).astype(kind)
    native = first.astype(np.float64)
    expected = np.where((native > 0.8) & (native >= values[1]), 1, np.where(values[1] > np.float32(0.8), 2, 0))
    expected = np.where((native > 0.8) & ~(values[1] > native), 1, expected)
    assert (merge_slab([first, values[1]], [0.8, 0.8], np.int8) == expected).all()


def test_negative_thresholds_let_negative_values_win():
    low, lower = np.full((1, 1, 1), -0.5, np.float16), np.full((1, 1, 1), -0.7, np.float32)
    assert merge_slab([lower, low], [-1.0, -1.0], np.int8).item() == 2


def test_many_maps_make_a_wider_mask(tmp_path):
    paths = []
    for number in range(128):
        array = np.zeros((2, 2, 130), np.int8)
        array[1, 1, number] = 1
        paths.append(tmp_path / f"t__f{number}.mrc")
        write_mrc(paths[-1], array, GEOMETRY)
    mask, _ = merged(tmp_path, paths[:127])
    assert mask.data.dtype == np.int8
    mask, _ = merged(tmp_path, paths)
    assert mask.data.dtype == np.int16
    assert mask.data[1, 1].tolist() == [*range(1, 129), 0, 0]


def test_slabs_of_a_larger_map_fall_into_their_places(tmp_path, maps, monkeypatch):
    monkeypatch.setattr("ml.merge.SLAB_VOXELS", 1)
    mask, _ = merged(tmp_path, maps)
    assert np.argwhere(mask.data).tolist() == [[0, 1, 2], [4, 6, 10]]


def test_names_follow_the_double_underscore_and_are_never_given_twice(tmp_path):
    paths = [tmp_path / name for name in ("a__mito.mrc", "actin.rec", "b__x__mito.mrc.gz", "c__mito.mrc")]
    assert label_names(paths) == ["mito", "actin", "mito 2", "mito 3"]


def test_maps_of_another_bin_merge_at_the_size_of_the_largest(tmp_path):
    large, small = np.zeros((8, 12, 16), np.float32), np.zeros((4, 6, 8), np.float32)
    large[6:, 8:, 12:] = 1.0
    small[:2, :2, :2] = 1.0
    write_mrc(tmp_path / "t__large.mrc", large, Geometry((10.0,) * 3))
    write_mrc(tmp_path / "t_bin2__small.mrc", small, Geometry((20.0,) * 3))
    paths = [tmp_path / "t__large.mrc", tmp_path / "t_bin2__small.mrc"]
    mask, _ = merged(tmp_path, paths, resample=True, threshold=(0.5,))
    assert mask.shape == (8, 12, 16)
    assert (mask.data[:3, :3, :3] == 2).all()
    assert (mask.data[6:, 8:, 12:] == 1).all()
    assert mask.data[:4, 8:, :].max() == 0
    like, _ = merged(tmp_path, paths, like=tmp_path / "t_bin2__small.mrc", threshold=(0.5,))
    assert like.shape == (4, 6, 8)
    assert like.data[0, 0, 0] == 2
    assert like.data[3, 5, 7] == 1


def test_maps_of_unlike_shape_are_refused_by_both_names(tmp_path, maps):
    write_mrc(tmp_path / "cell2__actin.mrc", np.zeros((5, 7, 12), np.float32), GEOMETRY)
    with pytest.raises(TomosegError) as refused:
        merged(tmp_path, [maps[0], tmp_path / "cell2__actin.mrc"])
    assert "cell1__mito.mrc" in str(refused.value)
    assert "cell2__actin.mrc has 12 × 7 × 5 voxels" in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("count", [2, 4])
def test_a_wrong_number_of_thresholds_is_wrong_usage(tmp_path, maps, count):
    with pytest.raises(UsageError, match=f"one each for 3 maps, not {count}"):
        merged(tmp_path, maps, threshold=(0.5,) * count)


def test_a_mask_never_overwrites_a_map(tmp_path, maps):
    before = maps[0].read_bytes()
    with pytest.raises(TomosegError, match="one of the files to read"):
        run(Options(tuple(maps), maps[0]), Silent())
    assert maps[0].read_bytes() == before


def test_the_command_line_gives_the_same_mask_and_one_line_of_json(tmp_path, maps, capsys):
    mask, result = merged(tmp_path, maps, threshold=(0.7,))
    other = tmp_path / "other.mrc"
    words = ["merge", *map(str, maps), "--output", str(other), "--threshold", "0.7", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["labels"] == result["labels"]
    assert (open_tomogram(other).data == mask.data).all()


def merge_in_a_process(*words):
    command = [sys.executable, "-m", "ml", "merge", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_one_map_only_is_wrong_usage(tmp_path, maps):
    ended = merge_in_a_process(maps[0], "--output", tmp_path / "mask.mrc")
    assert ended.returncode == 2
    assert "two maps or more" in ended.stderr


def test_one_map_makes_a_mask_where_that_is_asked_for(tmp_path, maps):
    mask, _ = merged(tmp_path, maps[:1], alone=True)
    assert np.argwhere(mask.data).tolist() == [[0, 1, 2]]


def test_wrong_thresholds_are_wrong_usage(tmp_path, maps):
    ended = merge_in_a_process(*maps, "--output", tmp_path / "mask.mrc", "--threshold", 0.5, 0.6)
    assert ended.returncode == 2
    assert "one each for 3 maps" in ended.stderr


@pytest.mark.parametrize("content", [b"", b"not a map at all", None])
def test_a_bad_map_is_told_in_the_last_line_and_leaves_nothing(tmp_path, maps, content):
    bad = tmp_path / "cell1__bad.mrc"
    if content is not None:
        bad.write_bytes(content)
    ended = merge_in_a_process(maps[0], bad, "--output", tmp_path / "out" / "mask.mrc")
    assert ended.returncode == 1
    assert str(bad) in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path, maps):
    (tmp_path / "file").write_text("in the way")
    ended = merge_in_a_process(*maps, "--output", tmp_path / "file" / "mask.mrc")
    assert ended.returncode == 1
    assert "Cannot write" in ended.stderr.splitlines()[-1]
