"""EMAN2's network files (HDF): the stacked convnet's kernels and biases, read and written.

Image 0 is empty; its header has nkernel, ksize, poolsz, imageshape (batch, channels, y, x) and in 2017 the amplitude.
Then for each layer: the biases (one row; header w_shape = out, in, ky, kx) and out × in kernel images.
Facts from EMAN2's programs/e2tomoseg_convnet.py, whose kernels have been stored in three ways:
- 2017 (Theano): as they are, for a true convolution, which a cross-correlation must turn by 180°;
- May to July 2018 (a header `meanout`, no `trained_from`): as TensorFlow's cross-correlation has them;
- since then (a header `trained_from`, or neither amplitude nor meanout): the same, transposed.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.hdf import HdfReader, Header, open_hdf, write_hdf
from tomo.errors import TomosegError

Floats = NDArray[np.float32]
THEANO, PLAIN, TRANSPOSED = "theano", "plain", "transposed"
_MOST_KERNELS = 200_000


@dataclass(frozen=True)
class Layer:
    """One convolution. weights: (out, in, ky, kx), for a cross-correlation (torch's conv2d). biases: (out,).

    pool: the side of the max-pooling after it, 1 for none.
    """

    weights: Floats
    biases: Floats
    pool: int


@dataclass(frozen=True)
class Eman2Network:
    """The layers in order; amplitude 1 where the file has none. image_size: pixels of the training images' side."""

    layers: tuple[Layer, ...]
    amplitude: float = 1.0
    image_size: int = 64
    batch: int = 20
    trained_from: str = ""


def read_network(path: Path) -> Eman2Network:
    """Read a network that EMAN2 wrote; raises TomosegError if `path` is none or contradicts itself."""
    with open_hdf(path) as reader:
        header = reader.header(0)
        if not {"nkernel", "ksize", "poolsz"} <= set(header):
            raise TomosegError(f"{path} is no EMAN2 network (its first image has no nkernel): choose another file.")
        pools = _whole(header["poolsz"], path)
        order, layers, at = _order(header), [], 1
        for pool in pools:
            layer, at = _layer(reader, at, pool, order, path)
            layers.append(layer)
    _require_chain(layers, path)
    shape = _whole(header.get("imageshape", [20, 1, 64, 64]), path)
    if len(shape) < 2:
        raise TomosegError(f"{path} is damaged (its imageshape is none): train the network again.")
    amplitude = reader.number({"amplitude": 1.0, **header}, "amplitude")
    return Eman2Network(
        tuple(layers),
        amplitude if amplitude > 0 else 1.0,  # as EMAN2 takes it
        shape[-1],
        shape[0],
        str(header.get("trained_from", header.get("trainset_src", ""))),
    )


def write_network(path: Path, network: Eman2Network, order: str = TRANSPOSED) -> None:
    """Write a network as today's EMAN2 reads it, or with order THEANO as that of 2017 did; all or nothing."""
    first = network.layers[0].weights
    header = {
        "nkernel": [len(layer.weights) for layer in network.layers],
        "ksize": [layer.weights.shape[-1] for layer in network.layers],
        "poolsz": [layer.pool for layer in network.layers],
        "imageshape": [network.batch, first.shape[1], network.image_size, network.image_size],
        "amplitude": float(network.amplitude),
        "trainset_src" if order == THEANO else "trained_from": network.trained_from,
    }
    images: list[NDArray[Any]] = [np.zeros(first.shape[-2:], np.float32)]
    headers: list[Header] = [header]
    for layer in network.layers:
        images.append(layer.biases)
        headers.append({"w_shape": list(layer.weights.shape)})
        kernels = _reordered(layer.weights, order).reshape(-1, *layer.weights.shape[2:])
        images.extend(kernels)
        headers.extend({} for _ in kernels)
    write_hdf(path, images, headers)


def _order(header: Header) -> str:
    if "trained_from" in header:
        return TRANSPOSED
    if "meanout" in header:
        return PLAIN
    return THEANO if "amplitude" in header or "trainset_src" in header else TRANSPOSED


def _reordered(kernels: Floats, order: str) -> Floats:
    """(out, in, ky, kx) from a file's order to a cross-correlation's, or back: each order is its own inverse."""
    if order == THEANO:
        return kernels[:, :, ::-1, ::-1]
    return kernels.swapaxes(2, 3) if order == TRANSPOSED else kernels


def _layer(reader: HdfReader, at: int, pool: int, order: str, path: Path) -> tuple[Layer, int]:
    """The layer whose biases are image `at`, and the number of the image after it."""
    shape = _whole(reader.header(at).get("w_shape", []), path) if at < len(reader) else []
    if len(shape) != 4 or min(shape) < 1 or shape[0] * shape[1] > _MOST_KERNELS:
        raise TomosegError(f"{path} has no layer where its header promises one (image {at}): it is damaged.")
    after = at + 1 + shape[0] * shape[1]
    # Sizes first: a damaged file may promise gigabytes.
    if after > len(reader) or reader.dataset(at).size != shape[0]:
        raise TomosegError(f"{path} is incomplete: it lacks kernels or biases of the layer at image {at}.")
    sides = (shape[2], shape[3]) if order != TRANSPOSED else (shape[3], shape[2])
    if any(reader.dataset(index).shape != sides for index in range(at + 1, after)):
        raise TomosegError(f"{path} holds kernels of other sizes than its header says (image {at}): it is damaged.")
    biases = reader.read(at).reshape(-1).astype(np.float32)
    kernels = [reader.read(index) for index in range(at + 1, after)]
    stacked = np.stack(kernels).astype(np.float32).reshape(shape[0], shape[1], *sides)
    if not (np.isfinite(stacked).all() and np.isfinite(biases).all()):
        raise TomosegError(f"{path} holds weights that are no numbers: its training failed, so train again.")
    return Layer(np.ascontiguousarray(_reordered(stacked, order)), biases, pool), after


def _require_chain(layers: list[Layer], path: Path) -> None:
    if not layers:
        raise TomosegError(f"{path} holds a network without layers: choose another file.")
    for before, after in pairwise(layers):
        if len(before.weights) != after.weights.shape[1]:
            raise TomosegError(f"{path} holds layers that do not fit together: it is damaged.")


def _whole(value: Any, path: Path) -> list[int]:
    """The whole numbers of a header's entry, one or several; raises TomosegError for anything else."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in values):
        raise TomosegError(f"{path} is damaged (its header holds {str(value)[:40]!r} for numbers): copy it again.")
    return [int(one) for one in values]
