"""Applying streams a tomogram through a network into a map, and goes on where a killed run stopped."""

import json
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from ml import apply
from ml.apply import Options, describe, run, slab_depth
from ml.cli import main
from ml.options import UsageError
from ml.preprocess import Preprocessed
from ml.report import Cancelled, Silent
from ml.resumable import unfinished_files
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import open_tomogram, write_mrc
from tomo.preprocessing import NO_FILTER, Preprocessing


class Recorder(Silent):
    """Keeps the log; cancels when a slice of the tomogram is reached."""

    def __init__(self, cancel_at=2.0):
        self.lines, self.cancel_at = [], cancel_at

    def progress(self, fraction, message):
        if fraction > self.cancel_at and message.startswith("Applying to"):
            raise Cancelled

    def log(self, message):
        self.lines.append(message)


def applied(network, tomogram, output, report=None, **options):
    result = run(Options(network, (tomogram,), output, **options), report or Silent())
    return open_tomogram(output / f"{open_tomogram(tomogram).name}__mito.mrc"), result


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_map_lies_where_the_tomogram_lies(make_network, make_tomogram, tmp_path):
    tomogram = make_tomogram()
    found, result = applied(make_network(), tomogram, tmp_path / "maps")
    assert found.shape == (5, 37, 43)
    assert found.geometry == open_tomogram(tomogram).geometry
    assert found.data.dtype == np.float32
    assert found.data.min() >= 0
    assert found.labels == ["Tomoseg map of mito by mito.safetensors"]
    assert result["maps"][0]["map"] == str(tmp_path / "maps" / "cell1__mito.mrc")
    assert leftovers(tmp_path / "maps") == ["cell1__mito.mrc"]


def test_each_slice_is_preprocessed_as_the_network_was_trained(make_network, make_tomogram, tmp_path):
    from ml.predict import predictor_for

    settings = Preprocessing(invert=True)
    network, tomogram = make_network(filtering=settings), make_tomogram()
    found, _ = applied(network, tomogram, tmp_path / "maps")
    slices = Preprocessed(open_tomogram(tomogram), settings).slab(0, 5)
    predictor = predictor_for(network, __import__("torch").device("cpu"))
    assert found.data == pytest.approx(predictor.predict(slices), abs=1e-4)


def test_what_was_preprocessed_at_import_is_not_preprocessed_again(make_network, make_tomogram, tmp_path):
    from ml.predict import predictor_for

    network = make_network(filtering=Preprocessing())
    tomogram = make_tomogram(labels=[Preprocessing().to_label()])
    found, _ = applied(network, tomogram, tmp_path / "maps")
    predictor = predictor_for(network, __import__("torch").device("cpu"))
    assert found.data == pytest.approx(predictor.predict(np.array(open_tomogram(tomogram).data)), abs=1e-5)


def test_slabs_of_one_slice_give_the_same_map(make_network, make_tomogram, tmp_path, monkeypatch):
    network, tomogram = make_network(context=3), make_tomogram()
    whole, _ = applied(network, tomogram, tmp_path / "a")
    monkeypatch.setattr(apply, "slab_depth", lambda *_: 1)
    single, _ = applied(network, tomogram, tmp_path / "b")
    assert single.data == pytest.approx(whole.data, abs=1e-5)
    assert whole.data.std() > 0.01


def test_eight_flips_and_float16(make_network, make_tomogram, tmp_path):
    network, tomogram = make_network(), make_tomogram()
    once, _ = applied(network, tomogram, tmp_path / "a")
    mean, _ = applied(network, tomogram, tmp_path / "b", flips=8, half=True)
    assert mean.data.dtype == np.float16
    assert 0.001 < np.abs(mean.data.astype(np.float32) - once.data).max() < 2


def test_several_tomograms_in_a_row(make_network, make_tomogram, tmp_path):
    tomograms = tuple(make_tomogram(f"cell{number}", seed=number) for number in range(3))
    run(Options(make_network(), tomograms, tmp_path / "maps"), Silent())
    assert leftovers(tmp_path / "maps") == [f"cell{number}__mito.mrc" for number in range(3)]


def test_the_depth_of_a_slab_follows_the_memory():
    assert slab_depth((500, 4096, 4096), 1, 2.0) == 5
    assert slab_depth((500, 4096, 4096), 1, 0.1) == 1
    assert slab_depth((500, 1024, 1024), 1, 2.0) == 12
    assert slab_depth((500, 4096, 4096), 5, 2.0) == 2


@pytest.mark.parametrize(("size", "fits"), [(13.0, True), (14.2, True), (12.8, False), (14.4, False), (27.2, False)])
def test_voxel_sizes_may_differ_by_five_percent(make_network, make_tomogram, tmp_path, size, fits):
    network, tomogram = make_network(voxel_size=13.6), make_tomogram(geometry=Geometry((size,) * 3))
    if fits:
        applied(network, tomogram, tmp_path / "maps")
        assert leftovers(tmp_path / "maps") == ["cell1__mito.mrc"]
        return
    with pytest.raises(TomosegError) as refused:
        applied(network, tomogram, tmp_path / "maps")
    assert f"voxels of {size:.4g} Å" in str(refused.value)
    assert "13.6 Å" in str(refused.value)
    assert leftovers(tmp_path / "maps") == []


def test_serial_sections_suit_a_network_that_never_looks_along_z(make_network, make_tomogram, tmp_path):
    tomogram = make_tomogram(geometry=Geometry((13.6, 13.6, 50.0)))
    applied(make_network(), tomogram, tmp_path / "maps")
    with pytest.raises(TomosegError, match=r"13\.6 × 13\.6 × 50 Å"):
        applied(make_network(context=3), tomogram, tmp_path / "other")


@pytest.mark.parametrize(("network_size", "size"), [(0.0, 13.6), (13.6, 0.0), (13.6, 1.0)])
def test_an_unknown_voxel_size_is_told_and_work_goes_on(make_network, make_tomogram, tmp_path, network_size, size):
    report = Recorder()
    tomogram = make_tomogram(geometry=Geometry((size,) * 3))
    applied(make_network(voxel_size=network_size), tomogram, tmp_path / "maps", report)
    assert any("voxel size is unknown" in line for line in report.lines)


def test_the_voxel_size_can_be_given(make_network, make_tomogram, tmp_path):
    tomogram = make_tomogram(geometry=Geometry((27.2,) * 3, (1.0, 2.0, 3.0)))
    found, _ = applied(make_network(), tomogram, tmp_path / "maps", voxel_size=13.6)
    assert found.geometry == Geometry((13.6,) * 3, (1.0, 2.0, 3.0))


def test_a_tomogram_of_another_voxel_size_can_be_rescaled(make_network, make_tomogram, tmp_path):
    """A tomogram at twice the voxel size is enlarged, and its map comes back at its own size, in its own place."""
    fine = np.zeros((8, 40, 44), np.float32) + np.random.default_rng(0).normal(0, 0.1, (8, 40, 44)).astype(np.float32)
    fine[:4, 8:24, 4:16] += 5
    coarse = fine.reshape(4, 2, 20, 2, 22, 2).mean((1, 3, 5))
    write_mrc(tmp_path / "fine.mrc", fine, Geometry((13.6,) * 3))
    write_mrc(tmp_path / "coarse.mrc", coarse, Geometry((27.2,) * 3, (5.0, 6.0, 7.0)))
    network = make_network("classic", filtering=NO_FILTER)
    expected, _ = applied(network, tmp_path / "fine.mrc", tmp_path / "maps")
    found, _ = applied(network, tmp_path / "coarse.mrc", tmp_path / "maps", rescale=True)
    assert found.shape == (4, 20, 22)
    assert found.geometry == Geometry((27.2,) * 3, (5.0, 6.0, 7.0))
    binned = np.asarray(expected.data).reshape(4, 2, 20, 2, 22, 2).mean((1, 3, 5))
    assert np.corrcoef(found.data.ravel(), binned.ravel())[0, 1] > 0.8
    assert leftovers(tmp_path / "maps") == ["coarse__mito.mrc", "fine__mito.mrc"]


def test_a_cancelled_run_goes_on_and_gives_the_same_map(make_network, make_tomogram, tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "slab_depth", lambda *_: 2)
    network, tomogram = make_network(), make_tomogram(shape=(9, 37, 43))
    expected, _ = applied(network, tomogram, tmp_path / "a")
    with pytest.raises(Cancelled):
        applied(network, tomogram, tmp_path / "b", Recorder(cancel_at=0.5))  # in the middle of a slab
    assert all(name.startswith(".") for name in leftovers(tmp_path / "b"))
    assert len(leftovers(tmp_path / "b")) == 2
    report = Recorder()
    found, result = applied(network, tomogram, tmp_path / "b", report)
    assert result["maps"][0]["resumed_at_slice"] == 4
    assert any("at slice 4 of 9" in line for line in report.lines)
    assert found.path.read_bytes() == expected.path.read_bytes()
    assert leftovers(tmp_path / "b") == ["cell1__mito.mrc"]


def test_a_cancel_need_not_wait_for_the_next_slab(make_network, make_tomogram, tmp_path, monkeypatch):
    """The slab that is read ahead is given up between two strips."""
    monkeypatch.setattr(apply, "slab_depth", lambda *_: 2)
    monkeypatch.setattr(Preprocessed, "_strips", lambda self, depth: [(y, y + 1) for y in range(self.shape[1])])
    network, tomogram = make_network(), make_tomogram(shape=(9, 37, 43))
    read, through, reading, cancelled = [], Preprocessed._lowpassed, threading.Event(), threading.Event()

    class CancelsWhileItReads(Recorder):
        def progress(self, fraction, message):
            if fraction > self.cancel_at:
                assert reading.wait(30)
            super().progress(fraction, message)

    def noted(self, z0, z1, y0, y1):
        read.append((z0, y0))
        if (z0, y0) == (2, 5):
            reading.set()
            cancelled.wait(30)
        return through(self, z0, z1, y0, y1)

    monkeypatch.setattr(Preprocessed, "_lowpassed", noted)
    stop = Preprocessed.stop
    monkeypatch.setattr(Preprocessed, "stop", lambda self: (stop(self), cancelled.set()))
    with pytest.raises(Cancelled):
        applied(network, tomogram, tmp_path / "maps", CancelsWhileItReads(cancel_at=0.1))
    assert read[-1] == (2, 5)  # of 37 rows


@pytest.mark.parametrize("change", ["network", "tomogram", "flips"])
def test_a_run_with_other_inputs_begins_anew(make_network, make_tomogram, tmp_path, monkeypatch, change):
    monkeypatch.setattr(apply, "slab_depth", lambda *_: 1)
    network, tomogram = make_network(), make_tomogram()
    with pytest.raises(Cancelled):
        applied(network, tomogram, tmp_path / "maps", Recorder(cancel_at=0.5))
    if change == "network":
        make_network(amplitude=0.5)
    elif change == "tomogram":
        make_tomogram(seed=99)
    _, result = applied(network, tomogram, tmp_path / "maps", flips=8 if change == "flips" else 1)
    assert result["maps"][0]["resumed_at_slice"] == 0
    assert leftovers(tmp_path / "maps") == ["cell1__mito.mrc"]


def test_a_damaged_journal_does_no_harm(make_network, make_tomogram, tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "slab_depth", lambda *_: 1)
    network, tomogram = make_network(), make_tomogram()
    with pytest.raises(Cancelled):
        applied(network, tomogram, tmp_path / "maps", Recorder(cancel_at=0.5))
    unfinished_files(tmp_path / "maps" / "cell1__mito.mrc")[1].write_text('{"identity": 5}')
    _, result = applied(network, tomogram, tmp_path / "maps")
    assert result["maps"][0]["resumed_at_slice"] == 0


def start(*words):
    command = [sys.executable, "-m", "ml", "apply", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists(), process.communicate()


def test_a_killed_run_goes_on_and_gives_the_same_map(make_network, make_tomogram, tmp_path):
    network, tomogram = make_network(), make_tomogram(shape=(40, 320, 320))
    words = (network, tomogram, "--memory", "0.01", "--threads", "1", "--flips", "8", "--output")
    process = start(*words, tmp_path / "b")
    wait_for(unfinished_files(tmp_path / "b" / "cell1__mito.mrc")[1], process)
    process.kill()
    process.communicate()
    assert all(name.startswith(".") for name in leftovers(tmp_path / "b"))
    process = start(*words, tmp_path / "b", "--json")
    told, _ = process.communicate()
    assert process.returncode == 0
    assert 0 < json.loads(told.splitlines()[-1])["maps"][0]["resumed_at_slice"] < 40
    process = start(*words, tmp_path / "a")
    process.communicate()
    assert process.returncode == 0
    assert (tmp_path / "a" / "cell1__mito.mrc").read_bytes() == (tmp_path / "b" / "cell1__mito.mrc").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_130_and_keeps_what_is_done(make_network, make_tomogram, tmp_path, number):
    network, tomogram = make_network(), make_tomogram(shape=(40, 320, 320))
    process = start(network, tomogram, "--memory", "0.01", "--flips", "8", "--output", tmp_path / "maps")
    partial, journal = unfinished_files(tmp_path / "maps" / "cell1__mito.mrc")
    wait_for(journal, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "tomoseg apply: cancelled."
    assert leftovers(tmp_path / "maps") == sorted([journal.name, partial.name])


def test_two_runs_never_write_one_map(make_network, make_tomogram, tmp_path):
    import fcntl

    network, tomogram = make_network(), make_tomogram()
    partial, _ = unfinished_files(tmp_path / "maps" / "cell1__mito.mrc")
    partial.parent.mkdir()
    with partial.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TomosegError, match="being written by another run"):
            applied(network, tomogram, tmp_path / "maps")
        assert partial.exists()


def test_an_error_leaves_nothing(make_network, make_tomogram, tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "slab_depth", lambda *_: 1)
    array = np.random.default_rng(0).normal(0, 1, (5, 37, 43)).astype(np.float32)
    array[4, 0, 0] = np.nan
    write_mrc(tmp_path / "cell1.mrc", array, Geometry((13.6,) * 3), [Preprocessing().to_label()])
    with pytest.raises(TomosegError, match=r"cell1\.mrc"):
        applied(make_network(), tmp_path / "cell1.mrc", tmp_path / "maps")
    assert leftovers(tmp_path / "maps") == []


def test_a_full_disk_is_told_before_hours_of_work(make_network, make_tomogram, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(TomosegError, match="free some space"):
        applied(make_network(), make_tomogram(), tmp_path / "maps")
    assert leftovers(tmp_path / "maps") == []


def test_a_disk_that_fills_up_is_told_in_a_sentence(make_network, make_tomogram, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tomo.mrc.MrcWriter.write", full)
    with pytest.raises(TomosegError, match="the disk is full"):
        applied(make_network(), make_tomogram(), tmp_path / "maps")
    assert leftovers(tmp_path / "maps") == []


def test_a_disk_that_fills_up_in_mid_run_stops_it_at_once(make_network, make_tomogram, tmp_path, monkeypatch):
    """The slices are written in a thread beside the network: its error ends the run, and nothing is left."""
    from tomo.mrc import MrcWriter

    monkeypatch.setattr(apply, "slab_depth", lambda *_: 2)
    network, tomogram = make_network(), make_tomogram(shape=(40, 37, 43))
    written, through = [], MrcWriter.write

    def filling(self, z0, slab):
        if z0 == 3:
            raise OSError(28, "No space left on device")
        written.append(z0)
        through(self, z0, slab)

    monkeypatch.setattr("tomo.mrc.MrcWriter.write", filling)
    before = threading.active_count()
    with pytest.raises(TomosegError, match="the disk is full"):
        applied(network, tomogram, tmp_path / "maps")
    assert written == [0, 1, 2]
    assert leftovers(tmp_path / "maps") == []
    assert threading.active_count() == before


def test_the_result_tells_what_the_time_went_into(make_network, make_tomogram, tmp_path):
    network = make_network(filtering=Preprocessing())
    _, result = applied(network, make_tomogram(shape=(9, 137, 143)), tmp_path / "maps")
    shares = result["maps"][0]["shares"]
    assert list(shares) == ["reading", "preprocessing", "computing", "writing"]
    assert all(0 <= share <= 1 for share in shares.values())
    assert shares["computing"] > 0
    assert shares["preprocessing"] > 0
    assert re.search(r"s: reading \d+ %, preprocessing \d+ %, computing \d+ %, writing \d+ %\)", describe(result))


def test_no_map_overwrites_a_tomogram_or_another_map(make_network, make_tomogram, tmp_path):
    network, tomogram = make_network(), make_tomogram()
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "cell1.mrc"
    twin.write_bytes(tomogram.read_bytes())
    with pytest.raises(TomosegError, match="would both be written"):
        run(Options(network, (tomogram, twin), tmp_path / "maps"), Silent())
    odd = make_tomogram("x__mito")
    target = tmp_path / "x.mrc"
    target.write_bytes(tomogram.read_bytes())
    with pytest.raises(TomosegError, match="is one of the tomograms"):
        run(Options(network, (target, odd), tmp_path), Silent())
    assert leftovers(tmp_path / "maps") == []


@pytest.mark.parametrize(
    "change", [{"flips": 3}, {"memory": 0.0}, {"memory": float("nan")}, {"threads": -1}, {"voxel_size": -3.0}]
)
def test_impossible_options_are_wrong_usage(make_network, make_tomogram, tmp_path, change):
    with pytest.raises(UsageError):
        run(Options(make_network(), (make_tomogram(),), tmp_path / "maps", **change), Silent())


def test_the_command_line_ends_with_json(make_network, make_tomogram, tmp_path, capsys):
    words = ["apply", make_network(), make_tomogram(), "--output", tmp_path / "maps", "--device", "cpu", "--json"]
    assert main(list(map(str, words))) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["feature"] == "mito"
    assert told["device"] == "cpu"


@pytest.mark.parametrize("wrong", ["network", "tomogram"])
def test_wrong_files_end_with_1_and_a_sentence_that_names_them(make_network, make_tomogram, tmp_path, capsys, wrong):
    files = {"network": make_network(), "tomogram": make_tomogram()}
    files[wrong] = tmp_path / "nothing here.mrc"
    words = ["apply", *files.values(), "--output", tmp_path / "maps"]
    assert main(list(map(str, words))) == 1
    assert "nothing here.mrc" in capsys.readouterr().err.splitlines()[-1]
    assert leftovers(tmp_path / "maps") == []
