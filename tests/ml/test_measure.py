"""`tomoseg measure`: what it prints, writes and refuses."""

import csv
import json

import numpy as np
import pytest
import starfile

from ml import measure
from ml.cli import main, run_step
from ml.measure import Options, describe, run
from ml.report import Silent
from ml.star import star_table
from tomo.geometry import Geometry
from tomo.mrc import write_mrc
from tomo.standing import FolderGone

GEOMETRY = Geometry((10.0, 10.0, 10.0), nstart=(3, -4, 5))


def exit_status(words):
    """What the shell would see: wrong usage ends in argparse's SystemExit."""
    try:
        return main([str(word) for word in words])
    except SystemExit as end:
        return end.code


def test_labels_and_components_have_their_voxels_and_volumes(mask):
    result = run(Options(mask), Silent())
    assert [(row["name"], row["components"], row["voxels"]) for row in result["labels"]] == [
        ("vesicle", 2, 152),
        ("filament", 1, 84),
    ]
    assert [(row["name"], row["component"], row["volume_nm3"]) for row in result["components"]] == [
        ("vesicle", 1, pytest.approx(125)),
        ("vesicle", 2, pytest.approx(27)),
        ("filament", 1, pytest.approx(84)),
    ]
    assert result["labels"][0]["area_nm2"] == pytest.approx(6 * 25 + 6 * 9, rel=0.06)
    assert "vesicle" in describe(result)


def test_a_component_is_where_it_is_in_voxels_and_in_angstrom(mask):
    found = run(Options(mask), Silent())["components"][2]
    assert [found[f"centroid_{axis}"] for axis in "xyz"] == pytest.approx([15, 10, 5.5])
    # Its middle, half a voxel from the corner of voxel 15, and the header's start: (15.5 + 3) · 10 Å.
    assert [found[f"centroid_{axis}_angstrom"] for axis in "xyz"] == pytest.approx([185, 65, 110])
    assert [(found[f"low_{axis}"], found[f"high_{axis}"]) for axis in "xyz"] == [(12, 18), (9, 11), (4, 7)]
    assert found["at_border"] is False


def test_an_l_in_one_corner_keeps_its_place_and_hand(tmp_path):
    values = np.zeros((11, 13, 17), np.int8)
    values[0:3, 0:4, 0:6] = 1
    values[3:6, 0:4, 0:2] = 1  # a foot up in z at low x
    path = tmp_path / "cell__l.mrc"
    write_mrc(path, values, Geometry((8.0, 10.0, 20.0), origin=(100.0, -50.0, 7.0), nstart=(3, 4, 5)))
    found = run(Options(path), Silent())["components"][0]
    voxels = np.argwhere(values)[:, ::-1]
    expected = (voxels.mean(0) + 0.5) * (8, 10, 20) + (100, -50, 7)
    assert [found[f"centroid_{axis}_angstrom"] for axis in "xyz"] == pytest.approx(expected.tolist())
    assert found["at_border"] is True and found["volume_nm3"] == pytest.approx(96 * 1.6)


def test_the_csv_holds_labels_then_components_with_the_settings_beside(mask, tmp_path):
    path = tmp_path / "out" / "counts.csv"
    run(Options(mask, csv=path, smallest=30.0), Silent())
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [(row["kind"], row["name"], row["voxels"]) for row in rows] == [
        ("label", "vesicle", "125"),
        ("label", "filament", "84"),
        ("component", "vesicle", "125"),
        ("component", "filament", "84"),
    ]
    assert rows[0]["components"] == "1" and rows[2]["low_x"] == "3"
    settings = json.loads((tmp_path / "out" / "counts_settings.json").read_text(encoding="utf-8"))
    assert settings["smallest"] == 30.0 and settings["connectivity"] == 26


def test_the_star_file_counts_from_the_corner_for_relion_4_and_from_the_middle_for_relion_5(mask, tmp_path):
    path = tmp_path / "vesicles.star"
    run(Options(mask, star=path, features=("filament",)), Silent())
    table = starfile.read(path)
    assert table["rlnTomoName"].tolist() == ["cell"] and table["rlnClassNumber"].tolist() == [2]
    assert table[[f"rlnCoordinate{axis}" for axis in "XYZ"]].to_numpy()[0] == pytest.approx([15, 10, 5.5])
    centred = table[[f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]].to_numpy()[0]
    assert centred == pytest.approx([(15 - 10) * 10, (10 - 7) * 10, (5.5 - 6) * 10])
    assert "# connectivity: 26" in path.read_text(encoding="utf-8")


def test_coordinates_of_a_shrunk_tomogram_count_the_unbinned_voxels():
    # The first voxel of a bin of 4 covers voxels 0 to 3, so its centre lies at 1.5.
    table = star_table(np.array([[0.0, 1.0, 2.0]]), (5, 7, 11), (8.0, 8.0, 8.0), tomogram="cell", unbinned=2.0)
    assert table[[f"rlnCoordinate{axis}" for axis in "XYZ"]].to_numpy()[0] == pytest.approx([1.5, 5.5, 9.5])
    assert table["rlnCenteredCoordinateXAngst"][0] == pytest.approx((1.5 - 22) * 2)


@pytest.mark.parametrize(("flavour", "absent"), [("4", "rlnCenteredCoordinateXAngst"), ("5", "rlnCoordinateX")])
def test_either_relion_may_have_its_columns_alone(flavour, absent):
    table = star_table(np.zeros((1, 3)), (5, 7, 11), (8.0, 8.0, 8.0), tomogram="cell", flavour=flavour)
    assert absent not in table and len(table.columns) == 4


def test_without_a_voxel_size_there_are_counts_but_no_lengths(tmp_path, capsys):
    path = tmp_path / "unknown__mask.mrc"
    values = np.zeros((5, 7, 11), np.int8)
    values[1:4, 1:4, 1:4], values[4, 6, 10] = 1, 1
    write_mrc(path, values, Geometry((1.0, 1.0, 1.0)))
    assert main(["measure", str(path), "--json", "--smallest", "2", "--star", str(tmp_path / "a.star")]) == 0
    captured = capsys.readouterr()
    row = json.loads(captured.out.splitlines()[-1])["components"][0]
    assert row["voxels"] == 27 and row["volume_nm3"] is None and row["centroid_x_angstrom"] is None
    assert "is unknown, so there are counts of voxels only" in captured.err
    assert "rlnCenteredCoordinateXAngst" not in starfile.read(tmp_path / "a.star", always_dict=True)["particles"]
    assert main(["measure", str(path), "--voxel-size", "10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["components"][0]["volume_nm3"] == pytest.approx(27)


def test_distances_are_told_per_component_and_per_label(mask):
    result = run(Options(mask, distances_to=("filament",), thickness=False, length=False), Silent())
    key = "distance_to_filament_nm"
    # From x = 7 to 12 and y = 6 to 9: √(5² + 3²) voxels between centres, 1 nm each.
    assert result["components"][0][key] == pytest.approx(np.sqrt(34) - 1)
    assert result["components"][2][key] is None
    assert result["labels"][0][key] == result["components"][0][key]
    assert result["components"][0]["thickness_nm"] is None and result["components"][0]["length_nm"] is None


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--features", "virion"], 1, "holds no 'virion': its labels are vesicle, filament"),
        (["--distances-to", "virion"], 1, "holds no 'virion'"),
        (["--voxel-size", "-2"], 1, "impossible"),
        (["--smallest", "-1"], 2, "--smallest is a volume in nm³"),
        (["--unbinned-voxel-size", "0"], 2, "--unbinned-voxel-size is a length"),
    ],
)
def test_impossible_wishes_get_one_sentence_and_no_file(mask, tmp_path, capsys, words, status, sentence):
    table = tmp_path / "counts.csv"
    assert exit_status(["measure", mask, "--csv", table, *words]) == status
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not table.exists()


def test_relion_5_needs_a_voxel_size(tmp_path, capsys):
    path = tmp_path / "unknown__mask.mrc"
    write_mrc(path, np.ones((5, 7, 11), np.int8), Geometry())
    assert main(["measure", str(path), "--star", str(tmp_path / "a.star"), "--relion", "5"]) == 1
    assert "give it with --voxel-size" in capsys.readouterr().err
    assert not (tmp_path / "a.star").exists()


def test_the_mask_is_never_overwritten_by_its_table(mask, capsys):
    before = mask.read_bytes()
    assert main(["measure", str(mask), "--csv", str(mask)]) == 1
    assert "is the mask itself" in capsys.readouterr().err and mask.read_bytes() == before


def test_an_empty_mask_is_refused_in_one_sentence(tmp_path, capsys):
    path = tmp_path / "empty.mrc"
    write_mrc(path, np.zeros((5, 7, 11), np.int8), GEOMETRY)
    assert main(["measure", str(path)]) == 1
    assert "holds no label" in capsys.readouterr().err


def test_where_every_component_is_too_small_the_table_says_0(mask, tmp_path):
    result = run(Options(mask, smallest=1e6, csv=tmp_path / "none.csv", star=tmp_path / "none.star"), Silent())
    assert [row["components"] for row in result["labels"]] == [0, 0] and result["components"] == []
    assert len((tmp_path / "none.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_a_folder_that_moves_meanwhile_is_told_and_not_made_anew(mask, tmp_path):
    home, moved = tmp_path / "tables", tmp_path / "moved"
    home.mkdir()

    class Mover(Silent):
        def progress(self, fraction, message):
            if home.exists():
                home.rename(moved)

    with pytest.raises(FolderGone, match=r"^The folder .*tables is gone: put it back, or name it where it is now"):
        run_step(measure, Options(mask, csv=home / "counts.csv"), Mover())
    assert not home.exists() and list(moved.iterdir()) == []
