"""Merging four maps, file to file, in a process of its own, start-up included."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.inputs import write_map
from bench.process import tomoseg

SHAPE, QUICK_SHAPE = (512, 1024, 1024), (64, 512, 512)
AIMS = {"seconds": 20.0, "peak_memory_mb": 1000.0}


def rows(folder: Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """One row for int8 maps and one for float16 maps."""
    shape = QUICK_SHAPE if quick else SHAPE
    for dtype in ("int8", "float16"):
        maps = [write_map(folder / f"t__{number}.mrc", shape, dtype, number) for number in range(2)]
        # Writing float16 takes longer than merging: the other two are copies, in the other order.
        maps += [Path(shutil.copy(path, folder / f"t__{number}.mrc")) for number, path in ((2, maps[1]), (3, maps[0]))]
        taken = tomoseg("merge", *maps, "--output", folder / "mask.mrc")
        for path in maps:
            path.unlink()
        yield {
            "name": f"merge 4 {dtype} maps of {shape[2]}×{shape[1]}×{shape[0]}",
            "seconds": round(taken.seconds, 2),
            "cpu_seconds": round(taken.cpu_seconds, 2),
            "peak_memory_mb": round(taken.peak_memory_mb),
            "aims": AIMS,
        }
