"""pip's lines become progress for a bar, and its errors one sentence."""

from pathlib import Path

import pytest

LINES = """Collecting torch==2.13.0 (from -r requirements.txt (line 2))
  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (29 kB)
Collecting numpy (from -r requirements.txt (line 3))
  Using cached numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl (18.3 MB)
Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (888.1 MB)
Progress 222000000 of 888000000
Progress 888000000 of 888000000
Installing collected packages: numpy, torch
Successfully installed numpy-1.26.4 torch-2.13.0""".splitlines()


def test_pips_lines_become_progress(part):
    pip, seen = part("tomoseg_blender.pip_lines").PipProgress(2), []
    for line in LINES:
        shown = pip.take(line)
        seen.append((round(pip.fraction, 3), pip.message))
        assert shown == (not line.startswith("Progress"))
    assert seen[0] == (0.1, "Looking for torch==2.13.0")
    assert seen[1] == seen[0]  # a file of metadata is no package
    assert seen[3] == (0.2, "Getting numpy 1.26.4 (18.3 MB)")
    assert seen[5][1] == "Getting torch 2.13.0: 222 of 888 MB"
    assert 0.5 <= seen[5][0] < seen[6][0] == 0.8
    assert seen[7] == (0.8, "Unpacking 2 packages; this can take minutes")
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)
    assert pip.fraction == 1.0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [
                "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory: 'C:\\\\t.h'",
                "HINT: This error might have occurred since this system lacks Windows Long Path support enabled.",
            ],
            "Windows refuses paths of more than 260 letters",
        ),
        (
            ["ERROR: Could not install packages: [Errno 28] No space left on device"],
            "The disk is full: free some space",
        ),
        (
            ["WARNING: Retrying after 'NewConnectionError'", "ERROR: No matching distribution found for tiny"],
            "The package index cannot be reached: check the network",
        ),
        (["ERROR: No matching distribution found for torch==2.13.0"], "has no torch==2.13.0 for Python 3.14.0 on"),
        (["ERROR: Something else went wrong."], "failed (Something else went wrong): the log the.log tells more"),
    ],
)
def test_pips_errors_become_one_sentence(part, lines, expected):
    lines_of = part("tomoseg_blender.pip_lines")
    pip = lines_of.PipProgress(2)
    for line in lines:
        pip.take(line)
    assert expected in lines_of.failure(pip, "3.14.0", None, Path("the.log"))
