"""Masks in the project's own folder that cannot be shown: one sentence from each step, nothing half-built."""

import shutil

import bpy
import numpy as np
import pytest

SHAPE = (9, 40, 56)
STEPS = {
    "import_mask": bpy.ops.tomoseg.import_mask,
    "import_surfaces": bpy.ops.tomoseg.import_surfaces,
    "import_volumes": bpy.ops.tomoseg.import_volumes,
    "measure": bpy.ops.tomoseg.measure,
    "export_star": bpy.ops.tomoseg.export_star,
    "figure": bpy.ops.tomoseg.figure,
}


def blocks(dtype=np.int8):
    made = np.zeros(SHAPE, dtype)
    made[1:6, 4:16, 6:50] = 1
    made[3:7, 20:24, 4:30] = 2
    return made


def _fractions():
    return blocks(np.float32) * np.float32(0.4)


def _many():
    return (np.arange(np.prod(SHAPE)) % 60_000).reshape(SHAPE).astype(np.uint16)


@pytest.mark.parametrize("step", [name for name in STEPS if name != "figure"])
@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (lambda: blocks()[:, :, 1:], "55 × 40 × 9 voxels and cell has 56 × 40 × 9"),
        (lambda: np.zeros(SHAPE, np.int8), "holds no label"),
        (lambda: -blocks(), "holds negative values"),
        (_fractions, "holds fractions"),
        (_many, "more than 1000 different labels"),
    ],
    ids=["other shape", "all zero", "negative", "fractions", "60,000 labels"],
)
def test_a_mask_that_is_none_gets_one_sentence_from_each_step(project, part, step, volume, words):
    path = project / "masks" / "cell__mask.mrc"
    part("tomo.mrc").write_mrc(path, volume(), part("tomo.geometry").Geometry((10.0,) * 3, (120.0, -30.0, 50.0)))
    bpy.ops.tomoseg.reload_project()
    before = set(bpy.data.objects.keys()), set(bpy.data.meshes.keys()), set(bpy.data.volumes.keys())
    with pytest.raises(RuntimeError, match=words) as caught:
        STEPS[step]()
    assert str(caught.value).strip().count("\n") == 0
    assert before == (set(bpy.data.objects.keys()), set(bpy.data.meshes.keys()), set(bpy.data.volumes.keys()))
    assert sorted(one.suffix for one in path.parent.iterdir()) == [".mrc"]
    assert not [*project.glob("surfaces/*"), *project.glob("volumes/*")]


@pytest.mark.parametrize("step", STEPS)
def test_a_project_folder_that_vanished_is_one_sentence(project, part, step):
    path = project / "masks" / "cell__mask.mrc"
    part("tomo.mrc").write_mrc(path, blocks(), part("tomo.geometry").Geometry((10.0,) * 3, (120.0, -30.0, 50.0)))
    bpy.ops.tomoseg.reload_project()
    before = set(bpy.data.objects.keys()), len(bpy.data.scenes)
    shutil.rmtree(project)
    with pytest.raises(RuntimeError) as caught:
        STEPS[step]()
    assert str(project) in str(caught.value) or "project" in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert before == (set(bpy.data.objects.keys()), len(bpy.data.scenes))
    assert not project.exists(), "nothing is written where the folder was"
