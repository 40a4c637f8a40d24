"""kill -9 of the worker at random moments of a step, and what the next run makes of it."""

import json
import os
import random
import signal
import time
from pathlib import Path

from tests.faults import material
from tests.faults.client import Nursery, Worker
from tests.faults.nursery import SAVER
from tests.faults.tally import Tally
from tomo.labels import load_label
from tomo.project import Project

KILL = "kill -9"


class Killing:
    """Kills one step of a project again and again. prepared: everything that the step needs is there."""

    def __init__(self, nursery: Nursery, folder: Path, name: str, step: material.Step, seed: int) -> None:
        self.folder, self.step = folder, step
        self._random = random.Random(f"{seed} {name}")
        self.tally = Tally(KILL, name)
        self._nursery = nursery
        self.worker = Worker(nursery)
        self._run()
        self._expected = {path: material.digest(path) for path in step.made}
        self._others = material.state_of(folder, self._changing())
        began = time.monotonic()
        material.remove(step.made)
        self._run()
        self.seconds = time.monotonic() - began
        self._compare("a second run")

    def _changing(self) -> tuple[Path, ...]:
        """Files that the step writes; a training also writes what tells how long it took."""
        sheets = tuple((self.folder / "triplets").glob("*")) if self.step.method == "train" else ()
        return (*self.step.made, *sheets)

    def _run(self) -> dict[str, object]:
        return self.worker.run(self.step.method, self.step.params)

    def kill_once(self) -> bool:
        """Kill the step at a random moment, look at what is left, run it again; False where it ended before."""
        material.remove(self.step.made)
        number = self.worker.send(self.step.method, self.step.params)
        time.sleep(self._random.random() * self.seconds)
        hit = not self.worker.is_answered
        self.worker.kill()
        if hit:
            self.tally.trials += 1
            self._look(number)
        self.worker = Worker(self._nursery)
        result = self._run()
        if hit:
            maps = result.get("maps")
            if isinstance(maps, list) and maps[0]["resumed_at_slice"]:
                self.tally.count("went on in the middle")
            self._compare("after the kill")
        return hit

    def _look(self, number: int) -> None:
        """A killed step leaves each file whole or not at all, and nothing else changed."""
        for path, expected in self._expected.items():
            found = material.digest(path)  # raises for a network that cannot be read
            if self.step.method == "train" and path.suffix == ".safetensors":
                self.tally.count("best network so far was there", int(found != "missing"))
            elif self.step.method != "train" and found not in (expected, "missing"):
                self.tally.lost(f"left a damaged {path.name}")
        if material.state_of(self.folder, self._changing()) != self._others:
            self.tally.lost(f"request {number} changed other files")

    def _compare(self, when: str) -> None:
        for path, expected in self._expected.items():
            if path.suffix != ".png" and material.digest(path) != expected:
                self.tally.lost(f"{path.name} differs {when}")
        if left := material.leftovers(self.folder):
            self.tally.lost(f"{left[0].name} is left {when}")


def kill_step(nursery: Nursery, folder: Path, name: str, step: material.Step, kills: int, seed: int) -> Tally:
    """Kill a step until `kills` kills have hit it while it ran."""
    killing = Killing(nursery, folder, name, step, seed)
    try:
        for _ in range(10 * kills):
            if killing.tally.trials >= kills:
                break
            killing.kill_once()
    finally:
        killing.worker.close()
    return killing.tally


def kill_saving(nursery: Nursery, folder: Path, kills: int, seed: int) -> list[Tally]:
    """Kill a process that saves boxes and labels without a pause; both must be whole, and no older than it said."""
    chance = random.Random(f"{seed} saving")
    boxes, labels = Tally(KILL, "save boxes"), Tally(KILL, "save labels")
    project, seen = Project.open(folder), 0
    for _ in range(kills):
        pid, requests, answers = nursery.fork(SAVER)
        requests.write(f"{folder}\n".encode())
        requests.flush()
        told = [answers.readline() for _ in range(chance.randint(1, 5))]
        time.sleep(chance.random() * 0.01)
        os.kill(pid, signal.SIGKILL)
        told += answers.readlines()
        requests.close()
        answers.close()
        boxes.trials, labels.trials = boxes.trials + 1, labels.trials + 1
        seen = int(told[-1]) if told[-1].endswith(b"\n") else int(told[-2])
        saved = {box.centre[0] for box in project.boxes()}
        if len(project.boxes()) != 300 or len(saved) != 1 or not seen <= min(saved) <= seen + 1:
            boxes.lost(f"boxes of saving {saved} are there after saving {seen}")
        values = set(load_label(project.label_path("cell", "bar", 6), (96, 128)).ravel().tolist())
        if len(values) != 1 or not values & {seen % 3, (seen + 1) % 3}:
            labels.lost(f"the label holds {values} after saving {seen}")
    if len(json.loads((folder / "boxes.json").read_text())["boxes"]) != 300 or len(material.leftovers(folder)) > 2:
        boxes.lost("half-written files pile up")
    return [boxes, labels]
