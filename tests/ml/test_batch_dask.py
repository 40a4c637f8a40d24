"""A batch on Dask's workers: the same bits as in one process, whoever is killed, and nothing is left behind."""

import os
import pickle
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client, KilledWorker, LocalCluster

import ml.batch
from ml import batch_dask
from ml.batch import Options, describe, run
from ml.batch_dask import KILLED, DaskCrew
from ml.batch_tasks import Call
from ml.cli import main, run_step
from ml.options import UsageError
from ml.report import Cancelled, Silent
from tomo.errors import TomosegError
from tomo.mrc import open_tomogram

SLICES = 60  # five slabs, so five tasks for each map


@pytest.fixture
def cells(make_network, make_tomogram, tmp_path):
    """A 2.5D network, and two tomograms that are cut into several tasks."""
    shape = (SLICES, 61, 83)
    return make_network(context=5), (make_tomogram("cell1", shape), make_tomogram("cell2", shape, seed=8))


def batch(cells, output, report=None, tomograms=None, **options):
    options = {"measure": False, "surfaces": False, "device": "cpu", **options}
    return run(Options(tomograms or cells[1], (cells[0],), output, threshold=(0.3,), **options), report or Silent())


def maps(output):
    return {path.name: path.read_bytes() for path in sorted(output.rglob("*.mrc"))}


def workers():
    """The processes that LocalCluster started; Python's own helper is none of them."""
    return [child for child in psutil.Process().children(recursive=True) if is_worker(child)]


def is_worker(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has just ended
        return False


def listening():
    return [link for link in psutil.Process().net_connections() if link.status == psutil.CONN_LISTEN]


class Watcher(Silent):
    """Does something once, as soon as slices of a map are done; keeps the log."""

    def __init__(self, act):
        self._act, self.lines, self.addresses = act, [], set()

    def progress(self, fraction, message):
        if fraction > 0.1 and self._act is not None:
            act, self._act = self._act, None
            self.addresses = {link.laddr.ip for link in listening()}
            act()

    def log(self, message):
        self.lines.append(message)


def kill_workers():
    for worker in workers():
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)


def cancel():
    raise Cancelled


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_workers_change_nothing_and_a_bad_file_stops_nothing(cells, tmp_path):
    bad = tmp_path / "bad.mrc"
    bad.write_bytes(b"no tomogram")
    report = Watcher(kill_workers)
    tomograms = (cells[1][0], bad, cells[1][1])
    result = batch(cells, tmp_path / "many", report, tomograms, workers=2, threads=2)
    assert [row["status"] for row in result["rows"]] == ["done", "failed", "done"]
    assert any("A worker was lost" in line for line in report.lines)
    assert report.addresses == {"127.0.0.1"}
    assert workers() == []
    assert listening() == []
    batch(cells, tmp_path / "one", workers=1, threads=1)
    assert maps(tmp_path / "many") == maps(tmp_path / "one")
    assert open_tomogram(tmp_path / "one" / "segmentations" / "cell1__mito.mrc").data.std() > 0


def test_an_output_folder_that_goes_away_is_told_for_each_tomogram_and_is_not_made_anew(cells, tmp_path):
    """As a disk that is unplugged or a share that is unmounted while processes of the batch work on it."""
    output, away = tmp_path / "out", tmp_path / "away"
    result = batch(cells, output, Watcher(lambda: output.rename(away)), workers=2, threads=2)
    sentence = f"The folder {output} is gone: put it back, or name it where it is now, and start the step again."
    assert [row["error"] for row in result["rows"]] == [sentence, sentence]
    assert result["table"] is None
    assert result["problem"] == f"2 of 2 tomograms failed, and their table was not written. {sentence}"
    assert "Wrote" not in describe(result)
    assert not output.exists()
    assert list(away.rglob(".*.part"))
    away.rename(output)
    lines = Watcher(None)
    assert batch(cells, output, lines, workers=2, threads=2)["failed"] == 0
    batch(cells, tmp_path / "never", workers=1, threads=1)
    assert maps(output) == maps(tmp_path / "never")
    assert not list(output.rglob(".*.part"))


def test_where_the_tomograms_go_away_what_is_done_of_their_maps_stays(cells, tmp_path):
    disk, output = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    there = tuple(path.rename(disk / path.name) for path in cells[1])
    options = Options(there, (cells[0],), output, threshold=(0.3,), measure=False, surfaces=False, workers=2, threads=2)
    result = run_step(ml.batch, options, Watcher(lambda: disk.rename(tmp_path / "away")))
    told = f"The folder {disk} is gone"
    assert all(row["error"].startswith(told) for row in result["rows"] if row["error"])
    assert result["rows"][1]["error"]
    assert not disk.exists()
    assert Path(result["table"]).read_text().count(told) == result["failed"]
    left = [path.stat().st_ino for path in output.rglob(".*.part")]
    assert result["rows"][0]["status"] == "done" or left
    (tmp_path / "away").rename(disk)
    assert run_step(ml.batch, options, Silent())["failed"] == 0
    assert set(left) <= {path.stat().st_ino for path in output.rglob("*.mrc")}  # gone on with, not begun anew


@contextmanager
def whenever_they_start(act, times):
    """Does something, in a thread, as soon as processes have been started, so many times or until the block ends."""
    ended = threading.Event()

    def watch():
        for _ in range(times):
            while not workers():
                if ended.wait(0.01):
                    return
            act()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads")
def test_a_cancel_need_not_wait_for_processes_to_start(cells, tmp_path):
    main_thread, report = threading.main_thread().ident, Watcher(None)
    interrupt = whenever_they_start(lambda: signal.pthread_kill(main_thread, signal.SIGINT), 1)
    with interrupt, pytest.raises(KeyboardInterrupt):
        batch(cells, tmp_path / "out", report, workers=2, threads=2)
    assert report.lines == ["Starting 2 processes with 1 thread each."]
    assert not (tmp_path / "out").exists()  # no task was begun
    assert workers() == []
    assert listening() == []


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_processes_that_end_again_and_again_while_they_start_are_told(cells, tmp_path):
    with whenever_they_start(kill_workers, 1000), pytest.raises(TomosegError, match=r"did not start.*--workers 1"):
        batch(cells, tmp_path / "out", workers=2, threads=2)
    assert workers() == []
    assert listening() == []


@pytest.fixture
def scheduler():
    """A scheduler that runs already, with a worker of this process: its address."""
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        host="127.0.0.1",
        protocol="tcp://",
        dashboard_address=None,
        memory_limit=0,
    ) as cluster:
        yield cluster.scheduler_address


def test_a_scheduler_that_runs_is_used_by_its_address_and_a_cancelled_batch_goes_on_anywhere(
    cells, scheduler, tmp_path
):
    with pytest.raises(Cancelled):
        batch(cells, tmp_path / "out", Watcher(cancel), scheduler=scheduler)
    left = [path for path in (tmp_path / "out").rglob(".*.part") if path.is_file()]
    assert left
    lines = Watcher(None)
    assert batch(cells, tmp_path / "out", lines, workers=1, threads=1)["failed"] == 0
    batch(cells, tmp_path / "again", scheduler=scheduler)
    assert maps(tmp_path / "out") == maps(tmp_path / "again")
    assert not list((tmp_path / "out").rglob(".*.part"))


def test_a_scheduler_out_of_reach_is_one_sentence(cells, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("ml.cluster.ANSWER_SECONDS", 1)
    words = [
        "batch",
        *cells[1],
        "--networks",
        cells[0],
        "--output",
        tmp_path / "out",
        "--scheduler",
        "tcp://127.0.0.1:9",
    ]
    assert main(list(map(str, words))) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "tomoseg batch: No Dask scheduler answers at tcp://127.0.0.1:9 within 1 seconds: start one there, or correct "
        "--scheduler."
    )
    for nonsense in ("nonsense", "", "127.0.0.1", "http://127.0.0.1:8787/status"):
        with pytest.raises(TomosegError, match=f"^'{nonsense}' is no address of a Dask scheduler: give"):
            batch(cells, tmp_path / "out", scheduler=nonsense)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n"])
def test_another_program_at_the_schedulers_address_is_one_sentence(cells, tmp_path, monkeypatch, words):
    """One that says nothing would hold Dask's client for a minute, a web server for ever or with a memory error."""
    monkeypatch.setattr("ml.cluster.ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        ended, calls = threading.Event(), []

        def answer():
            server.settimeout(0.1)
            while not ended.is_set():
                with suppress(TimeoutError):
                    calls.append(server.accept()[0])
                    calls[-1].sendall(words)

        answering = threading.Thread(target=answer)
        answering.start()
        began = time.monotonic()
        try:
            with pytest.raises(TomosegError, match=f"^No Dask scheduler answers at {address} within 1 seconds"):
                batch(cells, tmp_path / "out", scheduler=address)
        finally:
            ended.set()
            answering.join()
            for call in calls:
                call.close()
    assert time.monotonic() - began < 30
    assert calls


def test_a_workers_address_is_not_taken_for_the_schedulers(cells, scheduler, tmp_path):
    with Client(scheduler) as client:
        (worker,) = client.scheduler_info()["workers"]
    with pytest.raises(TomosegError, match=f"^No Dask scheduler answers at {worker}"):
        batch(cells, tmp_path / "out", scheduler=worker)


def test_only_one_place_can_be_named(cells, tmp_path):
    with pytest.raises(UsageError, match="one of --workers, --cluster and --scheduler"):
        batch(cells, tmp_path / "out", scheduler="tcp://127.0.0.1:9", workers=2)
    with pytest.raises(UsageError, match="--workers is 1 or more"):
        batch(cells, tmp_path / "out", workers=-1)


class FakeClient:
    """A client whose scheduler can go away."""

    status = "running"

    def subscribe_topic(self, topic, handler):
        pass

    def scheduler_info(self):
        return {"workers": {}}


class FakeFuture:
    status = "error"

    def __init__(self, error):
        self._error = error

    def exception(self):
        return self._error

    def add_done_callback(self, done):
        pass


@pytest.fixture
def crew():
    return DaskCrew(FakeClient(), Watcher(None), place="SLURM", threads=1, most=4)


def test_a_task_that_ends_each_process_is_told_with_its_likely_cause(crew):
    error = KilledWorker("task", None, 3)
    assert crew._answer(FakeFuture(error)) == {"error": KILLED}
    assert "lacks the package ais" in crew._answer(FakeFuture(ModuleNotFoundError(name="ais")))["error"]


def test_an_answer_that_is_lost_with_its_worker_is_waited_for_without_holding_the_batch_up(crew, monkeypatch):
    """`result` would wait for ever while there is no worker, and nobody would replace the worker, or hear a cancel."""
    future = FakeFuture(None)
    crew._client.submit = lambda *_, **__: future
    crew.submit(3, Call("step", {"verb": "merge"}, "Merging"))
    crew._news.put(("done", 3))
    monkeypatch.setattr(batch_dask, "POLL_SECONDS", 0.01)
    future.status, future.result = "finished", lambda _: (_ for _ in ()).throw(TimeoutError)
    assert crew.wait(lambda ticket, event: None) == []
    future.status = "lost"
    assert crew.wait(lambda ticket, event: None) == []
    future.status, future.result = "finished", lambda _: {"result": 7}
    assert crew.wait(lambda ticket, event: None) == [(3, {"result": 7})]
    assert crew.wait(lambda ticket, event: None) == []


def test_workers_without_tomoseg_end_the_batch_and_are_told(crew):
    with pytest.raises(TomosegError, match=r"SLURM has a worker whose Python lacks Tomoseg \(No module named 'ml'\)"):
        crew._answer(FakeFuture(ModuleNotFoundError("No module named 'ml'", name="ml")))


def test_a_worker_unpacks_a_task_only_while_it_does_it(crew, monkeypatch):
    """Else one without Tomoseg ends before it can say so: `pickle.loads` and bytes are all that Dask unpacks itself."""
    sent = []
    crew._client.submit = lambda *task, **_: sent.append(task) or FakeFuture(None)
    crew.submit(3, Call("step", {"verb": "merge"}, "Merging"))
    ((function, parcel),) = sent
    assert function is pickle.loads and type(parcel) is bytes
    monkeypatch.setattr(batch_dask, "perform_there", lambda *task: {"result": task})
    call, threads, key = function(parcel)["result"]
    assert (call.kind, threads, key.rpartition("-")[2]) == ("step", 1, "3")


def test_a_scheduler_that_goes_away_is_told(crew, monkeypatch):
    monkeypatch.setattr(batch_dask, "GONE_SECONDS", -1.0)
    monkeypatch.setattr(batch_dask, "POLL_SECONDS", 0.01)
    assert crew.wait(lambda ticket, event: None) == []
    crew._client.status = "connecting"
    with pytest.raises(TomosegError, match=r"SLURM does not answer any more.*goes on"):
        crew.wait(lambda ticket, event: None)


def test_who_waits_for_the_first_worker_is_told_so(crew, monkeypatch):
    monkeypatch.setattr(batch_dask, "QUIET_SECONDS", -1.0)
    monkeypatch.setattr(batch_dask, "POLL_SECONDS", 0.01)
    for _ in range(3):
        crew.wait(lambda ticket, event: None)
    assert crew._report.lines == ["No worker has come to SLURM yet: the batch waits for one."]


def test_processes_that_are_not_replaced_end_the_batch(monkeypatch):
    monkeypatch.setattr(batch_dask, "POLL_SECONDS", 0.01)
    crew = DaskCrew(FakeClient(), Watcher(None), place="Dask on this machine", threads=1, most=2, patience=-1.0)
    with pytest.raises(TomosegError, match="Dask on this machine does not answer any more"):
        crew.wait(lambda ticket, event: None)


def test_no_thread_of_dask_is_left(cells, scheduler, tmp_path):
    before = set(threading.enumerate())
    batch(cells, tmp_path / "out", scheduler=scheduler, tomograms=cells[1][:1])
    assert [thread for thread in set(threading.enumerate()) - before if "IO loop" in thread.name] == []
    assert Path(tmp_path / "out" / "batch.csv").is_file()
