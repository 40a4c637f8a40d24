"""Run the window tests with any Blender: build the extension, install it, drive a real window, keep the pictures.

Usage: run.py --blender BLENDER --out FOLDER [STAGE …]     (stages: the files stage_*.py, in their order)

Exit status 0: all stages passed; 1: one failed; 77: skipped, because there is no window to be had here.
Without a DISPLAY an Xvfb is started where there is one. Without a Blender, the ones of the shared `blender-gui` are
used that are set up (--suite names one). Only Python's own library is used. A stage that fails is run once more from
the state before it; the report says so. Set TOMOSEG_GUI_TIMING to make missed aims of the timings an error.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SKIPPED = 77
SIZE = (1280, 860)
STATE = ("project", "work.blend")  # what a stage leaves for the next one
SETUP = """
import bpy
preferences = bpy.context.preferences
preferences.view.show_splash = False
preferences.view.use_save_prompt = False
preferences.view.show_developer_ui = False
preferences.view.smooth_view = 0
preferences.system.viewport_aa = "OFF"  # else a processor that draws does so eight times
preferences.system.use_online_access = False
bpy.ops.wm.save_userpref()
"""


def main() -> int:
    """Run the stages; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blender", default="blender")
    parser.add_argument("--out", type=Path, default=Path("gui-output"))
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for one stage")
    parser.add_argument(
        "--suite", help="which of the Blenders of blender-gui, such as sid; default: all that are set up"
    )
    parser.add_argument("--together", action="store_true", help="both Blenders at once: sooner done, timings mean less")
    parser.add_argument("stages", nargs="*")
    options = parser.parse_args()
    blender = shutil.which(options.blender)
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if blender is None:
        return run_in_trees(out, options.suite, options.stages, together=options.together)
    with tempfile.TemporaryDirectory(prefix="tomoseg-gui-") as resources:
        environment = {**os.environ, "BLENDER_USER_RESOURCES": resources, "TOMOSEG_SHARED": str(shared())}
        server = start_server(environment)
        if server is None and not environment.get("DISPLAY") and sys.platform.startswith("linux"):
            print("skipped: no DISPLAY, and no Xvfb to make one")
            return SKIPPED
        try:
            install(blender, environment, Path(resources))
            stages = options.stages or sorted(path.stem for path in HERE.glob("stage_*.py"))
            return max(run_twice(blender, environment, HERE / f"{name}.py", out, options.timeout) for name in stages)
        finally:
            if server is not None:
                server.terminate()


def run_in_trees(out: Path, suite: str | None, stages: list[str], *, together: bool) -> int:
    """Run all this in the trees of the shared `blender-gui`, which bring a Blender and Xvfb; skipped without one."""
    tool = shared() / "blender-gui"
    wanted = [suite] if suite else ["sid", "trixie"]
    ready = [one for one in wanted if is_ready(tool, one)]
    for one in wanted if ready else []:
        if one not in ready:
            print(f"skipped: the Blender of {one}, which is not set up here")
    if not ready:
        print("skipped: there is no Blender here; name one with --blender (make test-gui BLENDER=...)")
        return SKIPPED
    folders = {one: out if suite else out / one for one in ready}
    with ThreadPoolExecutor(len(ready) if together else 1) as pool:
        return max(pool.map(lambda one: run_in_tree(tool, one, folders[one], stages), ready))


def shared() -> Path:
    """The folder of `blender-gui` and of the real data, which need not be there."""
    return Path(os.environ.get("TOMOSEG_SHARED", ROOT.parent / "shared")).resolve()


def is_ready(tool: Path, suite: str) -> bool:
    """True if `blender-gui` has this suite set up, and may use it: that takes root."""
    words = [sys.executable, str(tool), "exec", "--suite", suite, "--", "blender", "--version"]
    return tool.is_file() and subprocess.run(words, capture_output=True, check=False).returncode == 0


def run_in_tree(tool: Path, suite: str, out: Path, stages: list[str]) -> int:
    """Run the stages in one suite's tree, with the worker's environment and its Python bound to where they are here."""
    inside = "/tmp/tomoseg"
    out.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, str(tool), "exec", "--suite", suite]
    binds = [(ROOT, inside), (out, "/out"), *((folder, folder) for folder in worker_folders())]
    binds += [(data, data) for data in (shared() / "data",) if data.is_dir()]
    words += [word for source, target in binds for word in ("--bind", f"{source}:{target}")]
    passed = {name: os.environ[name] for name in ("TOMOSEG_GUI_TIMING",) if name in os.environ}
    passed["TOMOSEG_SHARED"] = str(shared())
    python = worker_python()
    if python is not None:
        passed["TOMOSEG_PYTHON"] = str(python)
    words += [word for name, value in passed.items() for word in ("--env", f"{name}={value}")]
    words += ["--", "python3", f"{inside}/tests/gui/run.py", "--out", "/out", *stages]
    return subprocess.run(words, check=False).returncode


def worker_python() -> Path | None:
    """The Python of the worker's environment: the one named by TOMOSEG_PYTHON, or the checkout's own; None without."""
    python = Path(os.environ.get("TOMOSEG_PYTHON") or ROOT / ".venv" / "bin" / "python")
    return python if python.exists() else None


def worker_folders() -> list[Path]:
    """What that Python needs: its environment, and the installation that the environment was made from."""
    python = worker_python()
    if python is None:
        return []
    asked = [str(python), "-c", "import sys; print(sys.prefix); print(sys.base_prefix)"]
    prefixes = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\n")
    return [Path(one) for one in dict.fromkeys(prefixes) if one and Path(one) not in (Path("/usr"), Path("/"))]


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


def run_twice(blender: str, environment: dict[str, str], stage: Path, out: Path, timeout: float) -> int:
    """Run a stage, and once more from the same state if it failed; returns 0 if it passed then."""
    with tempfile.TemporaryDirectory(prefix="tomoseg-gui-state-") as kept:
        copy_state(out, Path(kept))
        if run_stage(blender, environment, stage, out, timeout) == 0:
            return 0
        for path in (*out.glob(f"failure_{stage.stem}*.png"), out / f"{stage.stem}.log"):
            if path.exists():
                path.replace(path.with_stem(f"{path.stem}_first_try"))
        copy_state(Path(kept), out)
    print(f"{stage.stem} failed: it is repeated once")
    failed = run_stage(blender, environment, stage, out, timeout)
    print(f"{stage.stem}: {'failed again' if failed else 'passed when it was repeated'}")
    return failed


def copy_state(source: Path, target: Path) -> None:
    """Make the state of `target` that of `source`."""
    for name in STATE:
        shutil.rmtree(target / name, ignore_errors=True)
        (target / name).unlink(missing_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        elif (source / name).exists():
            shutil.copy2(source / name, target / name)


def run_stage(blender: str, environment: dict[str, str], stage: Path, out: Path, timeout: float) -> int:
    """Run one stage in a new Blender; returns 0 if it passed."""
    report, began = out / f"{stage.stem}.json", time.monotonic()
    report.unlink(missing_ok=True)
    geometry = ["--window-geometry", "0", "0", *map(str, SIZE)]
    words = ["--enable-event-simulate", *geometry, "--python", str(HERE / "driver.py"), "--", str(stage), str(out)]
    with (out / f"{stage.stem}.log").open("w") as log:
        try:
            # The stage kills its Blender at the end, so the exit status tells nothing.
            subprocess.run([blender, *words], env=environment, stdout=log, stderr=log, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            print(f"{stage.stem}: not done after {timeout:g} s", flush=True)
            return 1
    if not report.is_file():
        print(f"{stage.stem}: Blender ended early, see {log.name}", flush=True)
        crash = Path(tempfile.gettempdir()) / "blender.crash.txt"
        if crash.is_file():
            shutil.move(crash, out / f"{stage.stem}.crash.txt")
        return 1
    told = json.loads(report.read_text())
    print(f"{stage.stem} (Blender {told['blender']}): {told['result']} after {time.monotonic() - began:.0f} s")
    for name, value in told["facts"].items():
        print(f"  {name}: {value}")
    sys.stdout.flush()
    return 0 if told["result"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
