"""The worker where memory is short, when its Blender is killed, and what it never opens: a port."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.faults import material
from tests.faults.client import Refused, Worker

ROOT = Path(__file__).resolve().parents[2]
# A process that starts the worker as Blender does, has it train, and is then killed; it prints the worker's number.
BLENDER = """
import importlib.util, json, sys, time, types
from pathlib import Path
root = Path(sys.argv[1])
for name, place in (("ext", root), ("ext.tomoseg_blender", root / "tomoseg_blender")):
    module = types.ModuleType(name)
    module.__path__ = [str(place)]
    sys.modules[name] = module
from ext.tomoseg_blender.worker import Worker
worker = Worker(Path(sys.executable))
worker.request("train", json.loads(sys.argv[2]))
print(worker.process_id, flush=True)
while True:
    time.sleep(1)
"""

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and sockets of a process: Linux alone")


def limit(worker, room):
    """Leave the worker so many bytes of address space; None takes the limit away."""
    most = resource.RLIM_INFINITY if room is None else psutil.Process(worker.pid).memory_info().vms + room
    resource.prlimit(worker.pid, resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


@linux
@pytest.mark.parametrize("name", ["import", "train", "apply", "surface"])
def test_a_step_without_memory_is_told_as_that_and_runs_again_with_it(nursery, original, tmp_path, name):
    project = Path(shutil.copytree(original, tmp_path / "project"))
    step = material.steps_of(project, original.parent / "cell.mrc")[name]
    expected = {path: material.digest(path) for path in step.made}
    material.remove(step.made)
    before = material.state_of(project)
    worker = Worker(nursery)
    worker.run("versions", {})
    limit(worker, 2**20)
    with pytest.raises(Refused) as refused:
        worker.run(step.method, step.params)
    assert refused.value.sentence.startswith("The computer has not enough memory for this step: close other programs")
    assert refused.value.code == -32001
    assert material.state_of(project) == before
    limit(worker, None)
    worker.run(step.method, step.params)
    worker.close()
    assert {path: material.digest(path) for path in step.made} == expected


def test_the_worker_of_a_killed_blender_ends_within_seconds_and_keeps_its_best_network(original, tmp_path):
    project = Path(shutil.copytree(original, tmp_path / "project"))
    step = material.steps_of(project, original.parent / "cell.mrc")["train"]
    network = step.made[0]
    material.remove(step.made)
    params = str({**step.params, "iterations": 100_000}).replace("'", '"')
    words = [sys.executable, "-c", BLENDER, str(ROOT), params]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as blender:
        worker = psutil.Process(int(blender.stdout.readline()))
        until(network.is_file, 300)
        assert sockets_of(worker) == []
        os.kill(blender.pid, signal.SIGKILL)
        began = time.monotonic()
        until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 60)
        seconds = time.monotonic() - began
    assert seconds < 25, "5 s on a machine that does nothing else"
    assert material.digest(network) != "missing"  # loads it
    assert material.leftovers(project) == []


def until(condition, seconds):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"not within {seconds} s"
        time.sleep(0.05)


def sockets_of(process):
    """Network sockets of a process and of all that it started."""
    return [each for one in (process, *process.children(recursive=True)) for each in one.net_connections("inet")]


@linux
def test_no_step_opens_a_socket(nursery, original, tmp_path):
    project = Path(shutil.copytree(original, tmp_path / "project"))
    worker = Worker(nursery)
    process, steps = psutil.Process(worker.pid), material.steps_of(project, original.parent / "cell.mrc")
    for step in steps.values():
        number = worker.send(step.method, step.params)
        while not worker.is_answered:
            assert sockets_of(process) == []
            time.sleep(0.02)
        worker.answer(number)
    assert sockets_of(process) == []
    worker.close()
    assert len(steps) == 6
