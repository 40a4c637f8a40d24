"""Live training as Blender holds it: a real worker, annotated while it runs, until its end or Blender's."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ml import import_tomogram, simulate
from ml.annotator import draw_boxes
from ml.network_file import load_network
from ml.report import Silent
from tests.ml.test_worker import Client
from tomo.boxes import POSITIVE
from tomo.labels import save_label
from tomo.mrc import open_tomogram
from tomo.project import Project

FEATURE = "membrane"
PATIENCE = 120.0  # seconds; a quiet machine needs ten


class Live(Client):
    """A worker whose request 1 is `live`."""

    def __init__(self, project, nice=0):
        super().__init__()
        self.count = 1
        self.heard = []
        params = {"project": str(project.folder), "feature": FEATURE, "device": "cpu", "threads": 1, "iterations": 1}
        # Not nice: on a busy machine it would wait for everybody else.
        self.send(1, "live", nice=nice, **params)

    def tell(self, command, request_id=1, **more):
        self.count += 1
        self.send(self.count, "tell", id=request_id, command=command, **more)
        answer = self.answer(self.count, PATIENCE)
        self.heard += self.told
        return answer["result"]["told"]

    def hear(self, method, wanted):
        """The first notification of this kind from now on that is wanted; those that came before it are gone."""
        end = time.monotonic() + PATIENCE
        while True:
            kept, self.heard = self.heard, []
            message = kept.pop(0) if kept else self.messages.get(timeout=end - time.monotonic())
            self.heard = kept
            if message.get("method") == method and wanted(message["params"]):
                return message["params"]


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """A simulated cell: its tomogram, and where its membranes are."""
    folder = tmp_path_factory.mktemp("cell")
    made = simulate.run(simulate.Options(folder, seed=1, size=(16, 96, 96)), Silent())
    return Path(made["tomogram"]), np.asarray(open_tomogram(Path(made["labels"][FEATURE])).data) != 0


@pytest.fixture
def project(cell, tmp_path):
    folder = tmp_path / "project"
    import_tomogram.run(import_tomogram.Options((cell[0],), folder, invert=True), Silent())
    project = Project.open(folder)
    project.add_feature(FEATURE)
    return project


@pytest.fixture
def live(project):
    client = Live(project)
    yield client
    client.close()


def annotate(project, truth, boxes):
    """Save boxes, and paint the truth on the slices of the positive ones."""
    for box in boxes:
        if box.kind == POSITIVE:
            z = box.centre[2]
            geometry = open_tomogram(project.tomogram_path(box.tomogram)).geometry
            save_label(project.label_path(box.tomogram, FEATURE, z), truth[z].astype(np.int8), geometry)
    project.save_boxes([*project.boxes(), *boxes])


def some_boxes(project, truth):
    """Two positive boxes and a negative one."""
    return draw_boxes(truth, 2, 1, 32, 0, project.tomograms()[0].name, FEATURE)


def test_a_session_from_the_first_box_to_the_files(project, cell, live):
    truth, name = cell[1], project.tomograms()[0].name
    waiting = live.hear("live", lambda told: told["event"] == "message")
    assert waiting["message"].startswith("No painted box yet")
    first, second, bad = some_boxes(project, truth)
    z = next(z for z in range(4, 16) if z not in (first.centre[2], second.centre[2]))
    annotate(project, truth, [first])
    assert live.tell("changed")
    assert live.tell("view", tomogram=name, z=z, region=None)
    live.hear("live", lambda told: told["event"] == "state" and told["positives"] == 1)
    told = live.hear("preview", lambda told: told["step"] >= 30)
    assert (told["id"], told["tomogram"], told["z"], told["region"]) == (1, name, z, [0, 0, 96, 96])
    seen = np.load(told["path"], allow_pickle=False)
    assert seen.dtype == np.float32
    assert seen[truth[z]].mean() > 1.3 * seen[~truth[z]].mean()
    annotate(project, truth, [second, bad])  # without a word: it looks by itself
    counted = live.hear("live", lambda told: told.get("positives") == 2)
    assert counted["negatives"] == 1
    assert live.tell("view", tomogram=name, z=0, region=[8, 4, 40, 30])
    told = live.hear("preview", lambda told: told["z"] == 0)
    assert np.load(told["path"], allow_pickle=False).shape == (30, 40)
    assert live.tell("forget", seconds=600)
    live.hear("live", lambda told: told["event"] == "state" and told["can_forget_seconds"] < 5)
    assert live.tell("next_box", tomogram=name)
    assert live.hear("live", lambda told: told["event"] == "next_box")["box"]["tomogram"] == name
    assert live.tell("finish")
    result = live.answer(1, PATIENCE)["result"]
    assert load_network(Path(result["network"])).info.feature == FEATURE
    for file in ("triplets", "stack", "scores", "losses"):
        assert Path(result[file]).is_file()
    assert len(result["boxes"]) == 3
    assert not live.tell("pause")  # nobody listens any more


def test_the_checkpoint_stays_when_blender_dies(project, cell, live):
    annotate(project, cell[1], some_boxes(project, cell[1]))
    live.hear("live", lambda told: (told.get("step") or 0) >= 3)
    began = time.monotonic()
    live.process.stdin.close()
    live.process.wait(timeout=30)
    assert time.monotonic() - began < 15.0  # about one on a quiet machine
    kept = load_network(project.folder / "live" / f"{FEATURE}.safetensors")
    assert kept.info.history[-1]["steps"] >= 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")
def test_it_lets_others_go_first_and_the_next_step_does_not(project):
    usual = os.getpriority(os.PRIO_PROCESS, 0)  # not 0 where somebody runs the tests niced
    live = Live(project, nice=usual + 3)
    live.hear("live", lambda told: told["event"] == "message")
    threads = [int(entry.name) for entry in Path(f"/proc/{live.process.pid}/task").iterdir()]
    niceness = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]
    assert max(niceness) == usual + 3
    assert os.getpriority(os.PRIO_PROCESS, live.process.pid) == usual
    live.send("stop", "cancel", id=1)
    assert live.answer(1, PATIENCE)["error"]["code"] == -32800
    live.send("next", "odd", mode="quiet")
    assert live.answer("next", PATIENCE)["result"] == {"mode": "quiet"}
    live.close()


def test_only_a_running_session_can_be_told_something(live):
    assert not live.tell("pause", request_id=99)
    assert not live.tell("pause", request_id=[1])
    live.send("job", "odd", mode="quiet", seconds=60.0)
    assert not live.tell("pause", request_id="job")  # a step that does not listen
    assert live.tell("pause")


def test_a_project_that_is_none_is_told(tmp_path):
    client = Client()
    client.send(1, "live", project=str(tmp_path), feature=FEATURE)
    error = client.answer(1, PATIENCE)["error"]
    client.close()
    assert error["code"] == -32000
    assert "is no Tomoseg project" in error["message"]
