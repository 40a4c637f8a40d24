"""The benchmarks measure what they claim, and say where an aim was missed."""

import json
import sys
from itertools import islice

import pytest

import bench.__main__ as table
from bench import applying, merging, thresholds
from bench.process import measured


def test_a_process_is_measured_with_its_children():
    child = "x = bytearray(200_000_000)\nimport time; time.sleep(0.5)\nsum(range(3_000_000)); print('done')"
    taken = measured(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    )
    assert 190 < taken.peak_memory_mb < 400
    assert 0.01 < taken.cpu_seconds <= taken.seconds + 1
    assert taken.output == "done\n"


def test_a_process_that_fails_is_no_measurement():
    with pytest.raises(RuntimeError, match="ended with 3"):
        measured([sys.executable, "-c", "raise SystemExit(3)"])


def test_merging_is_measured_file_to_file(tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "QUICK_SHAPE", (3, 20, 30))
    rows = list(merging.rows(tmp_path, quick=True))
    assert [row["name"] for row in rows] == ["merge 4 int8 maps of 30×20×3", "merge 4 float16 maps of 30×20×3"]
    assert all(row["seconds"] > 0 and row["peak_memory_mb"] > 1 for row in rows)


def test_the_table_is_printed_and_written_and_a_missed_aim_is_an_error(tmp_path, monkeypatch, capsys):
    rows = [{"name": "slow", "seconds": 9.0, "aims": {"seconds": 5.0}}, {"name": "quick", "seconds": 1.0}]
    monkeypatch.setitem(table.GROUPS, "merging", lambda folder, *, quick: rows)
    assert table.main(["--only", "merging", "--output", str(tmp_path / "bench.json")]) == 1
    printed = capsys.readouterr().out
    assert "seconds ≤ 5 ✗" in printed
    assert "0 of 1 aims met; missed: slow." in printed
    told = json.loads((tmp_path / "bench.json").read_text())
    assert told["rows"][0] == {"group": "merging", **rows[0]}
    assert told["machine"]["torch"]
    monkeypatch.setitem(table.GROUPS, "merging", lambda folder, *, quick: rows[1:])
    assert table.main(["--only", "merging", "--output", str(tmp_path / "bench.json")]) == 0


def test_what_was_measured_is_written_at_once_and_a_group_that_fails_does_not_stop_the_rest(tmp_path, monkeypatch):
    output = tmp_path / "bench.json"

    def breaking(folder, *, quick):
        yield {"name": "first", "seconds": 1.0}
        assert [row["name"] for row in json.loads(output.read_text())["rows"]] == ["first"]
        raise RuntimeError("the step ended")

    monkeypatch.setitem(table.GROUPS, "training", breaking)
    monkeypatch.setitem(table.GROUPS, "merging", lambda folder, *, quick: [{"name": "after", "seconds": 2.0}])
    assert table.main(["--only", "training", "merging", "--output", str(output)]) == 1
    rows = json.loads(output.read_text())["rows"]
    assert [row["name"] for row in rows] == ["first", "training: failed", "after"]
    assert rows[1]["failed"] == "the step ended"


def test_applying_tells_what_its_time_went_into(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(applying, "QUICK_SIDE", 64)
    monkeypatch.setitem(table.GROUPS, "applying", lambda *where, quick: islice(applying.rows(*where, quick=quick), 8))
    output = tmp_path / "bench.json"
    table.main(["--only", "applying", "--quick", "--output", str(output), "--folder", str(tmp_path)])
    rows = {row["name"]: row for row in json.loads(output.read_text())["rows"]}
    row = rows["apply default to 64×64×8"]
    assert set(row["aims"]) == {"cpu_seconds_per_4096_slice", "peak_memory_mb"}
    assert row["shares"]["computing"] > 0
    assert "apply default to 64×64×8, 8 bits, 1 view" in rows
    printed = capsys.readouterr().out
    assert "peak MB ≤ 2000 ✓" in printed
    assert "    reading " in printed


def test_a_moved_threshold_is_measured_from_the_request_to_the_file(tmp_path):
    outline, surface = thresholds.rows(tmp_path, quick=True)
    assert outline["name"].startswith("outline of a slice of 1024×1024") and 0 < outline["cpu_seconds"] < 1
    assert surface["seconds"] > 0 and (tmp_path / "bench__vesicle.ply").stat().st_size > 10_000
