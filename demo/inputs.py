"""What the demo works on: a tomogram, and label volumes that an annotator's boxes and labels are drawn from."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml.volumes import open_any
from tomo.errors import TomosegError
from tomo.names import feature_of

SIMULATED_FEATURES = ("membrane", "microtubule", "carbon")
PROJECT = "project"
BOX = 64
HELD_OUT = 4  # one slice in so many is never trained on


@dataclass(frozen=True)
class Material:
    """A tomogram, its label volumes by feature, and whether features are dark.

    train, held_out: the slices that boxes may lie on, and those that only the score sees. box: side of the boxes.
    """

    tomogram: Path
    labels: dict[str, Path]
    dark: bool
    train: list[int]
    held_out: list[int]
    box: int


def fresh_folder(output: Path) -> Path:
    """The output folder, absolute, without the project of an earlier run. Raises TomosegError."""
    project = output.absolute() / PROJECT
    if project.exists():
        if not (project / "project.json").is_file():
            raise TomosegError(f"{project} is there and no project of the demo: name another --output.")
        shutil.rmtree(project)
    return output.absolute()


def simulated(folder: Path) -> Material:
    """The simulated cell of seed 0: made by `tomoseg simulate`, features dark."""
    from ml import simulate
    from ml.report import LogLines

    print("Simulating a cell: tilt series with noise, missing wedge and CTF, back-projected", flush=True)
    made = simulate.run(simulate.Options(folder), LogLines())
    return given(Path(made["tomogram"]), [Path(made["labels"][feature]) for feature in SIMULATED_FEATURES])


def given(tomogram: Path, labels: list[Path]) -> Material:
    """A tomogram and its labels as files. Raises TomosegError where they do not fit together."""
    data = open_any(tomogram).data
    volumes: dict[str, Path] = {}
    masks = []
    for path in labels:
        label = open_any(path).data
        if label.shape != data.shape:
            raise TomosegError(f"{path} has the shape {label.shape} and {tomogram} {data.shape}: give labels that fit.")
        if feature_of(path) in volumes:
            raise TomosegError(f"{path} and {volumes[feature_of(path)]} name the same feature: rename one.")
        volumes[feature_of(path)] = path.absolute()
        masks.append(np.asarray(label) != 0)
    held_out = list(range(HELD_OUT - 1, data.shape[0], HELD_OUT))
    train = [z for z in range(data.shape[0]) if z not in held_out]
    return Material(tomogram.absolute(), volumes, _is_dark(data, masks), train, held_out, min(BOX, *data.shape[1:]))


def _is_dark(data: NDArray[np.generic], masks: list[NDArray[np.bool_]]) -> bool:
    """Whether the features are darker than the rest: what a person sees at once, and tells the import."""
    any_feature = np.logical_or.reduce(masks)
    values = np.asarray(data, np.float32)
    if not any_feature.any() or any_feature.all():
        raise TomosegError("The label volumes mark nothing, or all of the tomogram: give labels of single features.")
    return bool(values[any_feature].mean() < values[~any_feature].mean())
