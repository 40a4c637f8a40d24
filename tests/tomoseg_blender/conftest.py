"""A real bpy with the extension enabled from this checkout, and an empty file before each test."""

import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
_HAS_TORCH = importlib.util.find_spec("torch") is not None
PACKAGE = "bl_ext.user_default.tomoseg"

# Blender reads its environment once, at the first import: the folder must be there before. Inside a real Blender
# (tests/versions/suite.py) that was before these tests.
_temporary = tempfile.TemporaryDirectory(prefix="tomoseg-blender-")
_resources = os.environ["BLENDER_USER_RESOURCES"] if "bpy" in sys.modules else _temporary.name
_extensions = Path(_resources) / "extensions" / "user_default"
_extensions.mkdir(parents=True, exist_ok=True)
(_extensions / "tomoseg").symlink_to(ROOT, target_is_directory=True)
os.environ["BLENDER_USER_RESOURCES"] = _resources
# The worker of these tests is this environment's own; a Blender that has no torch (tests/versions) names another one.
os.environ["TOMOSEG_PYTHON"] = os.environ.get("TOMOSEG_TEST_WORKER", sys.executable)

import bpy  # noqa: E402

# In another Blender (tests/versions/suite.py): files whose tests call the worker's own modules in this process, and
# files whose tests start a second bpy with this process's Python.
collect_ignore = [
    *([] if _HAS_TORCH else ["test_batch.py", "test_labels_from_mask.py", "test_mask_correct.py", "test_settings.py"]),
    *(["test_two_blenders.py", "test_zip.py"] if bpy.app.binary_path else []),
]


@pytest.fixture(scope="session", autouse=True)
def extension() -> Iterator[ModuleType]:
    """The enabled extension; its modules are reached by `part("tomo.mrc")`."""
    import addon_utils

    assert addon_utils.enable(PACKAGE, default_set=True) is not None, "the extension did not register"
    yield sys.modules[PACKAGE]
    addon_utils.disable(PACKAGE)


@pytest.fixture(autouse=True)
def empty_file(extension: ModuleType) -> None:
    """Registered classes and the enabled extension survive this; scenes, objects and images do not."""
    bpy.ops.wm.read_homefile(use_empty=True)


@pytest.fixture(scope="session")
def part(extension: ModuleType) -> Any:
    """`part("tomo.mrc")` is the extension's own copy of a module, not pytest's plain one."""
    return lambda name: importlib.import_module(f"{PACKAGE}.{name}")


@pytest.fixture
def tomogram_file(part: Any, tmp_path: Path) -> Path:
    """cell.mrc, 9 × 40 × 56 voxels [z, y, x] of 10 Å, not at the world's origin: a bright bar in one corner."""
    volume, geometry = make_volume(), part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    part("tomo.mrc").write_mrc(tmp_path / "cell.mrc", volume, geometry)
    part("tomo.mrc").write_mrc(tmp_path / "bar.mrc", bar(), geometry)
    return tmp_path / "cell.mrc"


def bar() -> np.ndarray:
    """The label of the bar, int8 [z, y, x]: asymmetric along all three axes."""
    label = np.zeros((9, 40, 56), np.int8)
    label[1:6, 4:12, 6:50] = 1
    return label


def make_volume() -> np.ndarray:
    """Noise of deviation 1 and a bar 4 above it, float32 [z, y, x]."""
    noise = np.random.default_rng(5).normal(0, 1, (9, 40, 56))
    return (noise + 4 * bar()).astype(np.float32)


@pytest.fixture
def project(tomogram_file: Path) -> Path:
    """An open project with the imported, shown tomogram "cell" and the feature "bar"; its folder."""
    folder = tomogram_file.parent / "project"
    bpy.ops.tomoseg.create_project(directory=str(folder))
    bpy.ops.tomoseg.import_tomogram(filepath=str(tomogram_file))
    bpy.ops.tomoseg.show_tomogram()
    bpy.ops.tomoseg.add_feature(name="bar")
    return folder


@pytest.fixture
def in_window(part: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """jobs.py as in a window: `start` returns at once; the test calls the timer's function itself."""

    class App:
        background = False
        timers = bpy.app.timers

    class Blender:
        app = App
        data, context, ops = bpy.data, bpy.context, bpy.ops

    jobs = part("tomoseg_blender.jobs")
    monkeypatch.setattr(jobs, "bpy", Blender)
    yield jobs
    if jobs.running() is not None:  # the test failed: the next one must not find its job
        jobs.HANDLE.stop()
    if bpy.app.timers.is_registered(jobs.poll):
        bpy.app.timers.unregister(jobs.poll)
