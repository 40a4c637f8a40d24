"""Two Blenders on one project: the second may look, says who has it, and may change it once the first has gone."""

import os
import subprocess
from pathlib import Path

import bpy
import pytest

ROOT = Path(__file__).resolve().parents[2]
FIRST = """
import sys
from pathlib import Path
from tomo.holding import Holding
from tomo.project import Project
holding = Holding(Path(sys.argv[1]))
assert holding.refusal() is None
print("taken", flush=True)
sys.stdin.readline()
Project.open(Path(sys.argv[1])).add_feature("added by the first")
holding.close()
"""


@pytest.fixture
def first(project, part):
    """Another process that has the project; ours has given it back to it."""
    part("tomoseg_blender.keeping").KEEPER.keep_only([])
    process = subprocess.Popen(
        [os.environ["TOMOSEG_PYTHON"], "-c", FIRST, str(project)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout.readline().strip() == "taken"
    part("tomoseg_blender.state").refresh(bpy.context.scene)
    yield process
    process.kill()
    process.communicate()


def content(folder):
    """All files that matter of a project, as bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_each_operator_is_either_known_to_look_only_or_refused(project, first, part):
    keeping = part("tomoseg_blender.keeping")
    names = {name for name in dir(bpy.ops.tomoseg) if not name.startswith("_")}
    assert names >= keeping.LOOKS_ONLY, "the list names operators that are none"
    for name in sorted(names - keeping.LOOKS_ONLY):
        assert not getattr(bpy.ops.tomoseg, name).poll(), f"{name} can write while another Blender has the project"


def test_the_second_refuses_with_the_holder_and_changes_nothing(project, first):
    before = content(project)
    who = f"is open in another Blender .*process {first.pid}"
    for call in (
        lambda: bpy.ops.tomoseg.add_feature(name="other"),
        lambda: bpy.ops.tomoseg.add_box(location=(20, 20, 4), kind="positive", size=16),
        bpy.ops.tomoseg.build_trainset,
        bpy.ops.tomoseg.measure,
    ):
        with pytest.raises(RuntimeError, match=who):
            call()
    bpy.ops.tomoseg.show_tomogram()
    bpy.context.scene.tomoseg.features[0].colour = (1, 0, 0)
    assert content(project) == before


def test_what_cannot_be_saved_stays_in_the_blend(project, first, part, tmp_path):
    before = content(project)
    image = part("tomoseg_blender.scene.labels").ensure_label_image("cell", "bar", 4, (40, 56), "#ff0000", "label")
    image.use_fake_user = True  # as the material of a shown slice would keep it
    image.pixels[3] = 1.0
    image.update()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "second.blend"))
    assert content(project) == before
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "second.blend"))
    assert "another Blender" in bpy.context.scene.tomoseg.reasons.read_only
    first.communicate("\n")
    part("tomoseg_blender.handlers")._claim()
    assert bpy.context.scene.tomoseg.reasons.read_only == ""
    assert (project / "labels" / "cell__bar" / "z00004.mrc").is_file()  # saved at last


def test_the_second_takes_over_and_sees_what_the_first_did(project, first, part):
    claim = part("tomoseg_blender.handlers")._claim
    claim()
    assert "another Blender" in bpy.context.scene.tomoseg.reasons.read_only
    first.communicate("\n")
    claim()
    group = bpy.context.scene.tomoseg
    assert group.reasons.read_only == "" and "added by the first" in group.features
    bpy.ops.tomoseg.add_feature(name="third")
    assert [feature.name for feature in group.features] == ["bar", "added by the first", "third"]


def test_another_file_gives_the_project_back(project, part, tmp_path):
    from tomo.holding import Holding

    outside = Holding(project)
    assert "another Blender" in outside.refusal()
    bpy.ops.wm.read_homefile(use_empty=True)
    assert outside.refusal() is None
    outside.close()
