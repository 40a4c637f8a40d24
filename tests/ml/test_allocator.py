"""Freed memory is used again, without asking Linux for every page anew, and can be given back."""

import json
import subprocess
import sys

import pytest

from ml.allocator import _glibc

PROGRAM = """
import json, resource, sys
import numpy as np
from ml.allocator import give_back_memory, keep_freed_memory
from ml.memory import memory_in_use

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        np.ones(5_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual, kept = faults(), keep_freed_memory()
faults()
saved, held = faults(), memory_in_use()
give_back_memory()
print(json.dumps([usual, kept, saved, held - memory_in_use()]))
"""


@pytest.mark.skipif(_glibc() is None, reason="another C library than glibc")
def test_freed_memory_is_kept_until_it_is_given_back():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    usual, kept, saved, given_back = json.loads(ran.stdout)
    if not kept:
        pytest.skip("a glibc older than 2.35 keeps pieces of at most 32 MB")
    assert saved < usual / 10
    assert given_back > 30e6  # of the 40 MB of the last array
