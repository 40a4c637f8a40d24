"""EMAN2's networks as ours: the classic network with their kernels, and the other way round.

EMAN2 keeps neither the feature's name nor the voxel size in the file, and it filters tomograms at their import. So a
network takes its feature's name from its file's, and EMAN2's own preprocessing (`tomo.preprocessing.Preprocessing`).
"""

import re
from pathlib import Path

import torch

from ml.eman2_network import Eman2Network, Layer, read_network
from ml.hdf import SIGNATURE, open_hdf
from ml.network_file import EMAN2, LoadedNetwork, NetworkInfo
from ml.networks import build_network, preset_name
from ml.networks.classic import ClassicNetwork
from tomo.errors import TomosegError
from tomo.names import check_feature_name, feature_of
from tomo.preprocessing import Preprocessing

THRESHOLD = 0.8  # where EMAN2 merges, unless it is told another
SIDE_PROGRAMS = re.compile(r"^(nnet_save|neuralnet)_*|_*(trainset|good|seg)$")


def load(path: Path) -> LoadedNetwork:
    """The network in an HDF file of EMAN2; raises TomosegError where it is another program's or does not fit."""
    _require_eman2(path)
    network = read_network(path)
    _require_classic(network, path)
    settings = {
        "context": network.layers[0].weights.shape[1],
        "kernels": [len(layer.weights) for layer in network.layers],
        "sizes": [layer.weights.shape[-1] for layer in network.layers],
        "pools": [layer.pool for layer in network.layers],
    }
    module = build_network("classic", **settings)
    assert isinstance(module, ClassicNetwork)
    weights = {}
    for number, layer in enumerate(network.layers):
        weights[f"convolutions.{number}.weight"] = torch.from_numpy(layer.weights)
        weights[f"convolutions.{number}.bias"] = torch.from_numpy(layer.biases)
    module.load_state_dict(weights)
    info = NetworkInfo(
        feature_name(path),
        "classic",
        settings,
        box_size=max(network.image_size, 2),
        preprocessing=Preprocessing(),
        amplitude=network.amplitude,
        threshold=THRESHOLD,
        history=({"program": EMAN2, "trained_from": network.trained_from},),
    )
    return LoadedNetwork(module.eval(), info)


def as_eman2(network: LoadedNetwork, path: Path) -> Eman2Network:
    """A network in EMAN2's terms; raises TomosegError for one that EMAN2 could not apply."""
    module, info = network.module, network.info
    if not isinstance(module, ClassicNetwork):
        raise TomosegError(
            f"{path} is a network of the kind {preset_name(info.architecture, info.settings)!r}, which EMAN2 does not "
            "have: train one with --network classic to use it there."
        )
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    layers = [
        Layer(weights[f"convolutions.{number}.weight"], weights[f"convolutions.{number}.bias"], pool)
        for number, pool in enumerate(module.pools)
    ]
    return Eman2Network(tuple(layers), info.amplitude, info.box_size, trained_from=f"Tomoseg: {info.feature}")


def feature_name(path: Path) -> str:
    """The feature that a network file of EMAN2 is named after: `mito` for nnet_save__mito_good.hdf."""
    name = feature_of(path)
    shorter = name
    while (cut := SIDE_PROGRAMS.sub("", shorter).strip("_ ")) != shorter:
        shorter = cut
    cleaned = re.sub(r"[^\w .+-]|_{2,}", "_", shorter or name).strip("_ .+-")[:64].strip("_ .+-")
    return check_feature_name(cleaned or "feature")


def _require_eman2(path: Path) -> None:
    with path.open("rb") as file:
        assert file.read(len(SIGNATURE)) == SIGNATURE
    try:
        with open_hdf(path) as reader:
            known = "nkernel" in reader.header(0)
    except TomosegError:
        known = False
    if not known:
        raise TomosegError(
            f"{path} is an HDF file, but no network of EMAN2 (one of Keras, perhaps): apply it in the program that "
            "made it, and merge the maps that it writes (<tomogram>__<feature>.mrc)."
        )


def _require_classic(network: Eman2Network, path: Path) -> None:
    for layer in network.layers:
        height, width = layer.weights.shape[2:]
        if height != width or height % 2 == 0 or layer.pool < 1:
            raise TomosegError(
                f"{path} has kernels of {height} × {width} pixels, pooled by {layer.pool}: Tomoseg applies square ones "
                "of an odd size only."
            )
    if len(network.layers[-1].weights) != 1:
        raise TomosegError(
            f"{path} finds {len(network.layers[-1].weights)} things at once: Tomoseg applies networks of one feature."
        )
