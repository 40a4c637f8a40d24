"""Applying a network to slices: tiles of bounded size, blended, averaged over views, on the CPU or a graphics card."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.apply_options import FLOAT32, INT8, VIEWS
from ml.eight_bits import in_eight_bits
from ml.faults import out_of_gpu_memory
from ml.network_file import LoadedNetwork, load_network
from ml.networks import SegmentationNetwork
from ml.tiles import Span, cut, smallest_tile, spans
from ml.transfers import lanes_for, through
from ml.views import View, dealt, turned, turned_back

Floats = NDArray[np.float32]
LARGEST_TILE = {"cpu": 2176, "cuda": 4096, "mps": 2176}  # pixels; larger ones are hardly faster
SHARE_FOR_TILES = 0.3  # of the memory that the user allows
BATCHES = 4  # of a slab on a graphics card: while it computes one, the next arrives and the last leaves
_BESIDES = 1.7  # all that is alive at a time, as a multiple of the largest layer: measured with both networks


class Predictor:
    """A network ready to be applied to the slices of any tomogram.

    flips: views of a slice whose mean is taken, 1, 4 or 8 (ml/views.py). memory: GB for everything; tiles get a part.
    numbers: what to compute with, float32 or int8 (ml/eight_bits.py), which raises TomosegError where it cannot be;
    a graphics card computes in half precision.
    stride: sizes are padded to multiples of it. reach: how far the network looks around a pixel.
    Where a graphics card has too little memory, smaller tiles are tried, and `take_notes` says so.
    """

    def __init__(
        self,
        network: LoadedNetwork,
        device: torch.device,
        *,
        flips: int = 1,
        memory: float = 2.0,
        numbers: str = FLOAT32,
    ) -> None:
        if flips not in VIEWS:
            raise ValueError(f"flips is one of {', '.join(map(str, VIEWS))}, not {flips}.")
        self.info, self.context = network.info, network.context
        self._device = device
        # Scaling a coarser output up looks at its neighbours, too.
        self.stride = network.stride
        self.reach = network.halo + (2 * network.module.shrink if network.module.shrink > 1 else 0)
        half = device.type == "cuda"
        self._lanes = lanes_for(device)
        per_pixel = bytes_per_pixel(network) * (0.5 if half else 1.0)
        self._budget = int(_bytes_for_tiles(device, memory) / per_pixel)  # pixels
        self._tile = _tile_side(self._budget, LARGEST_TILE.get(device.type, 2176), self.reach, self.stride)
        self._network = network.for_applying(device)
        if numbers == INT8:
            self._network = in_eight_bits(self._network, device)
        if half:
            self._network.module.half()
        self._looks = _looks(self._network.module, flips)
        self.notes: list[str] = []

    def take_notes(self) -> list[str]:
        """What the user should know since the last call."""
        notes, self.notes = self.notes, []
        return notes

    def predict(self, slices: Sequence[Floats] | Floats) -> Floats:
        """The map of some slices: [z, y, x] float32, in amplitude units (1 is as strong as on the labels), at least 0.

        slices: z + context - 1 preprocessed ones, float32 [y, x]: those to segment and their neighbours in z.
        """
        while True:
            try:
                return self._predict(slices)
            except RuntimeError as error:
                if not out_of_gpu_memory(error) or self._tile <= smallest_tile(self.reach, self.stride):
                    raise
            self._budget //= 2
            self._tile = _tile_side(self._budget, self._tile, self.reach, self.stride)
            torch.cuda.empty_cache()
            self.notes.append(f"The graphics card's memory is too small: going on with tiles of {self._tile} pixels.")

    def _predict(self, slices: Sequence[Floats] | Floats) -> Floats:
        height, width = slices[0].shape
        count = len(slices) - self.context + 1
        margin = self._network.module.margin
        places = list(self._places(count, height, width))
        parts = (
            np.stack([cut(plane, row, column, margin) for plane in slices[first : last + self.context - 1]])
            for first, last, row, column in places
        )
        found = np.zeros((count, height, width), np.float32)
        with torch.inference_mode():
            tiles = through(self._lanes, parts, self._tile_map)
            for (first, last, row, column), tile in zip(places, tiles, strict=True):
                weighted = np.multiply(tile, row.weight[:, np.newaxis] * column.weight, out=tile)
                y, x = max(row.start - margin, 0), max(column.start - margin, 0)
                place = found[first:last, y : row.stop - margin, x : column.stop - margin]
                inner = weighted[:, max(margin - row.start, 0) :, max(margin - column.start, 0) :]
                place += inner[:, : place.shape[1], : place.shape[2]]
        found /= np.float32(self.info.amplitude)
        return np.maximum(found, 0, out=found)

    def _places(self, count: int, height: int, width: int) -> Iterator[tuple[int, int, Span, Span]]:
        """(first slice, last slice + 1, rows, columns) of each batch of tiles."""
        margin = 2 * self._network.module.margin
        padded = (-(-(side + margin) // self.stride) * self.stride for side in (height, width))
        rows, columns = (spans(side, self._tile, self.reach, self.stride) for side in padded)
        batch = self._batch_size(count, rows[0], columns[0])
        for first in range(0, count, batch):
            for row in rows:
                for column in columns:
                    yield first, min(first + batch, count), row, column

    def at_a_time(self, depth: int) -> int:
        """How many of `depth` slices are best given to `predict` at once: a map of one slice needs least memory."""
        return 1 if self._device.type == "cpu" else depth

    def _batch_size(self, count: int, row: Span, column: Span) -> int:
        """Slices at a time: one on the CPU; on a graphics card as many as fit, in several parts all the same."""
        if self._device.type == "cpu":
            return 1
        fits = self._budget // ((row.stop - row.start) * (column.stop - column.start))
        return max(1, min(fits // (1 + self._lanes.waiting), -(-count // BATCHES)))

    def _tile_map(self, planes: Tensor) -> Tensor:
        """The network's map of one tile, [z, y, x], from [z + context - 1, y, x]; the mean of all looks at it."""
        batch = planes.unfold(0, self.context, 1).permute(0, 3, 1, 2)  # [z, context, y, x], each slice sent once only
        total, looks = None, 0
        for network, views in self._looks:
            whole = network.prepared(batch)
            for view in views:
                found = network.map_of(turned(whole, view).contiguous(memory_format=network.layout)).float()
                found = turned_back(found, view)
                total, looks = found if total is None else total.add_(found), looks + 1
        assert total is not None
        return (total / looks)[:, 0]


def predictor_for(
    path: Path, device: torch.device, *, flips: int = 1, memory: float = 2.0, numbers: str = FLOAT32
) -> Predictor:
    """The predictor of a network file. The last one stays in memory, so that the next slice comes at once."""
    status = path.stat() if path.is_file() else None
    return _kept_predictor(path, status and (status.st_mtime_ns, status.st_size), device, flips, memory, numbers)


@lru_cache(maxsize=1)
def _kept_predictor(
    path: Path, _version: tuple[int, int] | None, device: torch.device, flips: int, memory: float, numbers: str
) -> Predictor:
    return Predictor(load_network(path), device, flips=flips, memory=memory, numbers=numbers)


def bytes_per_pixel(network: LoadedNetwork) -> float:
    """Bytes of memory for each pixel of a tile, as float32: from the layer with the largest input and output."""
    side = network.stride * max(1, 64 // network.stride)
    sizes = [0]

    def note(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.append(4 * (output.numel() + sum(each.numel() for each in inputs)))

    leaves = [module for module in network.module.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(note) for module in leaves]
    try:
        with torch.inference_mode():
            network.map_of(torch.zeros(1, network.context, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    return _BESIDES * max(sizes) / side**2


def _bytes_for_tiles(device: torch.device, memory: float) -> float:
    """Memory for one batch of tiles: on a graphics card half of what is free there, else a part of `memory` (GB)."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2
    return memory * SHARE_FOR_TILES * 1e9


def _tile_side(pixels: int, largest: int, halo: int, stride: int) -> int:
    """The side of a square tile of so many pixels, a multiple of the stride, within what is sensible."""
    side = min(int(pixels**0.5), largest) // stride * stride
    return max(side, smallest_tile(halo, stride))


def _looks(network: SegmentationNetwork, flips: int) -> list[tuple[SegmentationNetwork, tuple[View, ...]]]:
    """Who looks at a tile how; where all networks of an ensemble have the same views, it takes their mean itself."""
    shares = dealt(flips, len(network.members))
    if all(share == shares[0] for share in shares):
        return [(network, shares[0])]
    return list(zip(network.members, shares, strict=True))
