"""The options of applying a network, the same for one tomogram (`apply`) and for hundreds (`batch`)."""

import math
from dataclasses import dataclass

from ml.options import UsageError, option

AUTO, FLOAT32, INT8 = NUMBERS = ("auto", "float32", "int8")
VIEWS = (1, 4, 8)
NUMBERS_HELP = (
    "what networks compute with on the CPU; int8: three times as fast, nearly the same; auto: int8 where network and "
    "processor can"
)
FLIPS_HELP = (
    "views of each slice (turned, mirrored) whose mean is taken, shared out between the networks of an ensemble; 0: "
    "four for each U-Net in 8-bit numbers or on a graphics card, else 1"
)


@dataclass(frozen=True, kw_only=True)
class Applying:
    """How networks are applied; the steps' own options are added to these."""

    threads: int = option(0, help="CPU cores to use, 0 for all", metavar="N")
    memory: float = option(2.0, help="memory to use at most, in GB", metavar="GB")
    device: str = option("auto", help="where to compute", choices=("auto", "cuda", "mps", "cpu"))
    numbers: str = option(AUTO, help=NUMBERS_HELP, choices=NUMBERS)
    flips: int = option(0, help=FLIPS_HELP, metavar="0|1|4|8")
    voxel_size: float | None = option(None, help="the tomograms' voxel size, where the files are wrong", metavar="Å")
    rescale: bool = option(False, help="resample tomograms to the network's voxel size, and their maps back")
    half: bool = option(False, help="write maps as float16, half as large")
    invert: bool = option(False, help="features are dark; for networks made by EMAN2, ours know it themselves")
    filter: bool = option(True, help="the tomograms were filtered already; for networks made by EMAN2")

    def check(self) -> None:
        """Raises UsageError for values that no run could use."""
        if self.numbers == INT8 and self.device in ("cuda", "mps"):
            raise UsageError(f"--numbers int8 is for the CPU, not for --device {self.device}: give one of the two")
        check_flips(self.flips)
        if not 0 < self.memory < math.inf:
            raise UsageError(f"--memory is a number of GB above 0, not {self.memory:g}")
        if self.threads < 0:
            raise UsageError(f"--threads is 1 or more, or 0 for all cores, not {self.threads}")
        if self.voxel_size is not None and not 0 < self.voxel_size < math.inf:
            raise UsageError(f"--voxel-size is a number of Å above 0, not {self.voxel_size:g}")

    def changing(self) -> list[object]:
        """The values that change the maps by more than rounding, JSON-able."""
        values: list[object] = [self.flips, self.half, self.voxel_size, self.rescale, self.invert, self.filter]
        # Left out where it is as it always was: batches begun with an earlier version go on.
        return values if self.numbers == FLOAT32 else [*values, self.numbers]


def check_flips(flips: int) -> None:
    """Raises UsageError for a number of views that is not offered."""
    if flips not in (0, *VIEWS):
        raise UsageError(f"--flips is one of {', '.join(map(str, VIEWS))}, or 0 for what suits, not {flips}")
