"""The formats that are fuzzed: a good file of each, how it is damaged, and how it is read as the program reads it."""

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Reader = Callable[[Path], Any]
MOST_READ = 2**22  # voxels looked at


@dataclass(frozen=True)
class Format:
    """One format. write: makes good files, by name. reader: imports what is needed, returns the reading function.

    first: parts of sentences of the first checks; a mutant that is refused with another one has got past them.
    structured: how the file is damaged beside single bytes ("json", "safetensors", "hdf", "mrc", "tar", "names").
    """

    write: Callable[[Path], list[Path]]
    reader: Callable[[], Reader]
    first: tuple[str, ...]
    structured: str = ""


def _mrc(folder: Path) -> list[Path]:
    import numpy as np

    from tomo.geometry import Geometry
    from tomo.mrc import write_mrc

    paths = []
    for dtype in ("int8", "int16", "float32"):
        volume = np.random.default_rng(3).integers(-5, 99, (5, 7, 11)).astype(dtype)
        paths.append(folder / f"{dtype}.mrc")
        write_mrc(paths[-1], volume, Geometry((10.0, 10.0, 12.0), (1.0, 2.0, 3.0), (3, 4, 5)), ["a label"])
    return paths


def _read_volume() -> Reader:
    from ml.volumes import open_any
    from tomo.mrc import value_problem

    def read(path: Path) -> None:
        tomogram = open_any(path)
        assert tomogram.data.ndim == 3 and min(tomogram.shape) > 0
        assert all(abs(value) < float("inf") for value in tomogram.geometry.voxel_size + tomogram.geometry.origin)
        value_problem(tomogram.data[:2, :64, :64])

    return read


def _label(folder: Path) -> list[Path]:
    import numpy as np

    from tomo.geometry import Geometry
    from tomo.labels import save_label

    label = np.zeros((12, 17), np.int8)
    label[2:5, 3:9] = 1
    save_label(folder / "z00006.mrc", label, Geometry((10.0, 10.0, 10.0)))
    return [folder / "z00006.mrc"]


def _read_label() -> Reader:
    from tomo.labels import load_label

    def read(path: Path) -> None:
        label = load_label(path, (12, 17))
        assert label.shape == (12, 17) and label.dtype == "int8" and 0 <= label.min() <= label.max() <= 2

    return read


def _project(folder: Path) -> list[Path]:
    from tomo.boxes import Box
    from tomo.label_table import LabelEntry, save_label_table
    from tomo.project import Project, TomogramEntry

    project = Project.create(folder)
    project.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc", "/data/cell.rec", 2, voxel_size=(1.0, 2.0, 3.0)))
    project.add_tomogram(TomogramEntry("cell_bin2", "tomograms/cell_bin2.mrc", shape=(4, 5, 6)))
    project.add_feature("actin")
    project.add_feature("outer membrane")
    project.save_boxes(
        [Box("cell", "actin", "positive", (3, 4, 5), 16, "one"), Box("cell", "actin", "negative", (1, 1, 1))]
    )
    save_label_table(folder / "mask.json", [LabelEntry(1, "actin", "#ff0000"), LabelEntry(2, "b", "#00ff00")])
    return [folder / name for name in ("project.json", "boxes.json", "features.json", "mask.json")]


def _read_project() -> Reader:
    from ml.surface import surface_file
    from tomo.label_table import load_label_table
    from tomo.project import Project
    from tomo.reasons import next_step

    def read(path: Path) -> None:
        folder = path.parent
        if path.name == "mask.json":
            for entry in load_label_table(path):
                _require_inside(surface_file(folder / "surfaces", "cell", entry.name), folder / "surfaces")
            return
        project = Project.open(folder)
        boxes, features, entries = project.boxes(), project.features(), project.tomograms()
        for entry in entries:
            _require_inside(project.tomogram_path(entry.name), folder)
            for feature in features:
                for where in (project.segmentation_path, project.surface_path, project.volume_path):
                    _require_inside(where(entry.name, feature.name), folder)
            project.family(entry.name)
        for box in boxes:
            _require_inside(project.label_path(box.tomogram, box.feature, abs(box.centre[2])), folder)
        next_step(project, entries[0].name if entries else "", features[0].name if features else "")

    return read


def _require_inside(path: Path, folder: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise AssertionError(f"{path} lies outside {folder}")


def _network(folder: Path) -> list[Path]:
    import torch

    from ml.network_file import EightBits, NetworkInfo, save_network
    from ml.networks import build_network

    paths = []
    ranges = {"unet": (3.0, 2.5, 1.5, 2.0, 1.0, 3.0, 4.5)}
    ranges["unets"] = 2 * ranges["unet"]
    for architecture, settings in (
        ("unet", {"width": 4, "depth": 2, "fold": 2, "context": 1}),
        ("unets", {"members": 2, "width": 4, "depth": 2, "fold": 2, "context": 1}),
        ("classic", {"kernels": [3, 3, 1], "sizes": [5, 5, 5], "context": 1}),
    ):
        torch.manual_seed(7)
        network = build_network(architecture, **settings).eval()
        known = EightBits(ranges[architecture], -0.001) if architecture in ranges else None
        history = ({"learning_rate": 0.1},)
        info = NetworkInfo("actin", architecture, settings, (10.0,) * 3, history=history, eight_bits=known)
        paths.append(folder / f"{architecture}.safetensors")
        save_network(paths[-1], network, info)
    return paths


def _read_network() -> Reader:
    import torch

    from ml.eight_bits import in_eight_bits, supported
    from ml.network_file import load_info, load_network

    def read(path: Path) -> None:
        info, loaded = load_info(path), load_network(path)
        image = torch.zeros(1, loaded.context, loaded.stride * 4, loaded.stride * 4)
        with torch.inference_mode():
            loaded.map_of(image)
        if info.eight_bits is not None and supported():
            device = torch.device("cpu")
            whole = in_eight_bits(loaded.for_applying(device), device)
            with torch.inference_mode():
                whole.map_of(image)

    return read


def _hdf(folder: Path) -> list[Path]:
    import numpy as np

    from ml.hdf import write_hdf

    volume = np.random.default_rng(3).normal(0, 1, (4, 6, 9)).astype(np.float32)
    header = {"apix_x": 10.0, "apix_y": 10.0, "apix_z": 10.0, "origin_x": 3.0}
    write_hdf(folder / "volume.hdf", [volume], [header])
    stored = {"stored_renderbits": 8, "stored_rendermin": -1.0, "stored_rendermax": 2.0}
    write_hdf(folder / "bits.hdf", [(99 * abs(volume)).astype(np.uint8)], [{**header, **stored}])
    write_hdf(folder / "stack.hdf", list(volume), [header] * 4)
    return [folder / name for name in ("volume.hdf", "bits.hdf", "stack.hdf")]


def _eman2(folder: Path) -> list[Path]:
    import numpy as np

    from ml.eman2_network import Eman2Network, Layer, write_network

    chance = np.random.default_rng(5)
    layers = tuple(
        Layer(chance.normal(0, 1, shape).astype(np.float32), np.zeros(shape[0], np.float32), pool)
        for shape, pool in (((2, 1, 3, 3), 2), ((1, 2, 3, 3), 1))
    )
    write_network(folder / "net.hdf", Eman2Network(layers))
    return [folder / "net.hdf"]


def _read_eman2() -> Reader:
    from ml.eman2_network import read_network

    return read_network


def _tiff(folder: Path) -> list[Path]:
    import numpy as np
    import tifffile

    volume = np.random.default_rng(3).integers(0, 99, (4, 6, 9)).astype(np.uint8)
    paths = [folder / name for name in ("plain.tif", "zip.tif", "imagej.tif", "ome.ome.tif")]
    tifffile.imwrite(paths[0], volume, photometric="minisblack")
    tifffile.imwrite(paths[1], volume, compression="zlib", photometric="minisblack")
    tifffile.imwrite(paths[2], volume, imagej=True, metadata={"spacing": 1.0, "unit": "nm", "axes": "ZYX"})
    tifffile.imwrite(paths[3], volume, metadata={"axes": "ZYX", "PhysicalSizeX": 1.0, "PhysicalSizeXUnit": "nm"})
    return paths


def _trainset(folder: Path) -> list[Path]:
    import numpy as np

    from ml.trainset import Trainset, TrainsetInfo, crop_size
    from ml.trainset_file import save_trainset

    side = crop_size(8)
    kinds = np.array([True, False])
    arrays = (np.zeros((2, 1, side, side), np.float32), np.zeros((2, side, side), np.int8), kinds, np.array(["a", "b"]))
    info = TrainsetInfo("actin", 8, (1.0, 1.0, 1.0), context=1, copies=2)
    save_trainset(folder / "actin.npz", Trainset(info, *arrays, held_out=~kinds))
    return [folder / "actin.npz"]


def _read_trainset() -> Reader:
    from ml.trainset_file import load_trainset

    return load_trainset


def _scnt(folder: Path) -> list[Path]:
    """A training set of Ais: a tar of JSON and MRC files, two boxes of 8 voxels."""
    import numpy as np

    from tomo.geometry import Geometry
    from tomo.mrc import write_mrc

    place = {"aisTomogramName": "cell", "aisFeatureName": "actin", "aisBoxSizeExtracted": 8}
    place |= {f"aisBoxCoordinate{axis}": 9 for axis in "XYZ"}
    write_mrc(folder / "box.mrc", np.eye(8, dtype=np.float32)[None], Geometry())
    image = (folder / "box.mrc").read_bytes()
    (folder / "box.mrc").unlink()
    files = {
        "metadata.json": json.dumps({"format_version": 1, "apix": 10.0}).encode(),
        "sources.json": json.dumps({"aa": place, "bb": {**place, "aisNegative": True}}).encode(),
        **{f"{kind}/{name}.mrc": image for kind in ("x_main", "y") for name in ("aa", "bb")},
    }
    write_tar(folder / "set.scnt", [(tarfile.TarInfo(name), content) for name, content in files.items()])
    return [folder / "set.scnt"]


def write_tar(target: Path | io.BytesIO, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """A plain tar of these members; of links and devices the header alone."""
    opened: dict[str, Any] = {"fileobj": target} if isinstance(target, io.BytesIO) else {"name": target}
    with tarfile.open(mode="w", **opened) as tar:
        for info, content in members:
            info.size = len(content) if info.isfile() else 0
            tar.addfile(info, io.BytesIO(content) if info.isfile() else None)


def _read_scnt() -> Reader:
    import numpy as np

    from ml.scnt import open_scnt

    def read(path: Path) -> None:
        with open_scnt(path) as opened:
            for box in opened.boxes[:20]:
                label = opened.label(box)
                assert label.ndim == 2 and np.isin(label, (0, 1, 2)).all()

    return read


def _names(folder: Path) -> list[Path]:
    """Names of a tomogram and a feature, of which a VDB volume and all other results get theirs."""
    pairs = {"plain.json": ["cell 1", "outer membrane"], "letters.json": ["Zelle (細胞) #2", "β-tubulin+α"]}
    for name, pair in pairs.items():
        (folder / name).write_text(json.dumps(pair), encoding="utf-8")
    return [folder / name for name in pairs]


def _read_names() -> Reader:
    from tomo.errors import TomosegError
    from tomo.names import safe_tomogram_name
    from tomo.project import Project

    def read(path: Path) -> None:
        try:
            tomogram, feature = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, TypeError) as error:
            raise TomosegError("no pair of names") from error
        if not (isinstance(tomogram, str) and isinstance(feature, str)):
            raise TomosegError("no pair of names")
        project = Project(path.parent / "project")
        safe = safe_tomogram_name(tomogram)
        assert safe == safe_tomogram_name(safe), f"{safe!r} is not safe yet"
        for name in (safe, tomogram):
            for where in (project.volume_path, project.surface_path, project.segmentation_path, project.label_folder):
                result = where(name, feature)
                _require_inside(result, project.folder)
                result.parent.mkdir(parents=True, exist_ok=True)
                result.touch()  # the disk takes it, at its place
                assert [result.name] == [each.name for each in result.parent.iterdir()], f"{result.name!r} differs"
                result.unlink()

    return read


def json_leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a JSON document, containers included."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in json_leaves(child, (*path, key)))]


def put(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of a JSON document with another value at a place."""
    copied = json.loads(json.dumps(document))
    if not place:
        return value
    inner = copied
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copied


FORMATS = {
    "mrc": Format(
        _mrc, _read_volume, ("is no MRC file", "is empty", "impossible dimensions", "unknown MRC mode"), "mrc"
    ),
    "label": Format(_label, _read_label, ("is no MRC file", "is empty", "impossible dimensions", "MRC mode"), "mrc"),
    "project": Format(_project, _read_project, ("no valid JSON", "is damaged (no list"), "json"),
    "network": Format(_network, _read_network, ("or it is damaged", "made by another program"), "safetensors"),
    "trainset": Format(_trainset, _read_trainset, ("it is damaged: build it again",), "npz"),
    "hdf": Format(_hdf, _read_volume, ("is damaged or truncated", "is no MRC file", "has no /MDF/images"), "hdf"),
    "eman2": Format(_eman2, _read_eman2, ("is damaged or truncated", "has no /MDF/images"), "hdf"),
    "tiff": Format(_tiff, _read_volume, ("is damaged or incomplete", "is no MRC file"), "tiff"),
    "scnt": Format(_scnt, _read_scnt, ("is no training set of Ais",), "tar"),
    "names": Format(_names, _read_names, ("no pair of names", "cannot be a"), "names"),
}
