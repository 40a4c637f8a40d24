"""Hostile files of every format: a value or one sentence, never a crash, a hang, or more memory than the bound."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.campaign import Campaign, Child
from tests.fuzz.formats import FORMATS
from tomo.errors import TomosegError
from tomo.names import check_feature_name, safe_tomogram_name
from tomo.project import Project

MUTANTS = 500

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the bounds on memory and time are POSIX's")


@pytest.fixture(scope="module")
def child():
    child = Child()
    yield child
    child.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_hostile_files_are_read_or_refused_in_one_sentence(kind, child, tmp_path):
    campaign = Campaign(kind, tmp_path)
    campaign.run(MUTANTS, child)
    assert not campaign.bugs, "\n".join(campaign.bugs.values())
    assert campaign.counts["tried"] >= 0.95 * MUTANTS  # some mutants are the good file again
    assert campaign.counts["past"] >= campaign.counts["tried"] / 5, campaign.counts


@settings(max_examples=500, derandomize=True, database=None, deadline=None)
@given(st.text(max_size=90), st.text(max_size=90))
def test_no_name_leads_a_volume_or_any_other_result_out_of_the_project(tmp_path_factory, tomogram, feature):
    project = Project(tmp_path_factory.getbasetemp() / "project")
    for result in (project.volume_path, project.surface_path, project.segmentation_path):
        try:
            path = result(tomogram, feature)
        except TomosegError:
            continue
        assert path.parent.parent == project.folder and path.resolve().is_relative_to(project.folder.resolve())
        assert len(path.name.encode()) < 200
    assert "/" not in safe_tomogram_name(tomogram) and safe_tomogram_name(tomogram) not in ("", ".", "..")


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/b", "a\\b", "..", ""])
def test_a_feature_is_never_a_path(name):
    with pytest.raises(TomosegError):
        check_feature_name(name)
