"""Disks that are full or read-only, folders that move or vanish, clocks that jump, names that are long and strange.

Full and read-only disks are small tmpfs mounts in a mount namespace of our own (`unshare -m`), which needs root.
"""

import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults import material
from tests.faults.client import Nursery, Refused, Worker
from tests.faults.nursery import JUMPING_CLOCK
from tests.faults.tally import Tally

SIZE = 64 * 2**20  # bytes of the small disk
FULL, READ_ONLY, CLOCK, NAMES = (
    "disk full",
    "read-only project folder",
    "clock jumps",
    "non-ASCII and long names, spaces",
)
MOVED, DELETED = "project folder moved in use", "project folder deleted in use"
CODES = (-32000, -32001)  # what the user can mend, and faults of the machine; no bug


def reason_against_mounts() -> str | None:
    """Why no private mount can be had here, or None."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root may mount a small disk"
    try:
        done = subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        )
    except OSError as error:
        return f"unshare: {error.strerror}"
    return None if done.returncode == 0 else f"mounting is not allowed here ({done.stderr.decode().strip()})"


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A tmpfs of SIZE bytes at `place`; call it in a mount namespace of one's own."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


class Trial:
    """One step in a copy of a finished project on a disk of its own; `expected` is what the step makes there."""

    def __init__(self, nursery: Nursery, original: Path, place: Path, name: str, tally: Tally) -> None:
        self.project = Path(shutil.copytree(original, place / "project"))
        self.step = material.steps_of(self.project, original.parent / "cell.mrc")[name]
        self.nursery, self.tally = nursery, tally
        self.expected = {path: material.digest(path) for path in self.step.made}
        material.remove(self.step.made)
        self.before = material.state_of(self.project)
        tally.trials += 1

    def run(self, kind: bytes = b"w") -> Refused | None:
        """Do the step; returns what it was refused with."""
        worker = Worker(self.nursery, kind)
        try:
            worker.run(self.step.method, self.step.params)
        except Refused as refused:
            return refused
        finally:
            worker.close()
        return None

    def check_sentence(self, refused: Refused | None, words: tuple[str, ...]) -> None:
        """The refusal must be one sentence with one of these words, and nothing may have changed."""
        if refused is None:
            self.tally.count("had room")
            return
        if refused.code not in CODES or not any(word in refused.sentence for word in words):
            self.tally.lost(f"no clear sentence: {refused.sentence}")
        self.check_untouched()

    def check_untouched(self) -> None:
        """What was there before is there as it was."""
        kept = tuple((self.project / "triplets").glob("*")) if self.step.method == "train" else ()
        now = material.state_of(self.project, (*self.step.made, *kept))
        if now.items() - self.before.items() or {name for name in self.before if name not in now} - _names(kept, self):
            self.tally.lost("other files changed")

    def check_going_on(self) -> None:
        """Without the fault, the step makes what it always makes, and nothing half-written lies beside it."""
        if (refused := self.run()) is not None:
            self.tally.lost(f"it did not go on: {refused.sentence}")
        for path, expected in self.expected.items():
            if path.suffix != ".png" and material.digest(path) != expected:
                self.tally.lost(f"{path.name} differs afterwards")
        if left := material.leftovers(self.project):
            self.tally.lost(f"{left[0].name} is left")


def _names(paths: tuple[Path, ...], trial: Trial) -> set[str]:
    return {str(path.relative_to(trial.project)) for path in paths}


def full_disk(nursery: Nursery, original: Path, place: Path, name: str, trials: int, seed: int) -> Tally:
    """From no space at all to nearly enough for the step's results."""
    tally, chance = Tally(FULL, name), random.Random(f"{seed} full {name}")
    for number in range(trials):
        with small_disk(place):
            trial = Trial(nursery, original, place, name, tally)
            needed = sum((original / path.relative_to(trial.project)).stat().st_size for path in trial.step.made)
            left = int(chance.uniform(0, 0.95) * needed) if number else 0
            status = os.statvfs(place)
            filler = place / "filler"
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(status.f_bavail * status.f_frsize - left, 4096))
            trial.check_sentence(trial.run(), ("the disk is full", "are free there"))
            filler.unlink()
            trial.check_going_on()
    return tally


def read_only_disk(nursery: Nursery, original: Path, place: Path, name: str, trials: int) -> Tally:
    """The project lies on a disk that cannot be written to."""
    tally = Tally(READ_ONLY, name)
    for _ in range(trials):
        with small_disk(place):
            trial = Trial(nursery, original, place, name, tally)
            _remount(place, "ro")
            trial.check_sentence(trial.run(), ("read-only",))
            _remount(place, "rw")
            trial.check_going_on()
    return tally


def vanishing_folder(
    nursery: Nursery, original: Path, place: Path, name: str, trials: int, seed: int, *, delete: bool
) -> Tally:
    """The project folder is moved away, or deleted, while the step runs."""
    fault = DELETED if delete else MOVED
    tally, chance = Tally(fault, name), random.Random(f"{seed} {fault} {name}")
    seconds = 0.3
    for _ in range(trials):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        trial = Trial(nursery, original, place, name, tally)
        worker = Worker(nursery)
        number = worker.begin(trial.step.method, trial.step.params)
        began = time.monotonic()
        time.sleep(chance.random() * seconds)
        moved = place / "moved"
        trial.project.rename(moved)
        if delete:
            shutil.rmtree(moved)
        try:
            worker.answer(number)
            tally.count("was done all the same")
        except Refused as refused:
            tally.count("was told in one sentence")
            if refused.code not in CODES or f"folder {trial.project} is gone" not in refused.sentence:
                tally.lost(f"no clear sentence: {refused.sentence}")
            _look_for_the_network(refused.sentence, tally)
        worker.close()
        if trial.project.exists():
            tally.lost(f"the folder was made anew, with {sorted(trial.project.rglob('*'))[:3]}")
        seconds = 0.7 * seconds + 0.3 * (time.monotonic() - began)
        _put_back(trial, moved, original)
        trial.check_untouched()
        trial.check_going_on()
    return tally


def _look_for_the_network(sentence: str, tally: Tally) -> None:
    """A network that the sentence says was saved elsewhere must be whole; it is removed again."""
    if found := re.search(r"saved as (.*)\.$", sentence):
        kept = Path(found[1])
        if material.digest(kept) == "missing":
            tally.lost(f"{kept} is not there")
        tally.count("kept its network elsewhere")
        shutil.rmtree(kept.parent)


def _put_back(trial: Trial, moved: Path, original: Path) -> None:
    """The person finds the folder again, or restores it from a backup; what was written meanwhile joins it."""
    source = moved if moved.exists() else original
    shutil.copytree(source, trial.project, dirs_exist_ok=True)
    if source is original:
        material.remove(trial.step.made)


def jumping_clock(nursery: Nursery, original: Path, place: Path, name: str, trials: int) -> Tally:
    """The clock jumps by years during the step, and the files are from 1971 and from 2099."""
    tally = Tally(CLOCK, name)
    for number in range(trials):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        trial = Trial(nursery, original, place, name, tally)
        for path in trial.project.rglob("*"):
            os.utime(path, (4.07e9, 4.07e9) if number % 2 else (4e7, 4e7))
        if (refused := trial.run(JUMPING_CLOCK)) is not None:
            tally.lost(refused.sentence)
        trial.check_untouched()
        trial.check_going_on()
    return tally


def strange_names(nursery: Nursery, place: Path, names: list[tuple[str, str, str]]) -> list[Tally]:
    """All steps for each (folder, tomogram, feature)."""
    tally = Tally(NAMES, "all steps")
    for folder, tomogram, feature in names:
        shutil.rmtree(place, ignore_errors=True)
        home = place / folder
        home.mkdir(parents=True)
        tally.trials += 1
        try:
            project = material.build(nursery, home, feature=feature, name=tomogram)
        except Refused as refused:
            tally.lost(f"{tomogram!r}, {feature!r}: {refused.sentence}")
            continue
        missing = [
            path.name
            for step in material.steps_of(project, home / f"{tomogram}.mrc", feature).values()
            for path in step.made
            if not path.is_file()
        ]
        if missing:
            tally.lost(f"{missing[0]} was not made")
    return [tally]
