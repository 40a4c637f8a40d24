"""Many mutants by hand: python -m tests.fuzz [--mutants 10000] [--keep FOLDER] [FORMAT …]"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.campaign import Campaign, Child
from tests.fuzz.formats import FORMATS


def main() -> int:
    """Run the campaigns; 1 where one found a bug."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=10000)
    parser.add_argument("--keep", type=Path, help="where to write the mutants that found something")
    parser.add_argument("formats", nargs="*", metavar="FORMAT")
    options = parser.parse_args()
    found = 0
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    print("| format | mutants | read | refused in a sentence | past the first checks | crash, hang, bug | seconds |")
    print("|---|---|---|---|---|---|---|")
    for kind in options.formats or FORMATS:
        child, began = Child(), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tomoseg-fuzz-") as folder:
            campaign = Campaign(kind, Path(folder), options.keep)
            campaign.run(options.mutants, child)
        child.close()
        counts = campaign.counts
        bad = counts["crash"] + counts["hang"] + counts["bug"]
        share = counts["past"] / counts["tried"]
        seconds = time.monotonic() - began
        row = (kind, counts["tried"], counts["ok"], counts["refused"], f"{share:.0%}", bad, f"{seconds:.0f}")
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
        for sentence in campaign.bugs.values():
            print(f"    {sentence}", file=sys.stderr, flush=True)
        found += bad
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
