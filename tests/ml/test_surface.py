"""`tomoseg surface`: one PLY per label, named, in Å, at the tomogram's place."""

import json

import numpy as np
import pytest

from ml import surface
from ml.cli import main
from ml.mesh import is_closed
from ml.ply import read_ply, write_ply
from ml.report import Silent
from ml.surface import Options, run
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import write_mrc

GEOMETRY = Geometry((10.0, 10.0, 10.0), nstart=(3, -4, 5))


def exit_status(words):
    """What the shell would see: wrong usage ends in argparse's SystemExit."""
    try:
        return main(words)
    except SystemExit as end:
        return end.code


def test_each_label_becomes_a_closed_surface_named_by_tomogram_and_feature(mask, tmp_path):
    result = run(Options(mask, tmp_path / "out"), Silent())
    assert [entry["name"] for entry in result["surfaces"]] == ["vesicle", "filament"]
    for entry in result["surfaces"]:
        assert entry["path"] == str(tmp_path / "out" / f"cell__{entry['name']}.ply")
        assert is_closed(read_ply(tmp_path / "out" / f"cell__{entry['name']}.ply"))
    assert b"comment colour #445566" in (tmp_path / "out" / "cell__filament.ply").read_bytes()[:400]


def test_vertices_are_in_angstrom_at_the_tomograms_place(mask, tmp_path):
    run(Options(mask, tmp_path, smoothing=0, features=("filament",)), Silent())
    vertices = read_ply(tmp_path / "cell__filament.ply").vertices
    # x from voxel 12 to 19, shifted by 3; y from 9 to 12, by -4; z from 4 to 8, by 5.
    assert vertices.min(0) == pytest.approx((150, 50, 90), abs=0.1)
    assert vertices.max(0) == pytest.approx((220, 80, 130), abs=0.1)
    assert not (tmp_path / "cell__vesicle.ply").exists()


def test_split_writes_one_surface_per_component_numbered_by_size(mask, tmp_path):
    result = run(Options(mask, tmp_path, split=True), Silent())
    names = [(entry["name"], entry["component"]) for entry in result["surfaces"]]
    assert names == [("vesicle-0001", 1), ("vesicle-0002", 2), ("filament-0001", 1)]
    assert result["surfaces"][0]["volume_nm3"] > result["surfaces"][1]["volume_nm3"]
    assert (tmp_path / "cell__vesicle-0002.ply").exists()


def test_small_components_are_left_out_by_their_volume_in_nm3(mask, tmp_path):
    result = run(Options(mask, tmp_path, smallest=30.0, split=True), Silent())
    assert [entry["name"] for entry in result["surfaces"]] == ["vesicle-0001", "filament-0001"]
    nothing = run(Options(mask, tmp_path / "none", smallest=1e6), Silent())
    assert nothing["surfaces"] == [] and "nothing was written" in surface.describe(nothing)


def test_a_triangle_budget_is_kept(mask, tmp_path):
    result = run(Options(mask, tmp_path, triangles=200), Silent())
    assert all(entry["triangles"] <= 200 for entry in result["surfaces"])
    assert all(is_closed(read_ply(tmp_path / f"cell__{entry['name']}.ply")) for entry in result["surfaces"])


def test_a_map_is_outlined_at_a_threshold_and_a_sample_lies_at_the_same_place(tmp_path):
    z, y, x = np.indices((24, 28, 32))
    values = (11 - np.sqrt((z - 12) ** 2 + (y - 13) ** 2 + (x - 16) ** 2)).astype(np.float32)
    path = tmp_path / "cell__ribosome.mrc"
    write_mrc(path, values, GEOMETRY)
    for sample in (1, 2):
        run(Options(path, tmp_path, threshold=1.0, smoothing=0, sample=sample), Silent())
        middle = read_ply(tmp_path / "cell__ribosome.ply").vertices.mean(0)
        assert middle == pytest.approx((195, 95, 175), abs=1.5)


def test_the_command_line_prints_one_json_object(mask, tmp_path, capsys):
    assert main(["surface", str(mask), "--output", str(tmp_path / "out"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [entry["value"] for entry in result["surfaces"]] == [1, 2]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--features", "virion"], 1, "holds no 'virion': its labels are vesicle, filament"),
        (["--smoothing", "-1"], 2, "numbers from 0 up"),
        (["--sample", "0"], 2, "1 or more, not 0"),
        (["--voxel-size", "0"], 1, "voxel size of 0.0 Å is impossible"),
    ],
)
def test_impossible_wishes_get_one_sentence_and_no_file(mask, tmp_path, capsys, words, status, sentence):
    assert exit_status(["surface", str(mask), "--output", str(tmp_path / "out"), *words]) == status
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_without_a_voxel_size_there_is_no_surface_in_angstrom(mask, tmp_path, capsys):
    path = tmp_path / "unknown__mask.mrc"
    write_mrc(path, np.ones((5, 7, 11), np.int8), Geometry())
    assert main(["surface", str(path), "--output", str(tmp_path / "out")]) == 1
    assert "give it with --voxel-size" in capsys.readouterr().err
    assert main(["surface", str(path), "--output", str(tmp_path / "out"), "--voxel-size", "8"]) == 0


def test_a_ply_reads_back_as_it_was_written(mask, tmp_path):
    run(Options(mask, tmp_path), Silent())
    first = read_ply(tmp_path / "cell__vesicle.ply")
    write_ply(tmp_path / "again.ply", first, ["two\nlines"])
    again = read_ply(tmp_path / "again.ply")
    assert (again.vertices == first.vertices).all() and (again.faces == first.faces).all()
    (tmp_path / "broken.ply").write_bytes((tmp_path / "again.ply").read_bytes()[:-5])
    with pytest.raises(TomosegError, match="no surface that Tomoseg wrote"):
        read_ply(tmp_path / "broken.ply")


def test_numbered_vertices_belong_to_the_components_of_the_table(mask, tmp_path):
    run(Options(mask, tmp_path, smoothing=0, number=True, features=("vesicle",)), Silent())
    made = read_ply(tmp_path / "cell__vesicle.ply")
    large = made.vertices[made.owner == 1]
    # x from voxel 3 to 8, shifted by 3; z from 1 to 6, by 5.
    assert set(made.owner) == {1, 2} and large.max(0)[0] == pytest.approx(110, abs=0.1)
    assert made.vertices[made.owner == 2][:, 2].min() == pytest.approx(130, abs=0.1)
    fewer = tmp_path / "fewer"
    run(Options(mask, fewer, number=True, triangles=60, features=("vesicle",)), Silent())
    merged = read_ply(fewer / "cell__vesicle.ply")
    assert 0 < len(merged.faces) < len(made.faces) and set(merged.owner) == {1, 2}
    assert merged.vertices[merged.owner == 2][:, 2].min() > merged.vertices[merged.owner == 1][:, 2].max()
