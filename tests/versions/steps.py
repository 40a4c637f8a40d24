"""Every step of the protocol in one Blender, from the zip; runs in `blender -b --python` or with a bpy wheel.

Usage (after `--` in Blender): ZIP FOLDER. TOMOSEG_PYTHON names the worker's Python. Prints RESULT and JSON.
"""

import importlib
import json
import sys
import time
from pathlib import Path

import bpy

PACKAGE = "bl_ext.user_default.tomoseg"
DONE = {}


def step(name, operator, /, **properties):
    """Run an operator and note how long it took; anything but FINISHED ends the run."""
    began = time.monotonic()
    assert operator(**properties) == {"FINISHED"}, name
    DONE[name] = round(time.monotonic() - began, 2)


def part(name):
    """A module of the installed extension."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def write_inputs(folder):
    """cell.mrc, 9 × 40 × 56 voxels of 10 Å with a bright bar in one corner, and bar.mrc, its label."""
    import numpy as np

    label = np.zeros((9, 40, 56), np.int8)
    label[1:6, 4:12, 6:50] = 1
    volume = (np.random.default_rng(5).normal(0, 1, label.shape) + 4 * label).astype(np.float32)
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    for name, data in (("cell", volume), ("bar", label)):
        part("tomo.mrc").write_mrc(folder / f"{name}.mrc", data, geometry)


def run_steps(folder):
    """The protocol, on the tiny tomogram."""
    tomoseg = bpy.ops.tomoseg
    step("create project", tomoseg.create_project, directory=str(folder / "project"))
    step("import", tomoseg.import_tomogram, filepath=str(folder / "cell.mrc"))
    step("show", tomoseg.show_tomogram)
    step("feature", tomoseg.add_feature, name="bar")
    for x, z in ((14, 2), (26, 3), (40, 4), (30, 5)):
        step("boxes", tomoseg.add_box, location=(x, 10, z), kind="positive", size=16)
        step("boxes", tomoseg.add_box, location=(x, 28, z), kind="negative", size=16)
    step("labels", tomoseg.label_from_mask, filepath=str(folder / "bar.mrc"))
    step("training set", tomoseg.build_trainset, copies=4)
    step("train", tomoseg.train, iterations=2, batch_size=4, seed=1)
    step("apply", tomoseg.apply)
    step("merge", tomoseg.merge, threshold=0.2)
    step("surfaces and volumes", tomoseg.import_mask, smoothing=0)
    step("measure", tomoseg.measure)
    step("figure", tomoseg.figure, width=96, height=64, samples=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "all.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(folder / "all.blend"))
    step("reload", tomoseg.reload_project)


def check(folder):
    """What must be there at the end."""
    made = ("masks/cell__mask.mrc", "surfaces/cell__bar.ply", "masks/cell__mask.csv")
    missing = [name for name in made if not (folder / "project" / name).is_file()]
    assert not missing, missing
    kinds = {one.get("tomoseg_kind") for one in bpy.data.objects}
    volumes = {"volume"} if part("tomoseg_blender.compat").vdb_module() else set()  # the wheel of 4.2 has no openvdb
    assert {"surface", "tomogram"} | volumes <= kinds, kinds
    assert len([one for one in bpy.data.objects if one.type == "EMPTY"]) >= 9  # the tomogram and its boxes


def main(built, folder):
    """Install, run, tell."""
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=built, repo="user_default", enable_on_install=True)
    assert PACKAGE in bpy.context.preferences.addons, "the extension was not enabled"
    write_inputs(folder)
    run_steps(folder)
    check(folder)
    versions = {"blender": bpy.app.version_string, "python": sys.version.split()[0]}
    print("RESULT " + json.dumps({**versions, "seconds": DONE}), flush=True)


if __name__ == "__main__":
    words = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    main(words[0], Path(words[1]))
