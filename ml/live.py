"""Train while the user paints: the request `live` of the worker, which runs until it is told to finish or cancelled.

It learns from the boxes and labels in the project folder as they are now, shows what the network believes of the slice
on screen, and takes commands (`tell`) meanwhile: docs/live.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.options import option
from ml.report import LiveReport

SUMMARY = "train while the user paints"


@dataclass(frozen=True)
class Options:
    """What the request `live` takes. threads: 0 leaves one core to Blender. The rest is as for `train`."""

    project: Path = option(help="project folder", metavar="DIR")
    feature: str = option(help="the feature that is painted")
    tomogram: str = option("", help="the tomogram on screen, which is opened first")
    network: str = option("default", help="default, fast (one U-Net instead of two), or classic for EMAN2's")
    recipe: str = option("", help="for classic: today (the default) or 2017")
    learning_rate: float = option(0.0, help="learning rate (default: the recipe's)")
    iterations: int = option(0, help="iterations of the last training at most (default: the recipe's)")
    batch_size: int = option(0, help="boxes per step of the last training (default: the recipe's)")
    max_seconds: float = option(0.0, help="stop the last training after so many seconds (default: no limit)")
    seed: int = option(0, help="seed of all random choices")
    device: str = option("auto", help="where to compute", choices=("auto", "cuda", "mps", "cpu"))
    threads: int = option(0, help="CPU cores to use (default: all but one)")
    nice: int = option(5, help="how far other programs go first, 0 (not at all) to 19")
    from_trained: Path | None = option(None, help="go on from this trained network", metavar="NETWORK")
    cold_start: bool = option(False, help="begin with random weights, not with those learned from simulated cells")
    fresh: bool = option(False, help="forget what an earlier live training has learned")


def run(options: Options, report: LiveReport) -> dict[str, Any]:
    """Train until `finish`; returns what `train` returns. Raises TomosegError, or Cancelled with the weights kept."""
    from ml.live_session import Session
    from ml.live_thread import gently

    return gently(lambda: Session(options, report).run(), options.nice)


def describe(result: dict[str, Any]) -> str:
    """The result in words."""
    from ml.train import describe as describe_training

    return describe_training(result)
