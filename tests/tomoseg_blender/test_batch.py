"""The button for many tomograms: what it asks of the worker, what comes of it, and networks from EMAN2."""

import json

import bpy
import numpy as np
import pytest

from tests.tomoseg_blender.worker_python import worker_python

MAKE_NETWORK = """
import sys, torch
from pathlib import Path
from ml.network_file import NetworkInfo, save_network
from ml.networks import build_network
torch.manual_seed(7)
settings = {"kernels": [3, 3, 1], "sizes": [5, 5, 5]}
made = build_network("classic", **settings).eval()
torch.nn.init.constant_(made.convolutions[-1].bias, 0.03)
save_network(Path(sys.argv[1]), made, NetworkInfo("bar", "classic", settings, (10.0,) * 3, amplitude=0.25))
"""
WHOSE_NETWORK = """
import sys
from pathlib import Path
from ml.network_file import load_info
print("EMAN2" if load_info(Path(sys.argv[1])).by_eman2 else "Tomoseg")
"""


@pytest.fixture
def network(project):
    """A small classic network for the feature `bar`, as training would leave it."""
    path = project / "networks" / "bar.safetensors"
    worker_python("-c", MAKE_NETWORK, str(path))
    bpy.ops.tomoseg.reload_project()
    return path


def test_ticked_tomograms_are_segmented_into_the_project(network, project, part):
    group = bpy.context.scene.tomoseg
    group.tomograms["cell"].chosen = True
    group.features["bar"].level = 0.05
    assert bpy.ops.tomoseg.batch(workers=1) == {"FINISHED"}
    assert (project / "segmentations" / "cell__bar.mrc").is_file()
    mask = part("tomo.mrc").open_tomogram(project / "masks" / "cell__mask.mrc").data
    assert set(np.unique(mask)) <= {0, 1}
    assert mask.any()
    table = json.loads((project / "masks" / "cell__mask.json").read_text())["labels"]
    assert table[0]["colour"] == part("tomoseg_blender.state").hex_colour(group.features["bar"])
    assert (project / "surfaces" / "cell__bar.ply").is_file()
    assert (project / "tables" / "cell.csv").is_file()
    assert "cell.mrc,done" in (project / "batch.csv").read_text()
    last = part("tomoseg_blender.jobs").outcome("batch")
    assert last.sentence.startswith("1 tomogram segmented (0 done before)")


def test_one_failed_tomogram_is_told_with_the_table(network, project):
    (project / "tomograms" / "cell.mrc").write_bytes(b"no tomogram")
    with pytest.raises(RuntimeError, match=r"1 of 1 tomograms failed \(cell\.mrc first\): see .*batch\.csv"):
        bpy.ops.tomoseg.batch(tomograms="cell", workers=1)


def test_what_is_missing_is_said(project, network):
    with pytest.raises(RuntimeError, match="No tomogram is ticked"):
        bpy.ops.tomoseg.batch()
    for place, words in (("scheduler", "No scheduler is named"), ("cluster", "No file describes the cluster")):
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.tomoseg.batch(tomograms="cell", place=place)


def test_numbers_reach_the_worker_which_says_who_must_not_compute_with_them(network, project):
    with pytest.raises(
        RuntimeError, match="8-bit numbers are for the networks default and fast, not for EMAN2's, as that of bar"
    ):
        bpy.ops.tomoseg.apply(numbers="int8")
    assert not (project / "segmentations").exists() or not list((project / "segmentations").iterdir())


def test_the_panels_settings_reach_the_worker(part, network, project, monkeypatch):
    group, batch = bpy.context.scene.tomoseg, part("tomoseg_blender.operators.batch")
    group.apply.flips, group.apply.threads, group.merge.trained_thresholds = "8", 3, True
    group.features["bar"].threshold = 0.25
    group.apply.numbers = "int8"
    options = {"place": "scheduler", "scheduler": "tcp://node:8786", "tables": False, "surfaces": True}
    options |= {"workers": 4, "figures": True}
    monkeypatch.setattr(batch, "_this_blender", lambda: "/opt/blender")
    request = batch.batch_request(bpy.context.scene, ["cell"], options)
    assert (request["flips"], request["threads"], request["threshold"]) == (8, 3, [0.25])
    assert request["numbers"] == "int8"
    assert (request["measure"], request["surfaces"], request["scheduler"]) == (False, True, "tcp://node:8786")
    assert "workers" not in request
    assert request["blender"] == "/opt/blender"
    assert request["networks"] == [str(network)]


def test_a_network_goes_to_eman2_and_comes_back_as_the_features_own(network, tmp_path):
    bpy.ops.tomoseg.export_network(filepath=str(tmp_path / "bar.hdf"))
    assert (tmp_path / "bar.hdf").is_file()
    with pytest.raises(RuntimeError, match="bar has a network already"):
        bpy.ops.tomoseg.import_network(filepath=str(tmp_path / "bar.hdf"))
    network.unlink()
    bpy.ops.tomoseg.import_network(filepath=str(tmp_path / "bar.hdf"))
    assert worker_python("-c", WHOSE_NETWORK, str(network)).strip() == "EMAN2"
    assert bpy.context.scene.tomoseg.features["bar"].trained
    with pytest.raises(RuntimeError, match="no network of Tomoseg"):
        network.unlink()
        (tmp_path / "odd.hdf").write_bytes(b"hello")
        bpy.ops.tomoseg.import_network(filepath=str(tmp_path / "odd.hdf"))
