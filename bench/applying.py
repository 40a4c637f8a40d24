"""Start-up, preprocessing and applying, file to file, in processes of their own."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.inputs import write_network, write_tomogram
from bench.process import Measured, measured, tomoseg
from ml.apply_options import AUTO, FLOAT32, INT8
from tomo.words import counted

SIDE, QUICK_SIDE = 4096, 1024
CPU_AIM, MEMORY_AIM = 15.0, 2000.0
CARD_SHAPE, CARD_AIM = (512, 1024, 1024), 10.0
_PREPROCESS = """
import sys
from pathlib import Path
from ml.preprocess import Preprocessed
from ml.volumes import open_any
from tomo.preprocessing import Preprocessing
tomogram = open_any(Path(sys.argv[1]))
preprocessed = Preprocessed(tomogram, Preprocessing())
for z in range(0, tomogram.shape[0], 4):
    preprocessed.slab(z, min(z + 4, tomogram.shape[0]))
"""


def rows(folder: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """Start-up, preprocessing, all networks, two depths; numbers and views as they are by themselves, and others."""
    side = QUICK_SIDE if quick else SIDE
    tiny = write_tomogram(folder / "tiny.mrc", (2, 64, 64), preprocessed=True)
    networks = {name: write_network(folder / f"{name}.safetensors", name) for name in ("default", "fast", "classic")}
    helped = tomoseg("--help")
    idle = {name: _apply(network, tiny, folder) for name, network in networks.items()}
    yield _row("start-up: tomoseg --help", helped)
    for name, taken in idle.items():
        yield _row(f"start-up: apply {name} to 64×64×2", taken)
    yield _preprocessing(folder, side)
    plan = [
        ("default", 8, 0, AUTO),
        ("default", 16, 0, AUTO),
        ("default", 8, 1, INT8),
        ("default", 8, 1, FLOAT32),
        ("default", 2, 8, FLOAT32),
        ("fast", 8, 0, AUTO),
        ("fast", 8, 1, FLOAT32),
        ("classic", 2, 0, AUTO),
    ]
    for name, depth, flips, numbers in plan:
        tomogram = write_tomogram(folder / f"{depth}.mrc", (depth, side, side), preprocessed=True)
        taken = _apply(networks[name], tomogram, folder, flips, numbers=numbers)
        row = _row(f"apply {name} to {side}×{side}×{depth}{_in_words(flips, numbers)}", taken)
        per_slice = (taken.cpu_seconds - idle[name].cpu_seconds) / depth * (SIDE / side) ** 2
        row["cpu_seconds_per_4096_slice"] = round(per_slice, 2)
        row["shares"] = taken.result["maps"][0]["shares"]
        if name != "classic" and flips < 2:
            row["aims"] = {"cpu_seconds_per_4096_slice": CPU_AIM, "peak_memory_mb": MEMORY_AIM}
        tomogram.unlink()
        yield row
    yield from _on_a_card(folder, networks["default"])


def _in_words(flips: int, numbers: str) -> str:
    """How it is applied, where that is not left to the program."""
    bits = {AUTO: "", INT8: ", 8 bits", FLOAT32: ", 32 bits"}[numbers]
    return bits + (f", {counted(flips, 'view')}" if flips else "")


def _on_a_card(folder: Path, network: Path) -> Iterator[dict[str, Any]]:
    """The row of a graphics card, where this machine has one."""
    import torch

    if not torch.cuda.is_available():
        return
    tomogram = write_tomogram(folder / "card.mrc", CARD_SHAPE, preprocessed=True)
    taken = _apply(network, tomogram, folder, device="cuda")
    told = taken.result["maps"][0]
    z, y, x = CARD_SHAPE
    row = _row(f"apply default to {y}×{x}×{z} on a card, start-up excluded", taken)
    yield {**row, "seconds": round(told["seconds"], 2), "shares": told["shares"], "aims": {"seconds": CARD_AIM}}


def _preprocessing(folder: Path, side: int) -> dict[str, Any]:
    command = [sys.executable, "-c", _PREPROCESS]
    tiny = write_tomogram(folder / "tiny_raw.mrc", (4, 64, 64), preprocessed=False)
    idle = measured([*command, str(tiny)])
    raw = write_tomogram(folder / "raw.mrc", (8, side, side), preprocessed=False)
    taken = measured([*command, str(raw)])
    raw.unlink()
    row = _row(f"preprocess {side}×{side}×8", taken)
    per_slice = (taken.cpu_seconds - idle.cpu_seconds) / 8 * (SIDE / side) ** 2
    return {**row, "cpu_seconds_per_4096_slice": round(per_slice, 2)}


def _apply(
    network: Path, tomogram: Path, folder: Path, flips: int = 0, device: str = "cpu", numbers: str = AUTO
) -> Measured:
    words = ("--output", folder / "maps", "--flips", flips, "--device", device, "--numbers", numbers, "--json")
    return tomoseg("apply", network, tomogram, *words)


def _row(name: str, taken: Measured) -> dict[str, Any]:
    return {
        "name": name,
        "seconds": round(taken.seconds, 2),
        "cpu_seconds": round(taken.cpu_seconds, 2),
        "peak_memory_mb": round(taken.peak_memory_mb),
    }
