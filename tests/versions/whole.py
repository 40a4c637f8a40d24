"""The suite's Blender part (suite.py) in the other Blenders, with a folder of pytest for Pythons that lack it.

Usage: python -m tests.versions.whole 4.2 | trixie | sid [PYTEST'S WORDS]
"""

import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from tests.versions import run

SUITE = Path("tests") / "versions" / "suite.py"
# Of this environment; all pure Python.
PACKAGES = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "mrcfile", "tqdm", "tifffile")


def site(folder: Path) -> Path:
    """A folder with what pytest needs, by links to this environment's own files."""
    folder.mkdir()
    for package in PACKAGES:
        for name in {file.parts[0] for file in metadata.files(package) or () if file.parts[0] != ".."}:
            if name != "__pycache__" and not (folder / name).exists():
                (folder / name).symlink_to(Path(str(metadata.distribution(package).locate_file(name))))
    return folder


def main(words: list[str]) -> int:
    """Run the tests in the Blender that is named first; returns pytest's exit status, 0 where it is not here."""
    name = words[0]
    if (reason := run.missing(name)) is not None:
        print(f"{name}: skipped, {reason}")
        return 0
    with tempfile.TemporaryDirectory(prefix="tomoseg-suite-") as folder:
        packages, worker = site(Path(folder) / "site"), f"TOMOSEG_TEST_WORKER={sys.executable}"
        if name == "4.2":
            resources = f"BLENDER_USER_RESOURCES={folder}/user"
            command = ["env", worker, resources, str(run.WHEEL), str(run.ROOT / SUITE), str(packages), *words[1:]]
        else:
            script = ["--python-exit-code", "1", "--python", f"{run.INSIDE}/{SUITE}", "--", "/out/site", *words[1:]]
            command = [*run.in_tree(name, Path(folder)), "--env", worker, "--", "blender", "-b", *script]
        return subprocess.run(command, cwd=run.ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
