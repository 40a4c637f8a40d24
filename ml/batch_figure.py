"""The figure of one tomogram of a batch: rendered by a Blender without a window, which has Tomoseg enabled."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ml.options import UsageError
from ml.report import Report
from tomo.errors import TomosegError
from tomo.names import tomogram_name
from tomo.project import Project

COMMAND = "tomoseg_figure"
POLL_SECONDS = 0.5


def blender_for_figures(named: Path, output: Path, tomograms: Iterable[Path]) -> Path:
    """The executable that `named` means: a file, or a command such as `blender`.

    Raises UsageError or TomosegError where no figures can be rendered: before any work is done.
    """
    # A path forgets the "./" by which a shell tells the two apart, and tasks run in other folders.
    blender = shutil.which(named.absolute()) or shutil.which(named)
    if blender is None:
        raise TomosegError(f"There is no Blender at {named}: name its executable.")
    if not (output / "project.json").is_file():
        raise UsageError("--blender renders figures of a project's tomograms: name the project's folder as --output")
    known = {entry.name for entry in Project.open(output).tomograms()}
    if missing := [path for path in tomograms if tomogram_name(path) not in known]:
        raise TomosegError(f"{missing[0]} is no tomogram of the project {output}: import it, or leave --blender out.")
    return Path(blender)


def render(report: Report, _threads: int, *, blender: Path, project: Path, tomogram: str) -> dict[str, Any]:
    """Render the project's results for one tomogram. Raises TomosegError with Blender's own sentence, and Cancelled."""
    picture = project / "figures" / f"{tomogram}.png"
    words = [blender, "--command", COMMAND, project, "--tomogram", tomogram, "--output", picture]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        began = time.time()
        process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            while process.poll() is None:
                report.progress(0.5, f"Rendering {tomogram}")
                time.sleep(POLL_SECONDS)
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        lines = [line.strip() for line in said.read().splitlines() if line.strip()]
    if process.returncode or not picture.is_file() or picture.stat().st_mtime < began - 2:
        own = [line.removeprefix(f"{COMMAND}: ") for line in lines if line.startswith(f"{COMMAND}: ")]
        raise TomosegError(
            own[-1]
            if own
            else f"Blender rendered no figure of {tomogram} ({lines[-1][:120] if lines else 'it said nothing'}): is "
            f"Tomoseg enabled in {blender}?"
        )
    return {"figure": str(picture)}
