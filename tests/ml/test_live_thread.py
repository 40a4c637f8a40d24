"""Gentle work: of low priority while it lasts, its result or its error comes out, a cancel waits for it."""

import os
import re
import subprocess
import sys
import threading
import time

import pytest

from ml import live_thread
from ml.live_thread import AUTOGROUP, gently
from ml.report import Cancelled

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")


@linux
def test_only_the_work_is_nice_and_the_threads_that_it_starts():
    def niceness():
        inherited = []
        inner = threading.Thread(target=lambda: inherited.append(os.getpriority(os.PRIO_PROCESS, 0)))
        inner.start()
        inner.join()
        return os.getpriority(os.PRIO_PROCESS, 0), inherited[0]

    before = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = max(before, 7)
    assert gently(niceness, 7) == (wanted, wanted)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@linux
@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not share by sessions")
def test_a_worker_in_a_session_of_its_own_makes_that_nice_and_takes_it_back():
    code = "from ml.live_thread import AUTOGROUP, gently; print(gently(AUTOGROUP.read_text, 5), AUTOGROUP.read_text())"
    told = subprocess.run(
        [sys.executable, "-c", code], start_new_session=True, capture_output=True, text=True, check=True
    )
    assert re.findall(r"nice (\d+)", told.stdout) == ["5", "0"]


def test_the_error_comes_out_as_it_was():
    def fails():
        raise KeyError("no such key")

    with pytest.raises(KeyError, match="no such key"):
        gently(fails, 0)


def test_a_cancel_in_the_main_thread_waits_for_the_work_to_end(monkeypatch):
    ended = []

    def work():
        time.sleep(0.3)
        ended.append(True)
        raise Cancelled

    wait, interrupts = live_thread.wait, []

    def interrupted(*arguments):
        if not interrupts:
            interrupts.append(True)
            raise Cancelled  # what the handler of a signal does
        return wait(*arguments)

    monkeypatch.setattr(live_thread, "wait", interrupted)
    with pytest.raises(Cancelled):
        gently(work, 0)
    assert ended == [True]
