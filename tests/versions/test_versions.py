"""Each step in the other Blenders that Tomoseg is made for, from the built zip."""

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
