"""How good the demo's mask is: Dice per feature on slices that no box lay on."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.inputs import Material
from ml.scores import dice
from ml.volumes import open_any
from tomo.label_table import load_label_table

NOWHERE = -1  # for a feature that is not in the mask's table


def dice_per_feature(mask: NDArray[Any], values: dict[str, int], material: Material) -> dict[str, float]:
    """{feature: Dice} of a mask [z, y, x] on the held-out slices; values: {feature: its integer in the mask}."""
    seen = np.asarray(mask[material.held_out])
    truth = {name: np.asarray(open_any(path).data[material.held_out]) != 0 for name, path in material.labels.items()}
    return {name: dice(seen == values.get(name, NOWHERE), truth[name]) for name in truth}


def lines(mask: Path, material: Material) -> list[str]:
    """The scores as sentences."""
    if not material.held_out:
        return ["Too few slices to hold some out: no Dice."]
    values = {entry.name: entry.value for entry in load_label_table(mask.with_suffix(".json"))}
    found = dice_per_feature(open_any(mask).data, values, material)
    where = f"on the {len(material.held_out)} slices never trained on"
    return [f"Dice of {name} {where}: {value:.3f}" for name, value in found.items()]
