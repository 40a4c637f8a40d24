"""The steps in other Blenders than the one of the test suite, each from the built zip.

Usage: python -m tests.versions.run [4.2 | trixie | sid] …

4.2 is the bpy wheel in build/bpy42 (make env-4.2); trixie and sid are real Blenders of the shared `blender-gui`.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WHEEL = ROOT / "build" / "bpy42" / "bin" / "python"
STEPS = Path("tests") / "versions" / "steps.py"
NAMES = ("4.2", "trixie", "sid")
INSIDE = "/tmp/tomoseg"


def gui_tool() -> Path:
    """The shared blender-gui, which may not be there."""
    return Path(os.environ.get("TOMOSEG_SHARED", ROOT.parent / "shared")) / "blender-gui"


def missing(name: str) -> str | None:
    """Why the steps cannot be run in a Blender here, or None."""
    if name == "4.2":
        return None if WHEEL.exists() else f"there is no {WHEEL} (make env-4.2)"
    if not gui_tool().is_file():
        return f"there is no {gui_tool()}"
    found = subprocess.run([sys.executable, gui_tool(), "path", "--suite", name], capture_output=True, check=False)
    return None if found.returncode == 0 else f"blender-gui has no {name} (blender-gui setup --suite {name})"


def build(folder: Path) -> Path:
    """The zip."""
    words = [sys.executable, str(ROOT / "tools" / "build_zip.py"), str(folder)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("tomoseg-*.zip"))


def run(name: str, built: Path, folder: Path) -> dict[str, Any]:
    """Run all steps in one Blender; returns versions and seconds. Raises RuntimeError with the end of its output."""
    folder.mkdir(exist_ok=True)
    place = folder / built.name
    place.write_bytes(built.read_bytes())
    if name == "4.2":
        environment = {**os.environ, "BLENDER_USER_RESOURCES": str(folder / "user"), "TOMOSEG_PYTHON": sys.executable}
        words = [str(WHEEL), str(ROOT / STEPS), str(place), str(folder)]
    else:
        environment = dict(os.environ)
        script = ["--python-exit-code", "1", "--python", f"{INSIDE}/{STEPS}", "--", f"/out/{built.name}", "/out"]
        words = [*in_tree(name, folder), "--env", f"TOMOSEG_PYTHON={sys.executable}", "--", "blender", "-b", *script]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    told = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not told:
        raise RuntimeError((done.stdout + done.stderr)[-3000:])
    return dict(json.loads(told[-1][7:]))


def validate(suite: str, built: Path) -> "subprocess.CompletedProcess[str]":
    """What a real Blender's own `extension validate` says of the zip."""
    words = [sys.executable, str(gui_tool()), "exec", "--suite", suite, "--bind", f"{built.parent}:/out", "--"]
    words += ["blender", "--command", "extension", "validate", f"/out/{built.name}"]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def in_tree(suite: str, folder: Path) -> list[str]:
    """blender-gui's words before a command: `folder` is /out there, the worker's Python and its base where they are."""
    bound = {str(folder): "/out", str(ROOT): INSIDE, sys.prefix: sys.prefix, sys.base_prefix: sys.base_prefix}
    words = [sys.executable, str(gui_tool()), "exec", "--suite", suite]
    for outside, inside in bound.items():
        words += ["--bind", f"{outside}:{inside}"]
    return [*words, "--env", "BLENDER_USER_RESOURCES=/out/user"]


def main() -> int:
    """Run the named ones, or all; 1 where one failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tomoseg-versions-") as folder:
        built = build(Path(folder))
        for name in sys.argv[1:] or NAMES:
            if (reason := missing(name)) is not None:
                print(f"{name}: skipped, {reason}")
                continue
            try:
                told = run(name, built, Path(folder) / name)
                print(f"{name}: Blender {told['blender']}, Python {told['python']}: {told['seconds']}", flush=True)
            except RuntimeError as error:
                failed += 1
                print(f"{name}: failed\n{error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
