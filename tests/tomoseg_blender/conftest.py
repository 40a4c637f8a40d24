"""A real bpy with the extension enabled from this checkout, and an empty file before each test."""

import importlib
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

from tests.tomoseg_blender import figures  # noqa: E402

# These build the zip with the tools of bpy's wheel; in a real Blender tests/versions/test_versions.py installs it.
collect_ignore = ["test_zip.py"] if bpy.app.binary_path else []


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


@pytest.fixture(scope="session")
def openvdb(part: Any) -> None:
    """Skips where this Blender's build lacks the module, as the wheels of bpy 4.2 do."""
    if part("tomoseg_blender.compat").vdb_module() is None:
        pytest.skip("This Blender has no OpenVDB module.")


@pytest.fixture
def volumes_in_cycles(openvdb: None, part: Any, tmp_path: Path) -> None:
    """Skips where this Blender's Cycles leaves volumes out of the picture, as Debian's build of 5.2 does.

    Asked of a cube of fog in the middle of an otherwise empty scene, none of it made by the extension.
    """
    if not _picture_of_fog(part("tomoseg_blender.compat").vdb_module(), tmp_path).any():
        pytest.skip("This Blender's Cycles draws no volumes.")
    bpy.ops.wm.read_homefile(use_empty=True)


def _picture_of_fog(module: ModuleType, folder: Path) -> np.ndarray:
    """The alpha, 8 × 8 pixels, of a picture of a dense cube."""
    grid = module.FloatGrid()
    grid.name, grid.gridClass = "density", module.GridClass.FOG_VOLUME
    grid.copyFromArray(np.full((8, 8, 8), 50.0))
    module.write(str(folder / "fog.vdb"), grids=[grid])
    bpy.ops.object.volume_import(filepath=str(folder / "fog.vdb"))
    scene, eye = bpy.context.scene, bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    eye.data.type, eye.data.ortho_scale, eye.location = "ORTHO", 8, (4, 4, 20)
    scene.collection.objects.link(eye)
    scene.camera, scene.render.engine, scene.cycles.samples = eye, "CYCLES", 4
    scene.cycles.use_denoising = False  # which some builds cannot
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.render.film_transparent, scene.render.filepath = True, str(folder / "fog.png")
    bpy.ops.render.render(write_still=True)
    return np.array(bpy.data.images.load(str(folder / "fog.png")).pixels[:]).reshape(8, 8, 4)[..., 3]


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


@pytest.fixture
def figure(part: Any) -> ModuleType:
    """What builds and renders figures."""
    return part("tomoseg_blender.scene.figure")


@pytest.fixture
def cell(part: Any) -> Any:
    """A tomogram of 60 × 40 × 12 voxels of 10 Å with three boxes as surfaces; returns its empty."""
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (0.0, 200.0, 0.0))
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", figures.SHAPE, geometry)
    for name, (low, high) in figures.PLACES.items():
        mesh = figures.block(low, high)
        part("tomoseg_blender.scene.meshes").show_surface(*mesh, empty, name, figures.COLOURS[name])
    return empty
