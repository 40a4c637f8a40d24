"""What the benchmarks work on: noise of any size, maps, and networks with random weights (as fast as trained ones)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tomo.geometry import Geometry
from tomo.mrc import MrcWriter
from tomo.preprocessing import Preprocessing

GEOMETRY = Geometry((10.0, 10.0, 10.0))
CONTEXT = 5  # slices that the default network sees where voxels are cubes


def write_tomogram(path: Path, shape: tuple[int, int, int], *, preprocessed: bool) -> Path:
    """Noise [z, y, x]: int16 as from a microscope, or float32 with the MRC label of the import."""
    random = np.random.default_rng(0)
    dtype, labels = (np.float32, [Preprocessing().to_label()]) if preprocessed else (np.int16, [])
    with MrcWriter(path, shape, dtype, GEOMETRY, labels) as writer:
        for z in range(shape[0]):
            plane = random.standard_normal((1, *shape[1:]), np.float32)
            writer.write(z, plane if preprocessed else (plane * 1000).astype(np.int16))
    return path


def write_map(path: Path, shape: tuple[int, int, int], dtype: Any, seed: int) -> Path:
    """A map [z, y, x] as networks make them: mostly 0, up to a tenth of the voxels above the threshold."""
    random = np.random.default_rng(seed)
    with MrcWriter(path, shape, dtype, GEOMETRY) as writer:
        plane = np.where(random.random(shape[1:]) < 0.1, random.uniform(0.5, 2.0, shape[1:]), 0).astype(dtype)
        for z in range(shape[0]):
            writer.write(z, np.roll(plane, 17 * z, axis=1)[np.newaxis])
    return path


def write_network(path: Path, name: str) -> Path:
    """The network called `name`, not trained; all but `classic` know their ranges on noise, for 8-bit numbers."""
    import torch

    from ml.eight_bits import watched
    from ml.network_file import EightBits, LoadedNetwork, NetworkInfo, save_network
    from ml.networks import build_network, preset

    torch.manual_seed(0)
    architecture, settings = preset(name)
    if name != "classic":
        settings["context"] = CONTEXT
    info = NetworkInfo("feature", architecture, settings, GEOMETRY.voxel_size)
    network = LoadedNetwork(build_network(architecture, **settings).eval(), info)
    if name != "classic":
        module: Any = network.for_applying(torch.device("cpu")).module
        with watched(module) as largest:
            module(torch.randn(1, CONTEXT, 512, 512))
        info = replace(info, eight_bits=EightBits(tuple(largest), 0.0))
    save_network(path, network.module, info)
    return path
