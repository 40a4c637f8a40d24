"""Run the window tests with any Blender: build the extension, install it, drive a real window, keep the pictures.

Usage: run.py --blender BLENDER --out FOLDER [STAGE …]     (stages: the files stage_*.py, in their order)

Exit status 0: all stages passed; 1: one failed; 77: skipped, because there is no window to be had here.
Without a DISPLAY an Xvfb is started where there is one. Only Python's own library is used.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SKIPPED = 77
SIZE = (1280, 860)
SETUP = """
import bpy
preferences = bpy.context.preferences
preferences.view.show_splash = False
preferences.view.use_save_prompt = False
preferences.view.show_developer_ui = False
preferences.system.use_online_access = False
bpy.ops.wm.save_userpref()
"""


def main() -> int:
    """Run the stages; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blender", default="blender")
    parser.add_argument("--out", type=Path, default=Path("gui-output"))
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one stage")
    parser.add_argument("stages", nargs="*")
    options = parser.parse_args()
    blender = shutil.which(options.blender)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if blender is None:
        return run_in_tree(out, options.stages)
    with tempfile.TemporaryDirectory(prefix="tomoseg-gui-") as resources:
        environment = {**os.environ, "BLENDER_USER_RESOURCES": resources}
        server = start_server(environment)
        if server is None and not environment.get("DISPLAY") and sys.platform.startswith("linux"):
            print("skipped: no DISPLAY, and no Xvfb to make one")
            return SKIPPED
        try:
            install(blender, environment, Path(resources))
            stages = options.stages or sorted(path.stem for path in HERE.glob("stage_*.py"))
            return max(run_stage(blender, environment, HERE / f"{name}.py", out, options.timeout) for name in stages)
        finally:
            if server is not None:
                server.terminate()


def run_in_tree(out: Path, stages: list[str]) -> int:
    """Run all this in the tree of the shared `blender-gui`, which brings a Blender and Xvfb; skipped without one."""
    tool = Path(os.environ.get("TOMOSEG_SHARED", ROOT.parent / "shared")) / "blender-gui"
    ready = tool.is_file() and subprocess.run([sys.executable, tool, "path"], capture_output=True, check=False)
    if not ready or ready.returncode:
        print("skipped: there is no Blender here; name one with --blender (make test-gui BLENDER=...)")
        return SKIPPED
    inside = "/tmp/tomoseg"
    words = ["--bind", f"{ROOT}:{inside}", "--bind", f"{out}:/out", "--", "python3", f"{inside}/tests/gui/run.py"]
    return subprocess.run([sys.executable, tool, "exec", *words, "--out", "/out", *stages], check=False).returncode


def start_server(environment: dict[str, str]) -> "subprocess.Popen[str] | None":
    """Xvfb, where there is no display; its number goes into the environment."""
    if environment.get("DISPLAY") or not sys.platform.startswith("linux") or not shutil.which("Xvfb"):
        return None
    read, write = os.pipe()
    screen = f"{SIZE[0]}x{SIZE[1]}x24"
    words = ["Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp", "-noreset"]
    folder = environment["BLENDER_USER_RESOURCES"]
    words += ["-fbdir", folder, "+extension", "GLX"]
    environment["TOMOSEG_GUI_SCREEN"] = f"{folder}/Xvfb_screen0"
    server = subprocess.Popen(words, pass_fds=[write], stderr=subprocess.DEVNULL, text=True)
    os.close(write)
    with os.fdopen(read) as told:
        environment["DISPLAY"] = f":{told.readline().strip()}"
    return server


def install(blender: str, environment: dict[str, str], folder: Path) -> None:
    """Build the extension with this Blender's own tools and install it into fresh settings."""
    steps = [
        ["-b", "--python-exit-code", "1", "--python-expr", SETUP],
        ["--command", "extension", "build", "--source-dir", str(ROOT), "--output-dir", str(folder)],
    ]
    for words in steps:
        subprocess.run([blender, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    (built,) = folder.glob("*.zip")
    words = ["--command", "extension", "install-file", "-r", "user_default", "--enable", str(built)]
    subprocess.run([blender, *words], env=environment, check=True, stdout=subprocess.DEVNULL)


def run_stage(blender: str, environment: dict[str, str], stage: Path, out: Path, timeout: float) -> int:
    """Run one stage in a new Blender; returns 0 if it passed."""
    report = out / f"{stage.stem}.json"
    report.unlink(missing_ok=True)
    geometry = ["--window-geometry", "0", "0", *map(str, SIZE)]
    words = ["--enable-event-simulate", *geometry, "--python", str(HERE / "driver.py"), "--", str(stage), str(out)]
    with (out / f"{stage.stem}.log").open("w") as log:
        try:
            # The stage kills its Blender at the end, so the exit status tells nothing.
            subprocess.run([blender, *words], env=environment, stdout=log, stderr=log, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            print(f"{stage.stem}: not done after {timeout:g} s")
            return 1
    if not report.is_file():
        print(f"{stage.stem}: Blender ended early, see {log.name}")
        crash = Path(tempfile.gettempdir()) / "blender.crash.txt"
        if crash.is_file():
            shutil.move(crash, out / f"{stage.stem}.crash.txt")
        return 1
    told = json.loads(report.read_text())
    print(f"{stage.stem} (Blender {told['blender']}): {told['result']}")
    for name, value in told["facts"].items():
        print(f"  {name}: {value}")
    return 0 if told["result"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
