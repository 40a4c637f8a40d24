"""`make bench`: measure the steps side by side, print one table, write it as JSON with the machine's description."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from bench import applying, latency, live, merging, surfaces, thresholds, training, window
from ml.overlap import in_words

GROUPS: dict[str, Callable[..., Iterable[dict[str, Any]]]] = {
    "applying": applying.rows,
    "latency": latency.rows,
    "live": live.rows,
    "merging": merging.rows,
    "surfaces": lambda _folder, *, quick: surfaces.rows((64, 256, 256)) if quick else surfaces.rows(),
    "thresholds": thresholds.rows,
    "training": training.rows,
    "window": window.rows,
}
_EPILOG = """Each row is a command or a request from its start to its files, with the seconds, CPU seconds and the most
memory that it took; ✓ and ✗ tell whether it reached its aim. Nothing else should run meanwhile. Exit status 1: an aim
was missed, or a group failed."""
COLUMNS = ("seconds", "cpu_seconds", "cpu_seconds_per_4096_slice", "peak_memory_mb", "dice")
HEADINGS = ("seconds", "CPU s", "CPU s/4096²", "peak MB", "Dice")


def main(words: list[str]) -> int:
    """Run all groups, or those named; exit status 1 where an aim was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, epilog=_EPILOG)
    parser.add_argument(
        "--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help=f"of {', '.join(GROUPS)}"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"), help="where the JSON goes")
    parser.add_argument("--folder", type=Path, help="where the large files go (12 GB; default: the temporary folder)")
    options = parser.parse_args(words)
    rows: list[dict[str, Any]] = []
    report = {"machine": machine(), "quick": options.quick, "rows": rows}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    print(_line("", HEADINGS, "aims"))
    for group in options.only:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            for row in _measured(group, Path(folder), quick=options.quick):
                rows.append({"group": group, **row})
                report["minutes"] = round((time.monotonic() - began) / 60, 1)
                # After each row: a long run that is stopped leaves what it has found.
                options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
                print(_line(row["name"], [_shown(row.get(column)) for column in COLUMNS], _verdict(row)), flush=True)
                if "shares" in row:
                    print(f"    {in_words(row['shares'])}", flush=True)
    print(f"{_summary(rows)}.\nWrote {options.output} after {report.get('minutes', 0)} minutes.")
    return int(any(missed(row) or "failed" in row for row in rows))


def _measured(group: str, folder: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """The rows of one group; where it cannot go on, a last row that says so, and the other groups are measured."""
    try:
        yield from GROUPS[group](folder, quick=quick)
    except RuntimeError as error:  # what the groups raise where a step fails, or nothing comes
        yield {"name": f"{group}: failed", "failed": str(error)[-500:]}


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import numpy
    import torch

    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "system": platform.platform(),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_at_start": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }


def missed(row: dict[str, Any]) -> list[str]:
    """The aims that a row does not reach; an aim is the most that is wanted."""
    return [name for name, most in row.get("aims", {}).items() if row[name] > most]


def _verdict(row: dict[str, Any]) -> str:
    """Each aim, with a cross where it was missed; or why there is no figure."""
    if "failed" in row:
        return f"✗ {row['failed']}"
    wrong, headings = missed(row), dict(zip(COLUMNS, HEADINGS, strict=True))
    aims = row.get("aims", {}).items()
    return ", ".join(f"{headings.get(name, name)} ≤ {most:g} {'✗' if name in wrong else '✓'}" for name, most in aims)


def _summary(rows: list[dict[str, Any]]) -> str:
    """How many aims were met, and the rows that missed one or have no figure."""
    count = sum(len(row.get("aims", {})) for row in rows)
    parts = [f"{count - sum(len(missed(row)) for row in rows)} of {count} aims met"]
    if wrong := [row["name"] for row in rows if missed(row)]:
        parts.append(f"missed: {', '.join(wrong)}")
    return "; ".join([*parts, *(row["name"] for row in rows if "failed" in row)])


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:g}"


def _line(name: str, values: Any, ending: str) -> str:
    return f"{name:<58}" + "".join(f"{value:>13}" for value in values) + f"  {ending}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
