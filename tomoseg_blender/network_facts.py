"""What the panels show of a network file: its readable metadata, without torch or safetensors.

A safetensors file begins with the length of its header (8 bytes, little-endian) and the header as JSON.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from ..tomo.errors import TomosegError

LONGEST_HEADER = 16 * 2**20


@dataclass(frozen=True)
class NetworkFacts:
    """threshold: best on the held-out boxes, in amplitude units. learning_rate: the last one, 0 if not stored."""

    threshold: float = 0.8
    learning_rate: float = 0.0


def network_facts(path: Path) -> NetworkFacts:
    """Read the metadata of a network file. Raises TomosegError if it is no network of Tomoseg."""
    try:
        with path.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            if length > LONGEST_HEADER:
                raise ValueError(length)
            metadata = json.loads(handle.read(length))["__metadata__"]
        history = json.loads(metadata["history"])
        rate = history[-1].get("learning_rate") if history else None
        return NetworkFacts(float(json.loads(metadata["threshold"])), float(rate or 0.0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TomosegError(f"{path} is no network of Tomoseg, or it is damaged: train the network again.") from error
