"""A process that has everything imported and forks workers from itself, so that a test need not wait for torch.

Each message on the socket brings two pipe ends; the answer is the number of the new worker's process. Run as a script.
The message's byte says what the child is: a worker, a worker whose clock jumps, or one that saves boxes and labels.
"""

import faulthandler
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tomo.boxes import Box
from tomo.geometry import Geometry
from tomo.labels import save_label
from tomo.project import Project

WORKER, JUMPING_CLOCK, SAVER = b"w", b"c", b"s"


def serve(channel: socket.socket) -> None:
    """Fork a worker for each pair of descriptors, until the other side closes the socket."""
    while True:
        message, pair, _flags, _address = socket.recv_fds(channel, 1, 2)
        if not message:
            return
        child = os.fork()
        if child == 0:
            channel.close()
            _become(message, *pair)
        for descriptor in pair:
            os.close(descriptor)
        channel.sendall(child.to_bytes(8, "big"))


def _become(kind: bytes, requests: int, answers: int) -> None:
    from ml import worker

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # asked of a worker that hangs
    os.dup2(requests, 0)
    os.dup2(answers, 1)
    os.close(requests)
    os.close(answers)
    if kind == SAVER:
        _save_for_ever(Path(sys.stdin.readline().strip()))
    if kind == JUMPING_CLOCK:
        _let_the_clock_jump()
    os._exit(worker.main([]))


def _let_the_clock_jump() -> None:
    """The wall clock goes up to ten years back or forth at each look at it."""
    chance, real = random.Random(5), time.time
    time.time = lambda: real() + chance.uniform(-3e8, 3e8)
    time.time_ns = lambda: int(1e9 * time.time())


def _save_for_ever(folder: Path) -> None:
    """What Blender does while a person works: boxes and labels are saved again and again."""
    project, count = Project.open(folder), 0
    while True:
        count += 1
        project.save_boxes([Box("cell", "bar", "positive", (count, i, 3), 32, f"box{i}") for i in range(300)])
        save_label(project.label_path("cell", "bar", 6), np.full((96, 128), count % 3, np.int8), Geometry())
        print(count, flush=True)


def _import_everything() -> None:
    # What the steps import, without running anything: no thread may exist when this process forks.
    import importlib

    import scipy.ndimage  # noqa: F401
    import skimage.measure  # noqa: F401
    import torch

    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # loads more on its first use
    for name in ("import_tomogram", "build_trainset", "train", "learning", "apply", "merge", "surface", "surfaces"):
        importlib.import_module(f"ml.{name}")
    for name in ("predict", "preprocess", "resumable", "trainset_file", "network_file", "mesh", "triplets"):
        importlib.import_module(f"ml.{name}")


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    from ml.cli import prepare_process

    prepare_process()
    _import_everything()
    serve(socket.socket(fileno=int(sys.argv[1])))
