"""The worker's own Python environment: made, checked, and removed again, in steps that a timer can take.

A folder without its marker file is unfinished, whatever ended the set-up, and the next one removes it. What was there
before waits beside it, and comes back where the set-up fails or is cancelled.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

from ..tomo.errors import TomosegError
from ..tomo.files import explain_write_error, read_json, write_json
from .child import Child
from .pip_lines import PipProgress, failure
from .setup_lock import held
from .worker import EXTENSION_FOLDER

T = TypeVar("T")
REQUIREMENTS = EXTENSION_FOLDER / "ml" / "requirements.txt"
CONSTRAINTS = EXTENSION_FOLDER / "ml" / "constraints.txt"
PINNED_PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # ml/constraints.txt names versions that have wheels for these
OLDEST_PYTHON = (3, 11)
MARKER = "finished.json"
ONLINE_SWITCH = "Edit > Preferences > System > Network > Allow Online Access"
PROBE = "import sys; print('Python', '.'.join(map(str, sys.version_info[:3])))"
CHECK = """import json, torch
from ml.check import Options, run
from ml.report import Silent
build = {"torch_build": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip}
if torch.backends.mps.is_built():
    build["metal"] = "(Apple GPUs)"
print("RESULT " + json.dumps({**run(Options(), Silent()), **build}))
"""
# Wheels run no code while they are installed, and a compiler that is not there can't stop them.
_PIP = ("-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-color", "--only-binary", ":all:")
_BUILDS = {"cuda": "CUDA", "hip": "ROCm", "metal": "Metal"}
_RAW_PROGRESS = (24, 1)  # the first pip that counts bytes in lines of its own
_WRONG_PLACE = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT")
_WRONG_PYTHON = ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


class SetupCancelled(TomosegError):
    """The user ended the set-up."""


@dataclass(frozen=True)
class Plan:
    """What is installed where. folder: the environment. python: makes it. wheels: a folder, used offline."""

    folder: Path
    python: Path
    wheels: Path | None = None
    package_index: str = ""
    torch_index: str = ""
    requirements: Path = REQUIREMENTS
    constraints: Path = CONSTRAINTS
    check: str = CHECK

    @property
    def log(self) -> Path:
        """The log lies beside the environment, so that it is there to read when that has been removed."""
        return self.folder.with_name(f"{self.folder.name}_setup.log")

    @property
    def before(self) -> Path:
        """Where the environment of before waits while a new one is made."""
        return self.folder.with_name(f"{self.folder.name}-before")


@dataclass(frozen=True)
class Progress:
    """How far the set-up is, and the lines that came since the last one."""

    fraction: float
    message: str
    lines: tuple[str, ...] = ()


Steps = Generator[Progress, None, None]


def python_in(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_finished(folder: Path) -> bool:
    """Whether the environment was set up to its end and its interpreter still exists (Blender's may have moved)."""
    return (folder / MARKER).is_file() and python_in(folder).is_file()


def fingerprint(plan: Plan) -> str:
    """Changes with the lists of packages, so that a newer Tomoseg sets up anew."""
    return hashlib.sha256(plan.requirements.read_bytes() + plan.constraints.read_bytes()).hexdigest()


def finished_result(plan: Plan) -> dict[str, Any] | None:
    """What the last set-up found, where there is nothing to do; else None."""
    if not is_finished(plan.folder):
        return None
    with suppress(TomosegError, KeyError, TypeError):  # a damaged marker is an unfinished environment
        marker = read_json(plan.folder / MARKER)
        if marker["packages"] == fingerprint(plan):
            return dict(marker["result"])
    return None


def required_packages(requirements: Path = REQUIREMENTS) -> list[str]:
    """The names (with versions where they are pinned) in a list of requirements."""
    lines = (line.partition("#")[0].strip() for line in requirements.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def refusal(plan: Plan, online: bool) -> str | None:
    """Why the packages can't be fetched, or None: Blender's permission, or what is wrong with a field."""
    if plan.wheels is not None:
        if not any(plan.wheels.glob("*.whl")):
            return f"The folder {plan.wheels} holds no wheels (*.whl): choose another one or empty the field."
        return None
    for url in (plan.package_index, plan.torch_index):
        if url and not url.startswith(("https://", "http://", "file://")):
            return f"{url} is no address of a package index: it must begin with https://, or the field be empty."
    if online:
        return None
    return (
        f"Blender may not use the network: switch on {ONLINE_SWITCH}, or name a folder of wheels (docs/installation.md "
        "tells how to fetch them)."
    )


def wheels_to_bring(plan: Plan) -> str:
    """What a folder of wheels must hold, in a sentence."""
    return f"Wheels to bring: {', '.join(required_packages(plan.requirements))}, and what they need."


def environment(offline: bool) -> dict[str, str]:
    """What the commands inherit: not Blender's own Python, and offline nothing that names an index."""
    dropped = (*_WRONG_PYTHON, *_WRONG_PLACE)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not (offline and name.startswith("PIP_"))
    }
    offline_settings = {"PIP_CONFIG_FILE": os.devnull} if offline else {}
    return {**kept, **offline_settings, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1"}


def pip_command(plan: Plan, python_version: str, pip_version: tuple[int, ...]) -> list[str]:
    """pip's command line for the worker's packages."""
    words = [str(python_in(plan.folder)), *_PIP, "--progress-bar", "raw" if pip_version >= _RAW_PROGRESS else "off"]
    words += ["-r", str(plan.requirements)]
    if uses_constraints(python_version):
        words += ["-c", str(plan.constraints)]
    if plan.wheels is not None:
        return [*words, "--no-index", "--find-links", str(plan.wheels)]
    if plan.package_index:
        words += ["--index-url", plan.package_index]
    if plan.torch_index:
        words += ["--extra-index-url", plan.torch_index]
    return words


def uses_constraints(python_version: str) -> bool:
    """Whether the pinned versions fit this Python."""
    return python_version.rpartition(".")[0] in PINNED_PYTHONS


def report_lines(result: dict[str, Any]) -> list[str]:
    """What the set-up found beside versions and device, one line each."""
    build = result.get("torch_build", "")
    kind = next((f"{name} {result[key]}" for key, name in _BUILDS.items() if result.get(key)), "CPU")
    lines = [f"torch {build} ({kind} build); {result['size_bytes'] / 1e9:.2f} GB on disk"] if build else []
    if (seconds := result.get("training_step_seconds")) is not None:
        lines.append(f"A small training step took {seconds:.3f} s")
    memory = {"memory": result.get("memory_gb"), "GPU memory": result.get("gpu_memory_gb")}
    if told := ", ".join(f"{value:.1f} GB of {name}" for name, value in memory.items() if value):
        lines.append(told)
    return [*lines, *(str(result[key]) for key in ("warning", "note") if result.get(key))]


class Setup:
    """One set-up. cancelled: asked at each step. wait: seconds that a step may wait for news (0 in a window)."""

    def __init__(self, plan: Plan, cancelled: Callable[[], bool], wait: float = 0.0) -> None:
        self.plan, self._cancelled, self._wait = plan, cancelled, wait
        self._environment = environment(plan.wheels is not None)
        self._fraction, self._message = 0.0, "Starting"
        self._log: TextIO | None = None

    def run(self) -> Generator[Progress, None, dict[str, Any]]:
        """Make the environment; returns what its check found. Raises TomosegError, after removing what it made."""
        with held(self.plan.folder.with_name(f"{self.plan.folder.name}_setup.lock")):
            try:
                yield from self._recover()
                if is_finished(self.plan.folder):
                    self.plan.folder.rename(self.plan.before)
                try:
                    result = yield from self._build()
                except (TomosegError, OSError) as error:
                    yield from self._undo()
                    if isinstance(error, SetupCancelled):
                        self.plan.log.unlink(missing_ok=True)
                    raise
                except (GeneratorExit, KeyboardInterrupt):  # Blender quits: nothing may stay, and nobody looks
                    _exhaust(self._undo())
                    self.plan.log.unlink(missing_ok=True)
                    raise
                yield from self._remove(self.plan.before)
            except OSError as error:
                raise explain_write_error(self.plan.folder, error) from error
        return result

    def _build(self) -> Generator[Progress, None, dict[str, Any]]:
        plan = self.plan
        plan.folder.parent.mkdir(parents=True, exist_ok=True)
        with plan.log.open("w", encoding="utf-8") as self._log:
            version = yield from self._python_version()
            yield self._at(0.02, f"Making an environment of Python {version}")
            yield from self._make_environment()
            yield from self._install(version)
            yield self._at(0.92, "Checking it with a small training step")
            result = yield from self._check()
            result["size_bytes"] = yield from self._in_thread(lambda: size_of(plan.folder))
            if not uses_constraints(version):
                known = f"{PINNED_PYTHONS[0]} to {PINNED_PYTHONS[-1]}"
                result["note"] = f"Python {version}: the tested versions are for {known}, so pip chose others"
            write_json(plan.folder / MARKER, {"schema": 1, "packages": fingerprint(plan), "result": result})
        return result

    def _python_version(self) -> Generator[Progress, None, str]:
        lines = yield from self._command([str(self.plan.python), "-I", "-c", PROBE])
        version = next((line.split()[1] for line in lines if line.startswith("Python ")), None)
        if version is None:
            raise TomosegError(f"{self.plan.python} is no Python: name another one in Tomoseg's preferences.")
        if tuple(map(int, version.split(".")[:2])) < OLDEST_PYTHON:
            raise TomosegError(
                f"{self.plan.python} is Python {version}, but the worker needs {'.'.join(map(str, OLDEST_PYTHON))} or "
                "later: name another one in Tomoseg's preferences."
            )
        return version

    def _make_environment(self) -> Steps:
        plan = self.plan
        lines = yield from self._command([str(plan.python), "-I", "-m", "venv", "--clear", str(plan.folder)])
        if not python_in(plan.folder).is_file() or pip_version(plan.folder) is None:
            reason = next((line for line in lines if line.strip()), "it gave no reason").strip()
            if any("ensurepip" in line for line in lines):  # venv tells it in a long text
                reason = "it has no ensurepip"
            raise TomosegError(
                f"{plan.python} cannot make an environment ({reason}): name another Python in Tomoseg's preferences, "
                "or install its venv module (on Debian and Ubuntu the package python3-venv)."
            )

    def _install(self, version: str) -> Steps:
        plan, pip = self.plan, PipProgress(3 * len(required_packages(self.plan.requirements)))
        child = Child(pip_command(plan, version, pip_version(plan.folder) or ()), plan.folder, self._environment)
        with closing(self._follow(child)) as arriving:
            for lines in arriving:
                shown = tuple(line for line in lines if pip.take(line))
                self._write(shown)
                self._at(0.05 + 0.85 * pip.fraction, pip.message)
                yield Progress(self._fraction, self._message, shown)
        if child.failed:
            raise TomosegError(failure(pip, version, plan.wheels, plan.log))

    def _check(self) -> Generator[Progress, None, dict[str, Any]]:
        lines = yield from self._command([str(python_in(self.plan.folder)), "-c", self.plan.check], EXTENSION_FOLDER)
        answer = next((line.removeprefix("RESULT ") for line in lines if line.startswith("RESULT ")), None)
        if answer is None:
            last = next((line for line in reversed(lines) if line.strip()), "it wrote no message").strip()
            raise TomosegError(
                f"The worker's packages are installed, but a training step failed ({last.rstrip('.')}), so they were "
                f"removed again: the log {self.plan.log} tells more; another torch index or Python may help."
            )
        return dict(json.loads(answer))

    def _command(self, words: list[str], folder: Path | None = None) -> Generator[Progress, None, list[str]]:
        """Run a command to its end; returns its lines."""
        found: list[str] = []
        child = Child(words, folder or self.plan.folder.parent, self._environment)
        with closing(self._follow(child)) as arriving:
            for lines in arriving:
                self._write(lines)
                found += lines
                yield self._at(self._fraction, self._message)
        return found

    def _follow(self, child: Child) -> Generator[list[str], None, None]:
        """The child's lines until its end; whatever happens, it does not outlive this."""
        try:
            while (lines := child.lines(self._wait)) is not None:
                if self._cancelled():
                    raise SetupCancelled("Setting up the worker was cancelled; nothing is left of it.")
                yield lines
        finally:
            child.stop()

    def _recover(self) -> Steps:
        """Put right what a crash left: no half-made environment, and the finished one at its place."""
        if not is_finished(self.plan.folder):
            yield from self._undo()
        yield from self._remove(self.plan.before)

    def _undo(self) -> Steps:
        yield from self._remove(self.plan.folder)
        if self.plan.before.exists():
            self.plan.before.rename(self.plan.folder)

    def _remove(self, folder: Path) -> Steps:
        yield from self._in_thread(lambda: remove(folder))

    def _in_thread(self, work: Callable[[], T]) -> Generator[Progress, None, T]:
        """Work on many files: a window goes on meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            while not future.done():
                wait([future], timeout=self._wait)
                yield self._at(self._fraction, self._message)
            return future.result()

    def _at(self, fraction: float, message: str) -> Progress:
        self._fraction, self._message = fraction, message
        return Progress(fraction, message)

    def _write(self, lines: tuple[str, ...] | list[str]) -> None:
        assert self._log is not None
        self._log.writelines(f"{line}\n" for line in lines)
        self._log.flush()


def removal(folder: Path, wait_seconds: float = 0.0) -> Steps:
    """Remove an environment, its log and what a crash left beside it, and nothing else. Raises TomosegError."""
    plan = Plan(folder, Path(sys.executable))
    setup = Setup(plan, lambda: False, wait_seconds)
    with held(folder.with_name(f"{folder.name}_setup.lock")):
        try:
            for place in (folder, plan.before):
                yield from setup._remove(place)
            plan.log.unlink(missing_ok=True)
        except OSError as error:
            raise explain_write_error(folder, error) from error


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it; a link is removed, never what it leads to."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)  # follows no links


def size_of(folder: Path) -> int:
    """Bytes of all files below `folder`, links not followed."""
    return sum((Path(place) / name).lstat().st_size for place, _, names in os.walk(folder) for name in names)


def pip_version(folder: Path) -> tuple[int, ...] | None:
    """The version of the environment's pip, without running it; None where there is none."""
    for place in (*folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages"):
        for found in place.glob("pip-*.dist-info"):
            words = found.name.removeprefix("pip-").removesuffix(".dist-info").split(".")
            return tuple(int(word) for word in words if word.isdigit())
    return None


def _exhaust(steps: Steps) -> None:
    for _ in steps:
        pass
