"""Turned and mirrored views of a slice: the mean of what networks see in several is better than what they see in one.

What each number of views gains, and costs: docs/accuracy.md.
"""

import torch
from torch import Tensor

View = tuple[int, bool]  # quarter turns; mirrored after them
STRAIGHT: View = (0, False)
FOUR: tuple[View, ...] = (STRAIGHT, (2, False), (1, True), (3, True))
EIGHT: tuple[View, ...] = tuple((quarter, mirrored) for quarter in range(4) for mirrored in (False, True))


def dealt(views: int, networks: int) -> list[tuple[View, ...]]:
    """Which views each of several networks has, all of them as many.

    views: 1, each sees the slice as it is; 4 or 8, they share them out, so that two networks have half of them each:
    nearly as good as all of them each, for half the time (docs/accuracy.md).
    """
    if views == 1:
        return [(STRAIGHT,)] * networks
    shared = FOUR if views == len(FOUR) else EIGHT
    each = -(-len(shared) // networks)
    return [tuple(shared[(first + step * networks) % len(shared)] for step in range(each)) for first in range(networks)]


def turned(batch: Tensor, view: View) -> Tensor:
    """(n, c, y, x) as this view shows it."""
    if view == STRAIGHT:  # turning by nothing would copy it
        return batch
    quarter, mirrored = view
    seen = torch.rot90(batch, quarter, (2, 3))
    return seen.flip(3) if mirrored else seen


def turned_back(found: Tensor, view: View) -> Tensor:
    """What was found in this view, (n, c, y, x), at its place in the slice."""
    if view == STRAIGHT:
        return found
    quarter, mirrored = view
    return torch.rot90(found.flip(3) if mirrored else found, -quarter, (2, 3))
