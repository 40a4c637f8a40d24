"""The test suite's Blender part in another Blender than the one it is made for: all of it that can run there.

Usage: suite.py SITE [PYTEST'S WORDS], after `--` in Blender. SITE: a folder of packages (pytest, mrcfile) that is
looked in last. TOMOSEG_TEST_WORKER names the worker's Python. Exit status: pytest's.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> int:
    """Run the tests in this process."""
    sys.path.append(words[0])  # last: Blender's own numpy, and its own bpy, come first
    import pytest

    os.chdir(ROOT)
    return int(pytest.main(["-p", "no:cacheprovider", "-q", *(words[1:] or ["tests/tomoseg_blender"])]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]))
