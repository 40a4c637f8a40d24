"""Networks and tomograms that tests of several steps share."""

import numpy as np
import pytest
import torch

from ml.network_file import NetworkInfo, save_network
from ml.networks import build_network
from tomo.geometry import Geometry
from tomo.label_table import LabelEntry, label_table_path, save_label_table
from tomo.mrc import write_mrc
from tomo.preprocessing import NO_FILTER

SMALL = {
    "unet": {"width": 4, "depth": 2, "fold": 2},
    "unets": {"members": 2, "width": 4, "depth": 2, "fold": 2},
    "classic": {"kernels": [3, 3, 1], "sizes": [5, 5, 5]},
}
MASK_GEOMETRY = Geometry((10.0, 10.0, 10.0), nstart=(3, -4, 5))
GEOMETRY = Geometry((13.6, 13.6, 13.6), (100.0, -50.0, 25.0), (3, 4, 5))


@pytest.fixture
def make_network(tmp_path):
    """Writes a small network with random weights, the same for the same arguments; returns its path."""

    def make(
        architecture="unet", *, name="mito", voxel_size=13.6, amplitude=0.25, context=1, filtering=NO_FILTER, **more
    ):
        torch.manual_seed(7)
        settings = {**SMALL[architecture], "context": context}
        network = build_network(architecture, **settings).eval()
        if architecture == "classic":
            # Its last layer is linear: without this a random one is negative nearly everywhere.
            torch.nn.init.constant_(network.convolutions[-1].bias, 0.03)
        info = NetworkInfo(
            name, architecture, settings, (voxel_size,) * 3, preprocessing=filtering, amplitude=amplitude, **more
        )
        path = tmp_path / f"{name}.safetensors"
        save_network(path, network, info)
        return path

    return make


@pytest.fixture
def make_tomogram(tmp_path):
    """Writes a tomogram of noise, with one bright blob in a corner; returns its path."""

    def make(name="cell1", shape=(5, 37, 43), geometry=GEOMETRY, seed=3, labels=()):
        array = np.random.default_rng(seed).normal(10, 2, shape).astype(np.float32)
        array[1, 2:8, 3:12] += 15
        path = tmp_path / f"{name}.mrc"
        write_mrc(path, array, geometry, labels)
        return path

    return make


@pytest.fixture
def mask(tmp_path):
    """A mask of two vesicles and a filament, with its label table; returns its path."""
    values = np.zeros((12, 14, 20), np.int8)
    values[1:6, 2:7, 3:8] = 1
    values[8:11, 2:5, 3:6] = 1
    values[4:8, 9:12, 12:19] = 2
    path = tmp_path / "cell__mask.mrc"
    write_mrc(path, values, MASK_GEOMETRY)
    save_label_table(
        label_table_path(path), [LabelEntry(1, "vesicle", "#112233"), LabelEntry(2, "filament", "#445566")]
    )
    return path
