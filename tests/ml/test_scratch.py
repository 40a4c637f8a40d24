"""Scratch arrays."""

import numpy as np
import pytest

from ml import scratch
from tomo.errors import TomosegError


def test_a_big_array_lives_in_the_folder_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 100)
    array = scratch.scratch_array((5, 7, 11), np.float32, tmp_path)
    array[4, 6, 10] = 3
    assert isinstance(array, np.memmap)
    assert array.sum() == 3
    assert list(tmp_path.iterdir()) == []


def test_a_small_array_stays_in_memory(tmp_path):
    assert not isinstance(scratch.scratch_array((5, 7, 11), np.float32, tmp_path), np.memmap)


def test_an_impossible_size_is_told_before_the_disk_is_full(tmp_path):
    with pytest.raises(TomosegError, match="free some space"):
        scratch.scratch_array((10**6, 10**6, 10**6), np.float32, tmp_path)
