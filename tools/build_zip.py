"""Build and check the extension's zip with Blender's own builder, which the bpy wheel carries along.

Usage: build_zip.py FOLDER
"""

import subprocess
import sys
from pathlib import Path

import bpy

ROOT = Path(__file__).resolve().parent.parent


def builder() -> Path:
    """Blender's command line for extensions."""
    return Path(bpy.utils.resource_path("LOCAL")) / "scripts/addons_core/bl_pkg/cli/blender_ext.py"


def build(folder: Path) -> None:
    """Write tomoseg-VERSION.zip into `folder` and validate it; raises CalledProcessError if Blender refuses it."""
    command = [sys.executable, str(builder())]
    build_words = ["build", "--source-dir", str(ROOT), "--output-dir", str(folder), "--valid-tags", ""]
    subprocess.run([*command, *build_words], check=True)
    for zipped in sorted(folder.glob("tomoseg-*.zip")):
        subprocess.run([*command, "validate", str(zipped), "--valid-tags", ""], check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
