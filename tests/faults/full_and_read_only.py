"""One trial of a full and of a read-only disk, for a process in a mount namespace of its own: ORIGINAL PLACE STEP."""

import sys
from pathlib import Path

from tests.faults import disks
from tests.faults.client import Nursery

if __name__ == "__main__":
    original, place, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    nursery = Nursery()
    found = [
        disks.full_disk(nursery, original, place, name, 1, 3),
        disks.read_only_disk(nursery, original, place, name, 1),
    ]
    nursery.close()
    for tally in found:
        print(tally, *tally.losses, sep="\n")
    sys.exit(any(tally.losses or not tally.trials for tally in found))
