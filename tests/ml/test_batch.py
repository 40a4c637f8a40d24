"""A batch makes everything for many tomograms, whatever is wrong with one of them, and never does a thing twice."""

import csv
import json
import sys
from pathlib import Path

import pytest

from ml.batch import Options, describe, run
from ml.batch_figure import blender_for_figures
from ml.cli import main
from ml.options import UsageError
from ml.report import Cancelled, Silent
from tomo.errors import TomosegError
from tomo.label_table import load_label_table
from tomo.mrc import open_tomogram
from tomo.project import Project, TomogramEntry


@pytest.fixture
def cells(make_network, make_tomogram, tmp_path):
    """Two networks, two tomograms and an output folder."""
    networks = (make_network("classic", name="mito"), make_network(name="actin"))
    return networks, (make_tomogram("cell1"), make_tomogram("cell2", seed=8)), tmp_path / "out"


def batch(cells, report=None, **options):
    networks, tomograms, output = cells
    return run(Options(tomograms, networks, output, threshold=(0.1,), **{"workers": 1, **options}), report or Silent())


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_everything_is_made_for_every_tomogram(cells):
    result = batch(cells)
    assert [row["status"] for row in result["rows"]] == ["done", "done"]
    assert result["failed"] == 0
    output = cells[2]
    made = files(output)
    for name in ("cell1", "cell2"):
        assert f"segmentations/{name}__mito.mrc" in made
        assert f"segmentations/{name}__actin.mrc" in made
        assert f"masks/{name}__mask.mrc" in made
        assert f"tables/{name}.csv" in made
        assert any(path.startswith(f"surfaces/{name}__") for path in made)
    mask = open_tomogram(output / "masks" / "cell1__mask.mrc")
    assert set(mask.data.ravel()) <= {0, 1, 2}
    assert mask.data.any()
    assert [entry.name for entry in load_label_table(output / "masks" / "cell1__mask.json")] == ["mito", "actin"]


def test_a_second_run_finds_everything_there(cells):
    batch(cells)
    before = {path: path.stat().st_mtime_ns for path in cells[2].rglob("*.mrc")}
    result = batch(cells)
    assert [row["status"] for row in result["rows"]] == ["kept", "kept"]
    assert result["rows"][0]["found"].startswith("mito ")
    assert {path: path.stat().st_mtime_ns for path in cells[2].rglob("*.mrc")} == before


def test_only_what_is_missing_or_out_of_date_is_done_again(cells, make_network):
    output = cells[2]
    batch(cells)
    (output / "masks" / "cell1__mask.mrc").unlink()
    before = (output / "segmentations" / "cell1__mito.mrc").stat().st_mtime_ns
    assert [row["status"] for row in batch(cells)["rows"]] == ["done", "kept"]
    assert (output / "segmentations" / "cell1__mito.mrc").stat().st_mtime_ns == before
    make_network(name="actin", amplitude=0.5)
    assert [row["status"] for row in batch(cells)["rows"]] == ["done", "done"]
    assert (output / "segmentations" / "cell1__mito.mrc").stat().st_mtime_ns == before
    assert [row["status"] for row in batch(cells, flips=8)["rows"]] == ["done", "done"]
    assert (output / "segmentations" / "cell1__mito.mrc").stat().st_mtime_ns > before


def test_a_damaged_ledger_means_doing_it_again(cells):
    batch(cells)
    (cells[2] / "batch" / "cell1.json").write_text('{"schema": 1, "steps": {"merge": 3}}')
    assert [row["status"] for row in batch(cells)["rows"]] == ["done", "kept"]


@pytest.mark.parametrize("content", [b"", b"no tomogram", None])
def test_a_bad_file_does_not_stop_the_rest(cells, tmp_path, content):
    networks, tomograms, output = cells
    bad = tmp_path / "bad.mrc"
    if content is not None:
        bad.write_bytes(content)
    result = batch((networks, (tomograms[0], bad, tomograms[1]), output))
    assert [row["status"] for row in result["rows"]] == ["done", "failed", "done"]
    assert "bad.mrc" in result["rows"][1]["error"]
    assert result["problem"].startswith("1 of 3 tomograms failed (bad.mrc first)")
    assert "bad.mrc" in describe(result)
    with (output / "batch.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done", "failed", "done"]


def test_a_mistake_of_the_program_does_not_stop_the_rest(cells, monkeypatch, tmp_path):
    from ml import merge

    original = merge.run

    def sometimes(options, report):
        if "cell1" in options.output.name:
            raise ZeroDivisionError("division by zero")
        return original(options, report)

    monkeypatch.setattr("ml.merge.run", sometimes)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = batch(cells)
    assert [row["status"] for row in result["rows"]] == ["failed", "done"]
    assert "ZeroDivisionError" in result["rows"][0]["error"]
    assert list(tmp_path.glob("tomoseg-*.log"))


def test_a_disk_that_fills_up_stops_one_tomogram_and_leaves_no_half_of_its_map(cells, monkeypatch):
    """The slices are written in a thread beside the network: its error is the tomogram's."""
    from ml.shared_map import RangeWriter

    output, through = cells[2], RangeWriter.write

    def filling(self, z0, slab):
        if z0 == 3 and "cell1" in self.path.name:
            raise OSError(28, "No space left on device")
        through(self, z0, slab)

    monkeypatch.setattr(RangeWriter, "write", filling)
    result = batch(cells)
    assert [row["status"] for row in result["rows"]] == ["failed", "done"]
    assert "the disk is full" in result["rows"][0]["error"]
    assert not [path for path in output.rglob("*cell1*") if path.is_file()]


def test_an_output_folder_that_goes_away_is_told_for_each_tomogram_and_is_not_made_anew(cells, tmp_path):
    output, away = cells[2], tmp_path / "away"

    class Mover(Silent):
        def progress(self, fraction, message):
            if fraction > 0.1 and output.exists():
                output.rename(away)

    result = batch(cells, Mover())
    assert [row["error"].partition(" is gone: put it back")[0] for row in result["rows"]] == [
        f"The folder {output}"
    ] * 2
    assert result["table"] is None and "their table was not written" in result["problem"]
    assert not output.exists()
    away.rename(output)
    assert batch(cells)["failed"] == 0


class CancelAt(Silent):
    def __init__(self, fraction):
        self.fraction = fraction

    def progress(self, fraction, message):
        if fraction > self.fraction:
            raise Cancelled


def test_a_cancelled_batch_goes_on_where_it_stopped(cells):
    with pytest.raises(Cancelled):
        batch(cells, CancelAt(0.6))
    assert [row["status"] for row in batch(cells)["rows"]] == ["kept", "done"]


def test_tables_and_surfaces_can_be_left_out(cells):
    batch(cells, measure=False, surfaces=False)
    assert not (cells[2] / "tables").exists()
    assert not (cells[2] / "surfaces").exists()


def test_one_network_makes_masks_of_one_label(cells):
    networks, tomograms, output = cells
    batch((networks[:1], tomograms, output))
    assert set(open_tomogram(output / "masks" / "cell1__mask.mrc").data.ravel()) == {0, 1}


def test_thresholds_of_the_trainings(cells):
    networks, tomograms, output = cells
    result = run(Options(tomograms[:1], networks, output, trained_thresholds=True), Silent())
    told = json.loads((output / "batch" / "cell1.json").read_text())["steps"]["merge"]["result"]
    assert [label["threshold"] for label in told["labels"]] == [0.5, 0.5]
    assert result["failed"] == 0


def test_what_concerns_all_tomograms_stops_the_batch_at_once(cells, tmp_path):
    networks, tomograms, output = cells
    with pytest.raises(UsageError, match="two networks find mito"):
        batch(((networks[0], networks[0]), tomograms, output))
    with pytest.raises(UsageError, match="one each for 2 maps, not 3"):
        run(Options(tomograms, networks, output, threshold=(1.0, 2.0, 3.0)), Silent())
    with pytest.raises(UsageError, match="either"):
        batch(cells, trained_thresholds=True)
    with pytest.raises(TomosegError, match=r"nothing\.safetensors"):
        batch(((tmp_path / "nothing.safetensors",), tomograms, output))
    with pytest.raises(TomosegError, match="one name"):
        batch((networks, (tomograms[0], tmp_path / "other" / "cell1.mrc"), output))
    with pytest.raises(TomosegError, match="names that Windows and macOS take for one: give them to two batches"):
        batch((networks, (*tomograms, tmp_path / "Cell1.mrc"), output))
    with pytest.raises(TomosegError, match="'red' is no colour: write it as #rrggbb"):
        batch(cells, colours=("#e69f00", "red"))
    with pytest.raises(TomosegError, match=r"cell1\.mrc is named twice: leave one of them out"):
        batch((networks, (*tomograms, tmp_path / "other" / ".." / "cell1.mrc"), output))
    assert not output.exists()


def test_the_command_line_ends_with_1_and_the_table(cells, tmp_path, capsys):
    networks, tomograms, output = cells
    bad = tmp_path / "bad.mrc"
    bad.write_bytes(b"")
    words = ["batch", bad, tomograms[0], "--networks", *networks, "--output", output, "--json"]
    assert main(list(map(str, words))) == 1
    told = capsys.readouterr()
    assert "1 of 2 tomograms failed" in told.err.splitlines()[-1]
    assert json.loads(told.out.splitlines()[-1])["rows"][1]["status"] == "done"


@pytest.fixture
def blender(tmp_path):
    """Stands in for Blender: notes its arguments, and writes the picture unless the tomogram is cell2."""
    script = tmp_path / "blender"
    script.write_text(
        f"""#!{sys.executable}
import sys, pathlib
pathlib.Path({str(tmp_path / "asked.txt")!r}).open("a").write(" ".join(sys.argv[1:4]) + "\\n")
if sys.argv[5] == "cell2":
    print("tomoseg_figure: cell2 has no surface: make it first.", file=sys.stderr)
    sys.exit(1)
pathlib.Path(sys.argv[7]).parent.mkdir(exist_ok=True)
pathlib.Path(sys.argv[7]).write_bytes(b"picture")
"""
    )
    script.chmod(0o755)
    return script


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for Blender")
def test_blender_renders_a_figure_of_each_tomogram_once(cells, blender, tmp_path):
    _, tomograms, output = cells
    project = Project.create(output)
    for path in tomograms:
        project.add_tomogram(TomogramEntry(path.stem, f"tomograms/{path.name}", shape=(5, 37, 43)))
    result = batch(cells, blender=blender, measure=False)
    assert [row["error"] for row in result["rows"]] == ["", "cell2 has no surface: make it first."]
    assert (output / "figures" / "cell1.png").read_bytes() == b"picture"
    assert (tmp_path / "asked.txt").read_text().splitlines()[0] == f"--command tomoseg_figure {output}"
    assert batch(cells, blender=blender, measure=False)["rows"][0]["status"] == "kept"
    assert (tmp_path / "asked.txt").read_text().count("\n") == 3


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for Blender")
def test_blender_is_a_file_in_this_folder_or_a_command(cells, blender, tmp_path, monkeypatch):
    Project.create(cells[2])
    monkeypatch.chdir(tmp_path)
    assert blender_for_figures(Path("./blender"), cells[2], []) == blender
    monkeypatch.chdir("/")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert blender_for_figures(Path("blender"), cells[2], []) == blender


def test_figures_that_cannot_be_are_said_before_the_work(cells, tmp_path):
    with pytest.raises(TomosegError, match="There is no Blender at"):
        batch(cells, blender=tmp_path / "none")
    here = Path(sys.executable)
    with pytest.raises(UsageError, match="the project's folder as --output"):
        batch(cells, blender=here)
    with pytest.raises(UsageError, match="figures show surfaces"):
        batch(cells, blender=here, surfaces=False)
    Project.create(cells[2])
    with pytest.raises(TomosegError, match=r"cell1\.mrc is no tomogram of the project"):
        batch(cells, blender=here)
    assert not (cells[2] / "segmentations").exists() or not files(cells[2] / "segmentations")
