"""A small project with everything that each step needs, and what a step's results are."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.client import Nursery, Worker
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.geometry import Geometry
from tomo.labels import save_label
from tomo.mrc import open_tomogram, write_mrc
from tomo.project import Project

STEPS = ("import", "trainset", "train", "apply", "merge", "surface")
GEOMETRY = Geometry((12.0, 12.0, 12.0), (100.0, -50.0, 25.0))
SHAPE = (24, 96, 128)


@dataclass(frozen=True)
class Step:
    """A request of the worker. made: the files that it writes."""

    method: str
    params: dict[str, Any]
    made: tuple[Path, ...] = field(default=())


def steps_of(folder: Path, source: Path, feature: str = "bar", network: str = "classic") -> dict[str, Step]:
    """The protocol's steps in a project folder. source: the tomogram that is imported. network: what is trained."""
    project = Project(folder)
    name = source.stem
    iterations = {"classic": 3, "default": 2}[network]
    maps = [project.segmentation_path(name, feature), folder / "segmentations" / f"{name}__ball.mrc"]
    mask, trained = project.mask_path(name), project.network_path(feature)
    tomogram = folder / "tomograms" / f"{name}.mrc"
    surfaces = tuple(project.surface_path(name, one) for one in (feature, "ball"))
    common = {"device": "cpu", "threads": 1}
    place = {"project": str(folder), "feature": feature}
    train = {**place, "network": network, "iterations": iterations, "seed": 3, "batch_size": 2, **common}
    apply = {"network": str(trained), "tomograms": [str(tomogram)], "output": str(maps[0].parent), "memory": 0.002}
    merge = {"maps": [str(each) for each in maps], "output": str(mask), "threshold": [0.3]}
    return {
        "import": Step("import", {"files": [str(source)], "project": str(folder)}, (tomogram,)),
        "trainset": Step("trainset", {**place, "copies": 2}, (project.trainset_path(feature),)),
        "train": Step("train", train, (trained, project.triplets_path(feature))),
        "apply": Step("apply", {**apply, **common}, (maps[0],)),
        "merge": Step("merge", merge, (mask, project.label_table_path(mask))),
        "surface": Step("surface", {"mask": str(mask), "output": str(surfaces[0].parent)}, surfaces),
    }


def write_source(path: Path, shape: tuple[int, int, int] = SHAPE) -> None:
    """A tomogram with a bar in one corner, and its noise."""
    volume = np.random.default_rng(4).normal(10, 2, shape).astype(np.float32)
    volume[_bar(shape)] += 8
    write_mrc(path, volume, GEOMETRY)


def _bar(shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    return slice(4, 20), slice(10, 30), slice(8, shape[2] // 2)


def annotate(folder: Path, name: str, feature: str = "bar", size: int = 32) -> None:
    """Boxes and labels of the bar, and a second map for the merge."""
    project = Project(folder)
    project.add_feature(feature)
    shape = project.tomogram(name).shape
    label = np.zeros(shape, np.int8)
    label[_bar(shape)] = 1
    places = [(POSITIVE, (24, 20, z)) for z in (6, 10, 14)] + [(NEGATIVE, (100, 70, z)) for z in (6, 14)]
    project.save_boxes([Box(name, feature, kind, place, size, f"box{i}") for i, (kind, place) in enumerate(places)])
    for z in (6, 10, 14):
        save_label(project.label_path(name, feature, z), label[z], GEOMETRY)
    z, y, x = np.ogrid[tuple(slice(length) for length in shape)]
    ball = 20 - np.sqrt((2 * (z - 12)) ** 2 + (y - 70) ** 2 + (x - 90) ** 2)
    (folder / "segmentations").mkdir(exist_ok=True)
    write_mrc(folder / "segmentations" / f"{name}__ball.mrc", ball.astype(np.float32), GEOMETRY)


def digest(path: Path) -> str:
    """What a file holds; of a network the weights alone, since its history tells how many seconds it took."""
    if not path.is_file():
        return "missing"
    if path.suffix == ".safetensors":
        from ml.network_file import load_network

        weights = load_network(path).module.state_dict().items()
        return hashlib.sha256(b"".join(name.encode() + value.numpy().tobytes() for name, value in weights)).hexdigest()
    if path.suffix == ".mrc":
        opened = open_tomogram(path)
        return hashlib.sha256(opened.data.tobytes() + repr(opened.geometry).encode()).hexdigest()
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return hashlib.sha256(b"".join(arrays[key].tobytes() for key in sorted(arrays))).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state_of(folder: Path, leave_out: tuple[Path, ...] = ()) -> dict[str, str]:
    """All files of a project that a person sees, by their content; hidden ones are the program's own."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path not in leave_out
    }


def leftovers(folder: Path) -> list[Path]:
    """Hidden files that hold data: half-written ones."""
    return [path for path in folder.rglob(".*") if path.is_file() and ".part" in path.name]


def build(nursery: Nursery, folder: Path, network: str = "classic", feature: str = "bar", name: str = "cell") -> Path:
    """A project in which all steps are done, in `folder`; returns it. The tomogram lies beside it."""
    source, project = folder / f"{name}.mrc", folder / "project"
    write_source(source)
    worker = Worker(nursery)
    for step in steps_of(project, source, feature, network).values():
        if step.method == "trainset":
            annotate(project, name, feature)
        worker.run(step.method, step.params)
    worker.close()
    return project


def remove(paths: tuple[Path, ...]) -> None:
    """Take a step's results away, with what lies half-written beside them."""
    for path in paths:
        path.unlink(missing_ok=True)
        for left in path.parent.glob(".*"):
            if left.is_file():
                left.unlink()
