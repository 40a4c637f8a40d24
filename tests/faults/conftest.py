"""A finished project, and the process that workers are forked from; shared by all fault tests."""

import sys

import pytest

from tests.faults import material
from tests.faults.client import Nursery

if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]  # no fork, no kill -9


@pytest.fixture(scope="session")
def nursery():
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="session")
def original(nursery, tmp_path_factory):
    """A project in which all steps are done."""
    return material.build(nursery, tmp_path_factory.mktemp("original"))
