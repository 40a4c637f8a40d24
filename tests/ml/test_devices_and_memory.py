"""Choosing the device, and measuring memory."""

import mmap
import subprocess
import sys

import numpy as np
import psutil
import pytest
import torch
from threadpoolctl import threadpool_info

from ml.devices import available_cores, choose_device, describe_device, unused_gpu, use_threads
from ml.memory import PeakMemory, available_memory, left_in_groups, memory_in_use, parse_rollup
from tomo.errors import TomosegError


def test_the_cpu_is_always_there_and_auto_finds_something():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    assert f"of {available_cores()} cores" in describe_device(torch.device("cpu"))


def test_a_device_that_is_not_there_is_one_sentence():
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(TomosegError, match=f"cannot compute on {missing}"):
        choose_device(missing)


def test_an_unused_graphics_card_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "not used" in unused_gpu(torch.device("cpu"))
    assert unused_gpu(torch.device("cuda")) is None


def test_zero_threads_means_all_cores():
    before = torch.get_num_threads()
    use_threads(1)
    assert torch.get_num_threads() == 1
    use_threads(0)
    assert torch.get_num_threads() == available_cores()
    use_threads(before)


def test_the_threads_are_those_of_numpy_too():
    before = torch.get_num_threads()
    for count in (1, 2):
        use_threads(count)
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {count}
    use_threads(before)


def test_the_peak_is_seen_after_the_memory_was_given_back():
    before = memory_in_use() / 1e6
    with PeakMemory() as peak:
        block = np.ones(60_000_000, np.uint8)
        block[::4096] += 1
        while peak.megabytes < before + 55:  # the sampling thread must see it while it is there
            pass
        del block
    assert peak.megabytes > before + 55
    assert memory_in_use() / 1e6 < before + 30


def test_mapped_file_pages_do_not_count(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"\1" * 40_000_000)
    before = memory_in_use()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[at] for at in range(0, len(mapped), 4096)) > 0
        assert memory_in_use() - before < 20_000_000


def test_the_kernels_words_are_understood():
    text = "0-1 ---p [rollup]\nRss: 50 kB\nAnonymous:   3 kB\nPss_Shmem:   2 kB\nPss_File: 9 kB\n"
    assert parse_rollup(text) == 5 * 1024


def test_what_apples_graphics_processor_cannot_do_is_left_to_the_cpu():
    """Read by torch when it is imported, so it must be said before."""
    code = "import os; from ml.cli import prepare_process as p; p(); print(os.environ['PYTORCH_ENABLE_MPS_FALLBACK'])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "1"


def group(folder, **files):
    """A control group's folder with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


@pytest.mark.parametrize("place", ["", "unified"])
def test_a_jobs_memory_limit_counts_and_file_pages_give_way(tmp_path, place):
    mine, root = tmp_path / "cgroup", tmp_path / "groups"
    mine.write_text("3:cpuset:/\n0::/system/job_7/step_0\n")
    job = {"memory__max": 8_000_000_000, "memory__current": 5_000_000_000}
    group(root / place / "system/job_7", **job, memory__stat="anon 3000000000\ninactive_file 1500000000")
    group(root / place / "system/job_7/step_0", memory__max="max", memory__current=1, memory__stat="inactive_file 0")
    assert list(left_in_groups(mine, root)) == [4_500_000_000]


def test_the_older_kind_of_groups_and_a_container_that_does_not_see_its_own_path(tmp_path):
    mine, root = tmp_path / "cgroup", tmp_path / "groups"
    mine.write_text("4:cpu,memory:/docker/ab12\n")
    limits = {"memory__limit_in_bytes": 2_000_000, "memory__usage_in_bytes": 500_000}
    group(root / "memory", **limits, memory__stat="total_inactive_file 100000")
    assert list(left_in_groups(mine, root)) == [1_600_000]


@pytest.mark.parametrize("text", ["", "2:cpu:/a\n", "0::/a\n"])
def test_without_a_limit_the_machines_memory_counts(tmp_path, text):
    (tmp_path / "cgroup").write_text(text)
    assert list(left_in_groups(tmp_path / "cgroup", tmp_path / "groups")) == []
    assert list(left_in_groups(tmp_path / "missing")) == []


def test_what_is_available_is_the_least_of_all_limits(monkeypatch):
    whole = available_memory()
    assert 0 < whole <= psutil.virtual_memory().total
    for limit, expected in ((1_000_000, 1_000_000), (-5, 0)):
        monkeypatch.setattr("ml.memory.left_in_groups", lambda limit=limit: [limit])
        assert available_memory() == expected
