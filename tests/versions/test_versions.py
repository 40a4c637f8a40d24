"""Each step in the other Blenders that Tomoseg is made for, from the built zip; and what the manifest promises."""

import tomllib
import zipfile

import pytest

from tests.versions import run


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return run.build(tmp_path_factory.mktemp("built"))


@pytest.mark.parametrize("name", run.NAMES)
def test_every_step_runs_from_the_zip(name, built, tmp_path):
    if (reason := run.missing(name)) is not None:
        pytest.skip(f"{name}: {reason}.")
    told = run.run(name, built, tmp_path / "blender")
    assert told["blender"].startswith({"4.2": "4.2", "trixie": "4.", "sid": "5."}[name])
    assert {"train", "apply", "merge", "surfaces and volumes", "measure", "figure", "reload"} <= told["seconds"].keys()


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_a_real_blender_validates_the_zip(suite, built):
    if (reason := run.missing(suite)) is not None:
        pytest.skip(f"{suite}: {reason}.")
    done = run.validate(suite, built)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Success parsing TOML" in told and "FATAL" not in told, told


def test_the_manifest_follows_the_platforms_guidelines(built):
    """Of Blender's manual, "Extensions > Getting Started" and "Add-ons": short, no full stop, a reason each."""
    with zipfile.ZipFile(built) as opened:
        manifest, names = tomllib.loads(opened.read("blender_manifest.toml").decode()), opened.namelist()
    sentences = [manifest["tagline"], *manifest["permissions"].values()]
    assert all(0 < len(text) <= 64 and text[-1].isalnum() for text in sentences), sentences
    assert manifest["permissions"].keys() == {"files", "network"}  # what the code does, and no more
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"] and manifest["copyright"][0][:4].isdecimal()
    assert (manifest["blender_version_min"], manifest["type"]) == ("4.2.0", "add-on")
    assert "platforms" not in manifest, "its one wheel is pure Python"
    for wheel in manifest["wheels"]:
        assert wheel.removeprefix("./") in names and wheel.endswith("-none-any.whl")
