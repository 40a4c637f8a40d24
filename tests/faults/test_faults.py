"""The quick part of the faults: a few trials of each; many by hand, see docs/faults.md."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import disks, kills, material

SEED = 11
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", material.STEPS)
def test_a_killed_step_leaves_nothing_damaged_and_its_next_run_makes_the_same(nursery, original, tmp_path, name):
    project = Path(shutil.copytree(original, tmp_path / "project"))
    step = material.steps_of(project, original.parent / "cell.mrc")[name]
    tally = kills.kill_step(nursery, project, name, step, 1 if name == "train" else 2, SEED)
    assert not tally.losses
    assert tally.trials >= 1


def test_boxes_and_labels_survive_a_kill_of_the_process_that_saves_them(nursery, original, tmp_path):
    project = Path(shutil.copytree(original, tmp_path / "project"))
    boxes, labels = kills.kill_saving(nursery, project, 8, SEED)
    assert boxes.trials == labels.trials == 8
    assert not boxes.losses + labels.losses


@pytest.mark.parametrize("name", ["import", "train", "merge"])
def test_a_full_and_a_read_only_disk_get_one_sentence(original, tmp_path, name):
    if (reason := disks.reason_against_mounts()) is not None:
        pytest.skip(f"No small disk: {reason}.")
    script = Path(__file__).with_name("full_and_read_only.py")
    words = ["unshare", "-m", sys.executable, str(script), str(original), str(tmp_path / "disk"), name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "disk full" in done.stdout and "read-only" in done.stdout


@pytest.mark.parametrize("delete", [False, True])
@pytest.mark.parametrize("name", ["import", "merge"])
def test_a_folder_that_goes_away_loses_nothing(nursery, original, tmp_path, name, delete):
    tally = disks.vanishing_folder(nursery, original, tmp_path / "place", name, 1, SEED, delete=delete)
    assert tally.trials == 1 and not tally.losses


@pytest.mark.parametrize("name", ["import", "surface"])
def test_no_step_trusts_the_clock(nursery, original, tmp_path, name):
    tally = disks.jumping_clock(nursery, original, tmp_path / "place", name, 1)
    assert tally.trials == 1 and not tally.losses


def test_long_and_strange_names_go_through_all_steps(nursery, tmp_path):
    deep = "/".join(f"Ordner mit Ümläuten und Leerzeichen, 細胞 {number}" for number in range(10))
    (tally,) = disks.strange_names(nursery, tmp_path / "place", [(deep, "Größe 1, " + "細" * 29, "胞" * 21)])
    assert tally.trials == 1 and not tally.losses


def test_a_damaged_result_would_be_noticed(nursery, original, tmp_path):
    project = Path(shutil.copytree(original, tmp_path / "project"))
    step = material.steps_of(project, original.parent / "cell.mrc")["merge"]
    killing = kills.Killing(nursery, project, "merge", step, SEED)
    with step.made[0].open("rb+") as file:
        file.seek(5000)
        file.write(b"\7")
    killing._compare("now")
    killing._look(0)
    killing.worker.close()
    said = [loss.split(": ")[1] for loss in killing.tally.losses]
    assert said == ["cell__mask.mrc differs now", "left a damaged cell__mask.mrc"]
