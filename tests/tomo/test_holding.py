"""One Blender at a time may change a project: who has it, what the others read, and what a crash leaves."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tomo import holding
from tomo.errors import TomosegError
from tomo.holding import LOCK_FILE, NOTE_FILE, Holding
from tomo.processes import is_alive
from tomo.project import Project

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from tomo.holding import Holding
holding = Holding(Path(sys.argv[1]))
print(holding.refusal(), flush=True)
sys.stdin.read()
holding.close()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that has the project; it gives it back when its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout.readline().strip() == "None"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_told_who_has_the_project_and_gets_it_when_the_first_ends(tmp_path, other):
    mine = Holding(tmp_path)
    sentence = mine.refusal()
    for words in (str(tmp_path), f"process {other.pid}", socket.gethostname(), "since 20", "changed once that one"):
        assert words in sentence
    assert not mine.held
    other.communicate()
    assert not (tmp_path / NOTE_FILE).exists()
    assert mine.refusal() is None and mine.held
    assert json.loads((tmp_path / NOTE_FILE).read_text())["pid"] == os.getpid()
    mine.close()


def test_a_killed_holder_holds_nothing(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / NOTE_FILE).exists()  # it had no time to remove it
    mine = Holding(tmp_path)
    assert mine.refusal() is None
    mine.close()


def test_a_note_that_cannot_be_read_does_not_hide_that_the_project_is_taken(tmp_path, other):
    (tmp_path / NOTE_FILE).write_text("{")
    assert "open in another Blender" in Holding(tmp_path).refusal()


def test_a_folder_that_was_deleted_or_exchanged_is_not_held_any_more(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    mine = Holding(folder)
    assert mine.refusal() is None
    folder.rename(tmp_path / "moved")
    assert not mine.held
    assert "is gone: put it back" in mine.refusal()
    folder.mkdir()
    assert mine.refusal() is None
    assert (folder / LOCK_FILE).exists()
    mine.close()


def test_on_a_disk_without_locks_the_note_decides(tmp_path, monkeypatch):
    def refuse(_file):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(holding, "lock_at_once", refuse)
    mine = Holding(tmp_path)
    assert mine.refusal() is None
    note = json.loads((tmp_path / NOTE_FILE).read_text())
    for pid, host, refused in ((os.getppid(), note["host"], True), (2**22 + 5, note["host"], False), (7, "far", True)):
        (tmp_path / NOTE_FILE).write_text(json.dumps({**note, "pid": pid, "host": host}))
        next_one = Holding(tmp_path)
        assert bool(next_one.refusal()) == refused, (pid, host)
        next_one.close()
    mine.close()


def test_a_folder_that_cannot_be_written_to_is_told_in_one_sentence(tmp_path, monkeypatch):
    def refuse(_path, _mode):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    assert "the disk is read-only: choose another folder." in Holding(tmp_path).refusal()


def test_nothing_of_a_read_only_project_can_be_changed(tmp_path):
    Project.create(tmp_path).add_feature("actin")
    looked_at = Project(tmp_path, "It is open elsewhere.")
    for change in (
        lambda: looked_at.add_feature("bar"),
        lambda: looked_at.set_colour("actin", "#000000"),
        lambda: looked_at.remove_feature("actin"),
        lambda: looked_at.save_boxes([]),
        lambda: looked_at.remove_tomogram("cell"),
    ):
        with pytest.raises(TomosegError, match="open elsewhere"):
            change()
    assert [feature.name for feature in looked_at.features()] == ["actin"]


def test_a_project_whose_folder_went_away_is_not_begun_anew_at_the_old_place(tmp_path):
    project = Project.create(tmp_path / "project")
    project.folder.rename(tmp_path / "moved")
    with pytest.raises(TomosegError, match="is gone: put it back"):
        project.add_feature("actin")
    assert not project.folder.exists()


def test_processes_that_ended_are_told_from_those_that_live():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_alive(os.getpid()) and is_alive(1)
    assert not is_alive(ended.pid) and not is_alive(0) and not is_alive(2**40)
