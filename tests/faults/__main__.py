"""All faults × steps by hand; writes the table in docs/faults.md.

Usage: python -m tests.faults [--kills 20] [--trials 5] [--network default] [--only FAULT …] [--write docs/faults.md]

Takes half an hour to an hour; --only "in use", say, does some of it and puts those rows into the table. Run it as root
under `unshare -m` for full and read-only disks, else those are left out.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import disks, kills, material
from tests.faults.client import Nursery
from tests.faults.tally import Tally

SEED = 7
DEEP = "/".join(f"Ein langer Ordnername mit Leerzeichen und Ümläuten, 細胞 {number}" for number in range(10))
NAMES = [
    ("a b", "cell 1", "outer membrane"),
    (DEEP, "Zelle Nr. 1, Größe 細胞", "Mikrotubuli β"),
    ("long", "n" * 100, "f" * 64),
    ("wide", "細" * 33, "胞" * 21),
]
BEGIN, END = "<!-- table: python -m tests.faults -->\n", "<!-- end of the table -->\n"


def tallies(folder: Path, options: argparse.Namespace) -> Iterator[Tally]:
    """One tally for each fault and step, the quick ones first."""
    nursery = Nursery()
    original = material.build(nursery, folder / "original")
    if _wanted(options, kills.KILL):
        yield from kills.kill_saving(nursery, _copy(original, folder / "saving"), options.kills, SEED)
    for name in (step for step in material.STEPS if step != "train"):
        if _wanted(options, kills.KILL):
            yield _killed(nursery, original, folder, name, options)
    for name in material.STEPS:
        yield from _troubled(nursery, original, folder / "place", name, options)
    if _wanted(options, disks.NAMES):
        yield from disks.strange_names(nursery, folder / "place", NAMES)
    if _wanted(options, kills.KILL):
        yield _killed(nursery, original, folder, "train", options)
    nursery.close()


def _killed(nursery: Nursery, original: Path, folder: Path, name: str, options: argparse.Namespace) -> Tally:
    project = _copy(original, folder / f"kill {name}")
    network = options.network if name == "train" else "classic"
    step = material.steps_of(project, original.parent / "cell.mrc", network=network)[name]
    return kills.kill_step(nursery, project, name, step, options.kills, SEED)


def _troubled(nursery: Nursery, original: Path, place: Path, name: str, options: argparse.Namespace) -> Iterator[Tally]:
    """Disks, folders and clocks, for one step."""
    trials = options.trials
    if disks.reason_against_mounts() is None:
        if _wanted(options, disks.FULL):
            yield disks.full_disk(nursery, original, place, name, trials, SEED)
        if _wanted(options, disks.READ_ONLY):
            yield disks.read_only_disk(nursery, original, place, name, trials)
    for delete, fault in ((False, disks.MOVED), (True, disks.DELETED)):
        if _wanted(options, fault):
            yield disks.vanishing_folder(nursery, original, place, name, trials, SEED, delete=delete)
    if _wanted(options, disks.CLOCK):
        yield disks.jumping_clock(nursery, original, place, name, trials)


def _wanted(options: argparse.Namespace, fault: str) -> bool:
    return not options.only or any(words in fault for words in options.only)


def _copy(original: Path, target: Path) -> Path:
    return Path(shutil.copytree(original, target))


def table(found: list[Tally], before: str = "") -> str:
    """Faults × steps: trials, what else was counted, losses; rows of `before` stay where they were not done again."""
    rows = {tuple(row.split(" | ")[:2]): row for row in before.splitlines() if row.count(" | ") == 4}
    rows = {key: row for key, row in rows.items() if key[0] not in ("| fault", "| **all**")}
    for tally in found:
        facts = ", ".join(f"{name}: {number}" for name, number in tally.facts.items())
        row = f"| {tally.fault} | {tally.step} | {tally.trials} | {len(tally.losses)} | {facts} |"
        rows[tuple(row.split(" | ")[:2])] = row
    trials, losses = (sum(int(row.split(" | ")[column]) for row in rows.values()) for column in (2, 3))
    head = ["| fault | step | trials | losses | of these |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows.values(), f"| **all** | | **{trials}** | **{losses}** | |"]) + "\n"


def main() -> int:
    """Run everything; 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--network", choices=("default", "classic"), default="default")
    parser.add_argument("--only", nargs="+", default=[], metavar="FAULT")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if (reason := disks.reason_against_mounts()) is not None:
        print(f"Left out: full and read-only disks, since {reason}.")
    elif not os.environ.get("TOMOSEG_OWN_MOUNTS"):
        os.environ["TOMOSEG_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "-m", sys.executable, "-m", "tests.faults", *sys.argv[1:]])
    found, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tomoseg-faults-") as folder:
        (Path(folder) / "original").mkdir()
        for tally in tallies(Path(folder), options):
            print(f"{time.monotonic() - began:6.0f} s  {tally}", *tally.losses, sep="\n          ", flush=True)
            found.append(tally)
            if options.write:  # after each, so that a run that is ended early counts
                page = options.write.read_text(encoding="utf-8")
                before, after = page.split(BEGIN)[0], page.split(END)[1]
                kept = page.split(BEGIN)[1].split(END)[0] if options.only else ""
                options.write.write_text(f"{before}{BEGIN}{table(found, kept)}{END}{after}", encoding="utf-8")
    return 1 if any(tally.losses for tally in found) else 0


if __name__ == "__main__":
    sys.exit(main())
