"""The test suite's Blender part in another Blender than the one it is made for: all of it that can run there.

Usage: suite.py SITE [PYTEST'S WORDS], after `--` in Blender. SITE: a folder of packages (pytest, mrcfile) that is
looked in last. TOMOSEG_TEST_WORKER names the worker's Python, and inside a real Blender
BLENDER_USER_RESOURCES an empty folder. Exit status: pytest's. whole.py makes all of these.
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
    named = any(word.startswith("tests") for word in words[1:])
    tests = words[1:] if named else ["tests/tomoseg_blender", *words[1:]]
    return int(pytest.main(["-p", "no:cacheprovider", "-q", *tests]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]))
