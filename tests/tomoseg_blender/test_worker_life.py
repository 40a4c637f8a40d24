"""How a worker can end or misbehave, told apart: by a script in its place that does just that."""

import queue
import sys
import time

import pytest

FAKE = """
import json, os, signal, sys, time
request = json.loads(sys.stdin.readline())
say = lambda message: (sys.stdout.write(message + "\\n"), sys.stdout.flush())
print("the last line of the log", file=sys.stderr, flush=True)
{what}
"""
ENDS = {
    "os.kill(os.getpid(), signal.SIGKILL)": "was killed (signal 9: mostly the system, because memory ran out",
    "os.kill(os.getpid(), signal.SIGSEGV)": "crashed (SIGSEGV",
    "os.abort()": "crashed (SIGABRT",
    "sys.exit(3)": "ended unexpectedly (exit status 3",
}
ANSWERS = {
    'say(json.dumps({"id": 1, "result": "text"}))': {},
    'say(json.dumps({"id": 1, "error": [1]}))': {},
    'say("[" * 100000)\nsay("\\0 garbage")\nsay("[1]")\nsay(json.dumps({"id": 1, "error": {"code": 5}}))': {"code": 5},
    'say(json.dumps({"method": "progress", "params": {"fraction": "x"}}))\nsay(json.dumps({"id": 1}))': {},
}

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


@pytest.fixture
def stand_in(part, tmp_path):
    """Starts the extension's handle with a script in the worker's place."""
    started = []

    def start(what):
        (tmp_path / "fake.py").write_text(FAKE.replace("{what}", what))
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{tmp_path / 'fake.py'}'\n")
        python.chmod(0o755)
        started.append(part("tomoseg_blender.worker").Worker(python))
        return started[-1]

    yield start
    for worker in started:
        worker.stop()


def wait_for_log(worker):
    """The log comes by a thread of its own."""
    ends = time.monotonic() + 60
    while not worker.log and time.monotonic() < ends:
        time.sleep(0.01)


@pytest.mark.parametrize("what", ENDS)
def test_kill_crash_and_end_are_told_apart_with_the_end_of_the_log(stand_in, what):
    worker = stand_in(what)
    worker.request("measure", {})
    assert worker.wait(60) is None
    wait_for_log(worker)
    sentence = worker.farewell()
    assert sentence.startswith(f"The worker {ENDS[what]}") and "the last line of the log" in sentence
    assert sentence.count("(") == sentence.count(")")


@pytest.mark.parametrize("what", ANSWERS)
def test_garbage_goes_to_the_log_and_never_into_the_scene(stand_in, what):
    worker = stand_in(what)
    number = worker.request("measure", {})
    message = worker.wait(60)
    assert message["id"] == number and message["error"] == ANSWERS[what]
    assert worker.wait(60) is None


def test_a_worker_that_hangs_and_does_not_notice_its_cancel_is_ended(stand_in, part, monkeypatch):
    monkeypatch.setattr(part("tomoseg_blender.worker"), "STUBBORN_SECONDS", 0.3)
    worker = stand_in("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)")
    number = worker.request("measure", {})
    with pytest.raises(queue.Empty):
        worker.wait(0.1)
    began = time.monotonic()
    worker.cancel(number)
    assert worker.wait(60) is None
    assert time.monotonic() - began < 30
    wait_for_log(worker)
    assert worker.farewell().startswith("The worker hung and was ended (the last line of the log)")
