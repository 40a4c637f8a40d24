"""Blender as a module, with the extension enabled from this checkout and nothing of the person's own settings."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tomo.errors import TomosegError

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "bl_ext.user_default.tomoseg"


def start(resources: Path) -> ModuleType:
    """bpy with an empty file and the extension enabled; `resources` stands in for Blender's settings folder.

    The worker uses this Python. Call it once, before anything else imports bpy. Raises TomosegError.
    """
    extensions = resources / "extensions" / "user_default"
    extensions.mkdir(parents=True)
    (extensions / "tomoseg").symlink_to(ROOT, target_is_directory=True)
    os.environ["BLENDER_USER_RESOURCES"] = str(resources)  # read once, when bpy is imported
    os.environ["TOMOSEG_PYTHON"] = sys.executable
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0  # no demo.blend1
    import addon_utils

    if addon_utils.enable(PACKAGE, default_set=True) is None:
        raise TomosegError("The extension could not be enabled in Blender: see the messages above.")
    return bpy


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Blender's hundred lines (of Cycles, of many boxes) off the terminal; errors still come as exceptions."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def stop() -> None:
    """Disable the extension, which ends its worker."""
    import addon_utils

    addon_utils.disable(PACKAGE)


def call(operator: Any, **properties: Any) -> None:
    """Run an operator of the extension to its end; what it reports as an error becomes a TomosegError."""
    try:
        operator(**properties)
    except RuntimeError as error:
        raise TomosegError(str(error).strip().removeprefix("Error: ")) from error
