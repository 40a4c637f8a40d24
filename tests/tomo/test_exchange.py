"""Replacing a file that another program has open, as Windows refuses to; its errors are injected."""

import errno
from pathlib import Path

import pytest

from tomo import exchange
from tomo.errors import TomosegError
from tomo.files import locked, write_json


def refusal(number: int) -> OSError:
    """As Windows raises it."""
    error = PermissionError(errno.EACCES, "Access is denied")
    error.winerror = number
    return error


@pytest.fixture
def holder(monkeypatch):
    """Somebody who has every file open until asked; a list of what was asked, and how to answer."""
    real, held, asked = Path.replace, [32], []

    def replace(self, target):
        if held:
            raise refusal(held[0])
        return real(self, target)

    def let_go(path):
        asked.append(path)
        held.clear()

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(exchange, "ASKED", [let_go])
    monkeypatch.setattr(exchange, "PAUSE_SECONDS", 0.001)
    return held, asked


@pytest.mark.parametrize("number", exchange.HELD)
def test_who_has_a_file_open_is_asked_to_close_it_and_it_is_replaced(holder, tmp_path, number):
    held, asked = holder
    held[:] = [number]
    write_json(tmp_path / "table.json", [1])
    assert asked == [tmp_path / "table.json"]
    assert (tmp_path / "table.json").read_text() == "[\n 1\n]\n"


def test_what_stays_open_is_one_sentence_and_the_old_file_stays(holder, tmp_path, monkeypatch):
    path = tmp_path / "table.json"
    path.write_text("old")
    monkeypatch.setattr(exchange, "ASKED", [])
    monkeypatch.setattr(exchange, "PATIENCE_SECONDS", 0.02)
    with pytest.raises(TomosegError, match="another program has it open, or it cannot be written to: close it there"):
        write_json(path, [1])
    assert path.read_text() == "old" and [one.name for one in tmp_path.iterdir()] == ["table.json"]


def test_other_errors_are_told_at_once(holder, tmp_path, monkeypatch):
    held, asked = holder
    held[:] = [112]  # Windows' "there is not enough space on the disk"
    with pytest.raises(TomosegError, match="Cannot write"):
        write_json(tmp_path / "table.json", [1])
    assert asked == []


def test_a_lock_is_waited_for_longer_than_windows_does(tmp_path, monkeypatch):
    from tomo import files

    tries = []

    def busy(_handle, *, wait):
        tries.append(wait)
        if len(tries) < 3:
            raise OSError(errno.EDEADLK, "Resource deadlock avoided")  # after ten seconds, on Windows

    monkeypatch.setattr(files, "_system_lock", busy)
    with locked(tmp_path):
        assert tries == [True, True, True]
