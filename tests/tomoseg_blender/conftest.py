"""A real bpy with the extension enabled from this checkout, and an empty file before each test."""

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "bl_ext.user_default.tomoseg"

# Blender reads its environment once, at the first import: the folder must be there before.
_resources = tempfile.TemporaryDirectory(prefix="tomoseg-blender-")
_extensions = Path(_resources.name) / "extensions" / "user_default"
_extensions.mkdir(parents=True)
(_extensions / "tomoseg").symlink_to(ROOT, target_is_directory=True)
os.environ["BLENDER_USER_RESOURCES"] = _resources.name
os.environ["TOMOSEG_PYTHON"] = sys.executable  # the worker of these tests is this environment's own

import bpy  # noqa: E402


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
