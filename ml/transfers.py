"""Arrays to the processor that computes and back. To a graphics card they go beside its computing.

Copies of pinned memory (which the system never moves) need no processor. Each way has a stream of its own, so that the
next tile arrives and the last one leaves while the card computes: one tile there, one here, and never more.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]


class Lanes(Protocol):
    """How arrays get to a processor and back. waiting: how many results may be under way while the next is begun."""

    waiting: int

    def send(self, part: Floats) -> Tensor:
        """The array on the processor; computing may be asked for at once, and waits by itself until it is there."""

    def fetch(self, result: Tensor) -> Callable[[], Floats]:
        """What to call for the array; until then the processor may still be computing it."""


class DirectLanes:
    """For the CPU, which computes where the array lies, and for processors that copy one thing at a time."""

    waiting = 0

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def send(self, part: Floats) -> Tensor:
        return torch.from_numpy(part).to(self._device)

    def fetch(self, result: Tensor) -> Callable[[], Floats]:
        array: Floats = result.float().cpu().numpy()
        return lambda: array


class CardLanes:
    """For NVIDIA's cards: half precision, pinned memory, a stream to the card and one back."""

    waiting = 1

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._there, self._back = torch.cuda.Stream(device), torch.cuda.Stream(device)

    def send(self, part: Floats) -> Tensor:
        # torch keeps pinned memory, and gives it out again only once the copy from it is done.
        pinned = torch.empty(part.shape, dtype=torch.half, pin_memory=True)
        pinned.copy_(torch.from_numpy(part))
        with torch.cuda.stream(self._there):
            arriving = pinned.to(self._device, non_blocking=True)
        computing = torch.cuda.current_stream(self._device)
        computing.wait_stream(self._there)
        arriving.record_stream(computing)
        return arriving

    def fetch(self, result: Tensor) -> Callable[[], Floats]:
        pinned = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
        self._back.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._back):
            pinned.copy_(result, non_blocking=True)
        result.record_stream(self._back)
        arrived = self._back.record_event()

        def array() -> Floats:
            arrived.synchronize()
            found: Floats = pinned.float().numpy()
            return found

        return array


def lanes_for(device: torch.device) -> Lanes:
    """The lanes of a processor."""
    return CardLanes(device) if device.type == "cuda" else DirectLanes(device)


def through(lanes: Lanes, parts: Iterable[Floats], compute: Callable[[Tensor], Tensor]) -> Iterator[Floats]:
    """compute(part) for each part, in order; the next part is on its way while the processor is still at one."""
    underway: deque[Callable[[], Floats]] = deque()
    for part in parts:
        underway.append(lanes.fetch(compute(lanes.send(part))))
        if len(underway) > lanes.waiting:
            yield underway.popleft()()
    while underway:
        yield underway.popleft()()
