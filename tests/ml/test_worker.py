"""The worker as Blender meets it: a process of its own, spoken to line by line."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("worker_with_odd_steps.py")


class Client:
    """Talks to a worker process; what it answers waits in a queue."""

    def __init__(self):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen([sys.executable, str(SCRIPT)], **pipes)
        self.messages = queue.Queue()
        self.answers = {}  # that came before they were asked for: a step may end before its cancel is answered
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.messages.put(json.loads(line))

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, request_id, method, **params):
        self.write(
            json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}).encode() + b"\n"
        )

    def answer(self, request_id, seconds=30.0):
        """The answer to a request; notifications that come before it are kept in `told`."""
        end, self.told = time.monotonic() + seconds, []
        while request_id not in self.answers:
            message = self.messages.get(timeout=max(end - time.monotonic(), 0.01))
            assert message["jsonrpc"] == "2.0"
            if "method" in message:
                self.told.append(message)
            else:
                self.answers[message["id"]] = message
        return self.answers.pop(request_id)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        if not self.process.stderr.closed:
            self.errors = self.process.stderr.read()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture
def client():
    client = Client()
    yield client
    client.close()


def test_a_step_is_answered_after_its_notifications(client):
    client.send(7, "odd", mode="tells", seconds=0.5)
    assert client.answer(7)["result"] == {"mode": "tells"}
    progress = [message["params"] for message in client.told if message["method"] == "progress"]
    assert all(told["id"] == 7 and told["message"] == "Being odd" for told in progress)
    assert 2 <= len(progress) <= 7  # ten a second at most
    assert {"log", "preview"} <= {message["method"] for message in client.told}
    assert {"id": 7, "path": "slice.npy"} in [message["params"] for message in client.told]


def test_steps_run_one_after_the_other_in_their_order(client):
    for number, seconds in enumerate((0.3, 0.0, 0.1)):
        client.send(number, "odd", mode="quiet", seconds=seconds)
    ids = [client.messages.get(timeout=10)["id"] for _ in range(3)]
    assert ids == [0, 1, 2]


@pytest.mark.parametrize("mode", ["tells", "quiet"])
def test_a_cancel_ends_the_step_within_a_second_and_the_next_one_runs(client, mode):
    client.send("job", "odd", mode=mode, seconds=60.0)
    wait_until_running(client, "job")
    began = time.monotonic()
    client.send("stop", "cancel", id="job")
    assert client.answer("stop")["result"] == {"cancelled": True}
    error = client.answer("job")["error"]
    assert time.monotonic() - began < 5.0  # a second on a quiet machine; the step would take a minute
    assert error == {"code": -32800, "message": "odd: cancelled."}
    client.send("next", "odd", mode="quiet")
    assert client.answer("next")["result"] == {"mode": "quiet"}


def test_a_waiting_step_can_be_cancelled_too(client):
    client.send(1, "odd", mode="quiet", seconds=0.5)
    client.send(2, "odd", mode="bug")
    client.send(3, "cancel", id=2)
    assert client.answer(3)["result"] == {"cancelled": True}
    assert client.answer(1)["result"] == {"mode": "quiet"}
    assert client.answer(2)["error"]["code"] == -32800


def test_cancelling_nothing_does_no_harm(client):
    client.send(1, "cancel", id=99)
    assert client.answer(1)["result"] == {"cancelled": False}
    client.send(2, "cancel", id=[1])
    assert client.answer(2)["result"] == {"cancelled": False}


def test_a_ping_is_answered_while_a_step_runs(client):
    client.send(1, "odd", mode="hang in C")
    wait_until_running(client, 1)
    client.send(2, "ping")
    assert client.answer(2)["result"] == {"running": 1, "pid": client.process.pid}


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [
        ("user error", -32000, "cell1.mrc is truncated: copy it again."),
        ("memory", -32001, "not enough memory"),
        ("gpu memory", -32001, "graphics card has not enough memory"),
        ("no package", -32001, "lacks the package a_package_that_nobody_has"),
        ("bug", -32603, "Tomoseg made a mistake (KeyError"),
        ("leaves", -32603, "SystemExit"),
    ],
)
def test_whatever_goes_wrong_is_told_in_a_sentence_and_the_worker_lives_on(client, mode, code, words):
    client.send(1, "odd", mode=mode)
    error = client.answer(1)["error"]
    assert error["code"] == code
    assert words in error["message"]
    assert "Traceback" not in error["message"]
    client.send(2, "odd", mode="quiet")
    assert client.answer(2)["result"] == {"mode": "quiet"}
    client.close()
    assert (b"Traceback" in client.errors) == (mode != "user error")


def test_what_libraries_print_goes_to_the_log_and_not_between_the_messages(client):
    client.send(5, "odd", mode="prints")
    assert client.answer(5)["result"] == {"mode": "prints"}
    client.close()
    assert b"a library says hello" in client.errors
    assert b"from C" in client.errors


def test_numbers_that_json_cannot_say_become_null(client):
    client.send(1, "odd", mode="nan")
    assert client.answer(1)["result"] == {"dice": None}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"GET / HTTP/1.1", -32700),
        (b"\xff\xfe\x00", -32700),
        (b"[" * 100_000, -32700),
        (b"[1, 2]", -32600),
        (b'{"method": "odd"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "odd"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 4, "method": "odd", "params": [1]}', -32602),
        (b'{"jsonrpc": "2.0", "id": 4, "method": "odd", "params": {"mode": 5}}', -32602),
        (b'{"jsonrpc": "2.0", "id": 4, "method": "odd", "params": {"colour": "red"}}', -32602),
        (b'{"jsonrpc": "2.0", "id": 4, "method": "dance"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 4, "method": "' + b"x" * (17 * 2**20) + b'"}', -32700),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else str(value),
)
def test_garbage_is_answered_and_does_not_kill(client, line, code):
    client.write(line + b"\n\n")
    message = client.messages.get(timeout=10)
    assert message["error"]["code"] == code
    client.send(9, "ping")
    assert client.answer(9)["result"]["pid"] == client.process.pid


def test_a_request_that_is_not_answered_yet_keeps_its_id(client):
    client.send(1, "odd", mode="quiet", seconds=0.3)
    client.send(1, "odd", mode="quiet")
    assert client.answer(1)["error"]["code"] == -32600
    assert client.answer(1)["result"] == {"mode": "quiet"}


def test_versions_are_told_without_importing_torch(client):
    client.send(1, "versions")
    told = client.answer(1)["result"]
    assert "libtorch" not in Path(f"/proc/{client.process.pid}/maps").read_text()
    assert told["python"] == sys.version.split()[0]
    assert told["packages"]["torch"].startswith("2.")


def wait_until_running(client, request_id):
    while True:
        client.send("asked", "ping")
        if client.answer("asked")["result"]["running"] == request_id:
            return


@pytest.mark.parametrize("mode", ["tells", "quiet"])
def test_the_worker_ends_with_blender(client, mode):
    client.send(1, "odd", mode=mode, seconds=60.0)
    client.send(2, "odd", mode="quiet", seconds=60.0)
    wait_until_running(client, 1)
    client.process.stdin.close()
    client.process.wait(timeout=10)
    assert client.process.returncode == 0
    assert client.answer(1)["error"]["code"] == -32800


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
def test_a_cancel_reaches_a_step_that_waits_in_a_library(client):
    client.send(1, "odd", mode="wait in C")
    wait_until_running(client, 1)
    client.send(2, "cancel", id=1)
    assert client.answer(1)["error"]["code"] == -32800
    client.send(3, "ping")
    assert client.answer(3)["result"]["running"] is None


def test_a_step_that_hangs_in_a_library_does_not_keep_the_worker_alive(client):
    client.send(1, "odd", mode="hang in C")
    wait_until_running(client, 1)
    client.process.stdin.close()
    client.process.wait(timeout=10)
    assert client.process.returncode == 1


def test_an_idle_worker_ends_at_once(client):
    client.send(1, "ping")
    client.answer(1)
    client.process.stdin.close()
    client.process.wait(timeout=10)
    assert client.process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_worker_cleanly(client, number):
    client.send(1, "odd", mode="quiet", seconds=60.0)
    wait_until_running(client, 1)
    client.process.send_signal(number)
    client.process.wait(timeout=10)
    assert client.process.returncode == 0
    assert client.answer(1)["error"]["code"] == -32800


def test_a_killed_worker_leaves_its_pipe_closed(client):
    client.send(1, "odd", mode="quiet", seconds=60.0)
    wait_until_running(client, 1)
    os.kill(client.process.pid, signal.SIGKILL)
    assert client.process.wait(timeout=5) == -signal.SIGKILL
    with pytest.raises(queue.Empty):
        client.messages.get(timeout=0.3)


def test_help_of_the_worker():
    told = subprocess.run([sys.executable, "-m", "ml", "worker", "--help"], capture_output=True, text=True, check=True)
    assert "JSON-RPC" in told.stdout
