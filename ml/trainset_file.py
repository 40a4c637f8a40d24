"""Training sets on disk: one .npz with plain arrays and a line of metadata. Never a pickle."""

import json
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.memory import available_memory
from ml.trainset import MOST_BYTES, Trainset, TrainsetInfo, crop_size
from tomo.errors import TomosegError
from tomo.files import explain_read_error, replacing
from tomo.names import check_feature_name
from tomo.preprocessing import Preprocessing

SCHEMA = 1
_DAMAGE = (KeyError, TypeError, ValueError, OverflowError, RecursionError, EOFError)
_ARRAYS = ("images", "labels", "positive", "box_ids", "held_out")


def save_trainset(path: Path, trainset: Trainset) -> None:
    """Write the set as .npz, all or nothing."""
    metadata = json.dumps({"schema": SCHEMA, **asdict(trainset.info)})
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            metadata=np.array(metadata),
            images=trainset.images,
            labels=trainset.labels,
            positive=trainset.positive,
            box_ids=trainset.box_ids,
            held_out=trainset.held_out > 0,  # by which network is chosen anew by each training
        )


def load_trainset(path: Path) -> Trainset:
    """Read a training set; raises TomosegError for a missing, damaged, foreign or absurdly large file."""
    if not path.is_file():
        raise TomosegError(f"There is no training set {path}: build one with `tomoseg trainset`.")
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as file:
            info = _info_from(json.loads(str(file["metadata"][()])))
            arrays = {name: file[name] for name in _ARRAYS}
    except (*_DAMAGE, zipfile.BadZipFile, zlib.error, RuntimeError) as error:  # zipfile's word for what is encrypted
        raise TomosegError(
            f"{path} is no training set of Tomoseg, or it is damaged: build it again with `tomoseg trainset`."
        ) from error
    except OSError as error:
        raise explain_read_error(path, error) from error
    if (wrong := _misfit(info, arrays)) is not None:
        raise TomosegError(f"{path} is damaged (its {wrong} do not fit): build it again with `tomoseg trainset`.")
    arrays["held_out"] = arrays["held_out"].astype(np.int8)
    return Trainset(info, **arrays)


def _check_size(path: Path) -> None:
    """A small file can unpack to terabytes: look at the sizes before unpacking anything.

    Raises ValueError for one that no training set has, TomosegError for one that memory does not hold.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > 2 * MOST_BYTES:
        raise ValueError("unpacks to more than any training set holds")
    if size > (free := available_memory()):
        raise TomosegError(
            f"The training set {path} takes {size / 1e9:.2g} GB of memory, and {free / 1e9:.2g} GB are free: close "
            "other programs, or build it of fewer boxes."
        )


def _info_from(values: Any) -> TrainsetInfo:
    if values["schema"] != SCHEMA:
        raise ValueError("another schema")
    x, y, z = (float(size) for size in values["voxel_size"])
    chain = values["preprocessing"]
    info = TrainsetInfo(
        check_feature_name(values["feature"]),
        int(values["box_size"]),
        (x, y, z),
        Preprocessing(
            float(chain["lowpass"]),
            float(chain["highpass"]),
            bool(chain["normalise"]),
            float(chain["clamp"]),
            bool(chain["invert"]),
        ),
        int(values["context"]),
        int(values["copies"]),
        tuple(str(name) for name in values["tomograms"]),
    )
    if not 2 <= info.box_size <= 4096 or info.context % 2 != 1 or info.copies < 1:
        raise ValueError("impossible box size, context or copies")
    return info


def _misfit(info: TrainsetInfo, arrays: dict[str, NDArray[Any]]) -> str | None:
    """The name of the first array whose shape or type is not what it must be."""
    count, size = arrays["positive"].size, crop_size(info.box_size)
    expected: dict[str, tuple[tuple[int, ...], str]] = {
        "images": ((count, info.context, size, size), "f"),
        "labels": ((count, size, size), "i"),
        "positive": ((count,), "b"),
        "box_ids": ((count,), "U"),
        "held_out": ((count,), "b"),
    }
    for name, (shape, kind) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind != kind:
            return name
    return None
