"""The test suite's Blender part in another Blender than the one it is made for: all of it that can run there.

Usage: suite.py SITE [PYTEST'S WORDS], after `--` in Blender. SITE: a folder of packages (pytest, mrcfile) that is
looked in last. TOMOSEG_TEST_WORKER names the worker's Python, and inside a real Blender
BLENDER_USER_RESOURCES an empty folder. Exit status: pytest's.
"""

import importlib.util
import os
import sys
from pathlib import Path

# What these look at is made of VDB volumes, and the bpy wheel of 4.2 has no such module.
NEED_VDB = (
    *(
        f"test_jobs.py::test_{name}"
        for name in (
            "volumes_are_made_a_slab_at_a_time_while_the_window_lives",
            "volumes_that_are_cancelled_leave_no_file",
            "surfaces_and_volumes_follow_each_other_by_themselves",
        )
    ),
    "test_protocol.py::test_from_the_file_to_the_figure",
    "test_round_trip.py::test_the_hand_stays_what_and_where_it_is",
    *(
        f"test_scene_volumes.py::test_{name}"
        for name in (
            "each_label_has_its_own_file_at_the_centres_of_its_voxels",
            "slabs_join_to_the_same_volume",
            "a_map_becomes_density_from_its_lower_to_its_upper_value",
            "a_large_volume_is_binned_to_the_part_that_is_filled",
            "importing_again_keeps_the_object_and_paths_become_relative",
            "volume_and_mesh_of_the_same_voxels_meet_in_the_picture",
            "the_tomogram_is_a_see_through_volume_with_a_threshold",
            "maps_become_volumes_as_strong_as_they_are",
            "a_volume_above_the_limit_is_binned_and_the_user_is_told",
            "without_a_map_the_button_says_so",
        )
    ),
    "test_settings.py::test_this_blender_has_vdb_and_its_own_names",
)
ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> int:
    """Run the tests in this process."""
    sys.path.append(words[0])  # last: Blender's own numpy, and its own bpy, come first
    import pytest

    os.chdir(ROOT)
    left_out = [f"--deselect=tests/tomoseg_blender/{name}" for name in NEED_VDB if not _has_vdb()]
    return int(pytest.main(["-p", "no:cacheprovider", "-q", *left_out, *(words[1:] or ["tests/tomoseg_blender"])]))


def _has_vdb() -> bool:
    import bpy

    wheel = Path(bpy.utils.resource_path("LOCAL")) / "python" / "lib" / "python3.11" / "site-packages"
    return any(wheel.glob("openvdb*")) or any(importlib.util.find_spec(name) for name in ("openvdb", "pyopenvdb"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]))
