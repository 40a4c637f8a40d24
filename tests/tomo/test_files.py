"""Files that a crash, a full disk or another process must not harm."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tomo.errors import TomosegError
from tomo.files import (
    explain_read_error,
    explain_write_error,
    locked,
    read_json,
    read_list,
    replacing,
    require_space,
    write_json,
)

ROOT = Path(__file__).resolve().parents[2]


def test_a_file_appears_only_when_its_block_succeeds(tmp_path):
    path = tmp_path / "deep" / "list.txt"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "whole"
    assert [found.name for found in path.parent.iterdir()] == ["list.txt"]


def test_a_long_name_of_wide_letters_fits_its_temporary_name(tmp_path):
    name = "ä" * 110 + ".json"
    write_json(tmp_path / name, [1])
    assert read_json(tmp_path / name) == [1]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "change the permissions"),
        (errno.EIO, "choose another folder"),
    ],
)
def test_what_the_disk_refuses_becomes_one_sentence(tmp_path, number, words):
    sentence = str(explain_write_error(tmp_path / "mask.mrc", OSError(number, os.strerror(number))))
    assert words in sentence
    assert "mask.mrc" in sentence
    assert sentence.endswith(".")


def test_space_is_asked_of_the_nearest_folder_that_exists(tmp_path):
    require_space(tmp_path / "not" / "yet", 1000)
    with pytest.raises(TomosegError, match="free some space or choose another folder"):
        require_space(tmp_path / "not" / "yet", 10**18)


@pytest.mark.parametrize("text", ["", "{", "[" * 100000, "\xff\xfe"])
def test_damaged_json_is_one_sentence(tmp_path, text):
    path = tmp_path / "boxes.json"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(TomosegError, match=r"boxes\.json is damaged"):
        read_json(path)


def test_json_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(TomosegError, match=r"^Cannot read .*: it is a folder: choose a file\.$"):
        read_json(tmp_path)
    with pytest.raises(TomosegError, match=r"none\.json: it is not there: check its name, or choose another file\.$"):
        read_json(tmp_path / "none.json")
    told = str(explain_read_error(tmp_path, OSError(errno.EIO, "Input/output error")))
    assert told == f"Cannot read {tmp_path}: Input/output error: check the disk, or choose another file."


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"schema": 3, "boxes": []}, "newer Tomoseg .schema 3, not 2.: update Tomoseg"),
        ({"schema": 1, "boxes": []}, "damaged"),
        ({"schema": 2, "boxes": {}}, "damaged"),
        ({"boxes": []}, "damaged"),
        ([1, 2], "damaged"),
        (7, "damaged"),
    ],
)
def test_lists_of_another_schema_are_refused(tmp_path, data, words):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(data))
    with pytest.raises(TomosegError, match=words):
        read_list(path, "boxes", 2)


def test_a_list_that_was_never_written_is_empty(tmp_path):
    assert read_list(tmp_path / "boxes.json", "boxes", 1) == []


COUNT = """
import sys
from pathlib import Path
from tomo.files import locked, read_json, write_json
path = Path(sys.argv[1])
for _ in range(25):
    with locked(path.parent):
        write_json(path, read_json(path) + 1)
"""


def test_edits_of_several_processes_wait_for_each_other(tmp_path):
    path = tmp_path / "count.json"
    write_json(path, 0)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)], env=environment) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert read_json(path) == 75


def test_a_lock_left_by_a_crash_does_not_hold(tmp_path):
    script = "import os, sys; from pathlib import Path; from tomo.files import locked\n"
    script += "with locked(Path(sys.argv[1])): os._exit(9)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=False)
    assert ended.returncode == 9
    started = time.monotonic()
    with locked(tmp_path):
        assert time.monotonic() - started < 1


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from tomo.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "list.json"
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    (left,) = tmp_path.iterdir()
    assert ".part" in left.name
    far = tmp_path / left.name.replace(left.name.split(".")[2], "0a1b2c-1")
    far.write_text("of another computer")
    with replacing(path) as temporary:
        temporary.write_text("whole")
        write_json(path.with_name("list.json"), ["another write of the same file meanwhile"])
        assert temporary.exists()  # its process lives
    assert sorted(tmp_path.iterdir()) == sorted([far, path])


@pytest.mark.parametrize(
    ("free", "needed", "words"),
    [
        (300_000, 1_500_000, r"needs 1\.5 MB, but only 0\.3 MB are free"),
        (300_000, 2_500_000_000, r"needs 2\.5 GB, but only 0\.3 MB are free"),
        (4096, 21_000, r"needs 21 kB, but only 4 kB are free"),
        (0, 999, r"needs 999 bytes, but only 0 bytes are free"),
    ],
)
def test_no_amount_of_space_is_rounded_to_nothing(tmp_path, monkeypatch, free, needed, words):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free})())
    with pytest.raises(TomosegError, match=words):
        require_space(tmp_path, needed)
