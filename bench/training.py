"""Ten positive and 100 negative boxes to the plateau, and the score on a tomogram never trained on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.process import tomoseg

TRAIN_AIM = 300.0  # seconds on 2 cores
NETWORKS = (("fast", "to the plateau"), ("default", "to the plateau"), ("classic", "as long as default"))


def rows(folder: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """All networks on two simulated cells of different seeds; classic gets the seconds that default needed."""
    size = ("32", "160", "160") if quick else ("48", "256", "256")
    pairs = []
    for seed in (1, 2):
        cell = folder / f"cell{seed}"
        tomoseg("simulate", "--output", cell, "--seed", seed, "--size", *size)
        tomogram = next(path for path in sorted(cell.glob("*.mrc")) if "__" not in path.name)
        pairs.append((tomogram, next(iter(sorted(cell.glob("*__membrane*.mrc"))))))
    most = 20.0 if quick else TRAIN_AIM
    for network, until in NETWORKS:
        words = ("--network", network, "--invert", "--max-train-seconds", round(most), "--json")
        taken = tomoseg("evaluate", "--train", *pairs[0], "--test", *pairs[1], *words)
        told = taken.result
        row: dict[str, Any] = {
            "name": f"train {network} {until}, {told['positives']} + {told['negatives']} boxes of a cell",
            "seconds": round(told["train_seconds"], 1),
            "cpu_seconds": round(taken.cpu_seconds, 1),
            "peak_memory_mb": round(taken.peak_memory_mb),
            "dice": round(told["dice"], 3),
        }
        if network != "classic":
            row["aims"] = {"seconds": TRAIN_AIM}
        if network == "default":
            most = max(told["train_seconds"], 1.0)
        yield row
