"""What the code imports, what the lists install, and what the table explains are the same packages."""

import re
import sys
from pathlib import Path

import pytest

from tests.test_imports import imported_names

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("tomo", "ml", "tomoseg_blender")
# The names under which packages are imported, where they are others.
IMPORTED_AS = {"scikit-image": "skimage", "pillow": "PIL", "pyyaml": "yaml"}
NOT_IMPORTED = {"cryptography"}  # distributed's Security.temporary() needs it
BLENDERS_OWN = {"bpy", "bpy_extras", "mathutils", "gpu", "gpu_extras", "blf", "addon_utils", "bl_ext", "openvdb"}


def imported() -> set[str]:
    """The first names of everything that the three rooms import and that neither they nor Python bring."""
    found: set[str] = set()
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            found |= imported_names(file.read_text(encoding="utf-8"), file.relative_to(ROOT).parts)
    return found - set(sys.stdlib_module_names) - {*ROOMS, "", "__future__"} - BLENDERS_OWN


def required(name: str) -> set[str]:
    """The packages of a list of requirements, in small letters."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return {re.split(r"[=<>;]", line)[0].strip().lower() for line in lines if line and not line.startswith("-")}


def explained() -> dict[str, str]:
    """The packages in the first column of the table, each with where it is used."""
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text("utf-8"), re.MULTILINE
    )
    return {name.strip().partition(" (")[0]: where for names, where in rows[1:] for name in names.split(",")}


def test_the_worker_installs_what_the_code_imports_and_nothing_else():
    names = {IMPORTED_AS.get(name, name.replace("-", "_")) for name in required("ml/requirements.txt") - NOT_IMPORTED}
    assert names == imported()


@pytest.mark.parametrize(
    ("name", "users"), [("ml/requirements.txt", ("worker", "tomo", "all")), ("requirements-dev.txt", ("dev", "ext"))]
)
def test_the_table_explains_each_package_of_the_lists(name, users):
    table = {package for package, where in explained().items() if any(user in where for user in users)}
    assert required(name) <= table, required(name) - table


def test_the_table_explains_nothing_that_is_not_there():
    listed = required("ml/requirements.txt") | required("requirements-dev.txt") | BLENDERS_OWN
    assert explained().keys() <= listed, explained().keys() - listed


def test_each_package_of_the_lists_has_a_pinned_version():
    pinned = required("ml/constraints.txt")
    wanted = (required("ml/requirements.txt") | required("requirements-dev.txt")) - {"setuptools"}
    same = {name.replace("_", "-") for name in pinned}
    assert {name.replace("_", "-") for name in wanted} <= same


def test_the_bundled_wheel_is_the_pinned_mrcfile():
    (version,) = re.findall(r"^mrcfile==(.+)$", (ROOT / "ml" / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    manifest = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
    assert f"./wheels/mrcfile-{version}-py2.py3-none-any.whl" in manifest
    assert (ROOT / "wheels" / f"mrcfile-{version}-py2.py3-none-any.whl").is_file()
