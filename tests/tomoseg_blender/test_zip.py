# The zip that users install: built by Blender's own builder, installed into a Blender of its own, and used there.
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALL = """
import json, sys
import bpy
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
package = "bl_ext.user_default.tomoseg"
import mrcfile
print("RESULT " + json.dumps({
    "enabled": package in bpy.context.preferences.addons,
    "folder": sys.modules[package].__file__,
    "mrcfile": mrcfile.__file__,
    "operator": bpy.ops.tomoseg.import_tomogram.get_rna_type().name,
    "refusal": refusal(),
}))
"""
REFUSAL = """
def refusal():
    try:
        bpy.ops.tomoseg.import_tomogram(filepath="none.mrc")
    except RuntimeError as error:
        return str(error)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zip")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_zip.py"), str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("tomoseg-*.zip")
    return made


def test_the_zip_holds_the_three_rooms_and_nothing_of_the_workshop(built):
    names = zipfile.ZipFile(built).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"__init__.py", "blender_manifest.toml", "tomo", "ml", "tomoseg_blender", "wheels"} <= tops
    assert not tops & {"tests", "demo", "bench", "docs", "tools", "build", ".git", ".venv", "Makefile"}
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
    assert sum(zipfile.ZipFile(built).getinfo(name).file_size for name in names) < 3_000_000


def test_the_installed_zip_registers_with_its_own_wheel(built, tmp_path):
    script = tmp_path / "install.py"
    script.write_text(INSTALL.replace("package =", f"{REFUSAL}\npackage =", 1))
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "blender")}
    done = subprocess.run(
        [sys.executable, str(script), str(built)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))[7:])
    assert result["enabled"] and result["operator"] == "Import Tomograms"
    assert str(tmp_path) in result["folder"]
    assert "project" in result["refusal"]  # one sentence that says what to do first
    assert list((tmp_path / "blender").rglob("mrcfile/__init__.py")), "the wheel of the zip was not unpacked"
