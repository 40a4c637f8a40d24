"""The verb train: files, scores, going on from a trained network, cancel, and what is refused."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import eight_bits, train
from ml.cli import run_step
from ml.network_file import load_info, load_network
from ml.options import UsageError
from ml.report import Cancelled, Silent
from ml.trainset_file import save_trainset
from tests.ml.scenes import ring_trainset
from tomo.errors import TomosegError
from tomo.mrc import open_tomogram
from tomo.standing import FolderGone


class Lines(Silent):
    def __init__(self, cancel_at=2.0):
        self.lines, self.cancel_at = [], cancel_at

    def progress(self, fraction, message):
        if fraction >= self.cancel_at:
            raise Cancelled

    def log(self, message):
        self.lines.append(message)


@pytest.fixture(scope="module")
def trainset(tmp_path_factory):
    path = tmp_path_factory.mktemp("sets") / "ring.npz"
    save_trainset(path, ring_trainset())
    return path


@pytest.fixture()
def few_steps(monkeypatch):
    """The default recipe with few and small steps, so that a test takes seconds."""
    from dataclasses import replace

    from ml import recipes

    short = replace(recipes.RECIPES["default"], steps=6, batch_size=4)
    monkeypatch.setitem(recipes.RECIPES, "default", short)


def options(trainset, tmp_path, **changes):
    values = {"iterations": 2, "threads": 1, "device": "cpu", **changes}
    return train.Options(trainset, tmp_path / "ring.safetensors", **values)


def test_training_leaves_a_network_triplets_scores_and_a_curve(trainset, tmp_path, few_steps):
    report = Lines()
    result = train.run(options(trainset, tmp_path), report)
    info = load_info(tmp_path / "ring.safetensors")
    assert (info.feature, info.box_size, len(info.history)) == ("ring", 16, 1)
    assert info.amplitude == result["amplitude"] > 0
    assert json.loads(json.dumps(result))["iterations"] == 2
    stack = open_tomogram(tmp_path / "ring_triplets.mrcs")
    assert stack.shape == (3 * 14, 16, 16)  # 6 positive and 8 negative boxes
    assert np.array_equal(np.unique(stack.data[1::3]), [0, 1])
    assert (stack.data[2::3] >= 0).all()
    scores = json.loads((tmp_path / "ring_triplets.json").read_text())["boxes"]
    assert [box["kind"] for box in scores] == ["positive"] * 6 + ["negative"] * 8
    for name in ("ring_triplets.png", "ring_triplets_losses.png"):
        assert np.asarray(Image.open(tmp_path / name)).std() > 5
    text = "\n".join(report.lines)
    assert "s a step, first costs" in text
    assert "Iteration 2 of 2: learning rate" in text
    assert "Wrote" in train.describe(result)


@pytest.mark.parametrize(
    ("positives", "negatives", "judged", "words"),
    [(6, 8, 4, "on 4 held-out boxes;"), (3, 8, 0, "on the boxes that it has learned from;")],
)
def test_the_dice_tells_which_boxes_it_is_of(tmp_path, few_steps, positives, negatives, judged, words):
    save_trainset(tmp_path / "few.npz", ring_trainset(positives=positives, negatives=negatives))
    result = train.run(options(tmp_path / "few.npz", tmp_path, iterations=1), Silent())
    assert result["held_out"] == load_info(tmp_path / "ring.safetensors").history[-1]["held_out"] == judged
    assert words in train.describe(result)


def test_the_same_seed_gives_the_same_network(trainset, tmp_path, few_steps):
    for name in ("one", "two"):
        train.run(options(trainset, tmp_path / name, iterations=1), Silent())
    one, two = (load_network(tmp_path / name / "ring.safetensors") for name in ("one", "two"))
    assert one.info.amplitude == two.info.amplitude
    pairs = zip(one.module.state_dict().values(), two.module.state_dict().values(), strict=True)
    assert all((a == b).all() for a, b in pairs)


def test_going_on_offers_the_last_learning_rate_and_keeps_the_history(trainset, tmp_path, few_steps):
    train.run(options(trainset, tmp_path), Silent())
    first = load_info(tmp_path / "ring.safetensors")
    report = Lines()
    train.run(options(trainset, tmp_path, from_trained=tmp_path / "ring.safetensors", iterations=1), report)
    second = load_info(tmp_path / "ring.safetensors")
    assert len(second.history) == 2
    if eight_bits.supported():
        assert len(first.eight_bits.largest) == len(second.eight_bits.largest) == 2 * 15
        assert first.eight_bits != second.eight_bits  # measured anew
    assert f"learning rate {first.learning_rate:g}." in report.lines[0]


def test_a_network_of_another_voxel_size_does_not_go_on(tmp_path, few_steps):
    from dataclasses import replace

    one = ring_trainset()
    for name, size in (("a", 10.0), ("b", 12.0)):
        save_trainset(tmp_path / f"{name}.npz", replace(one, info=replace(one.info, voxel_size=(size,) * 3)))
    train.run(options(tmp_path / "a.npz", tmp_path, iterations=1), Silent())
    with pytest.raises(TomosegError, match=r"10 Å.*12 Å"):
        train.run(options(tmp_path / "b.npz", tmp_path, from_trained=tmp_path / "ring.safetensors"), Silent())


def test_cancelling_keeps_the_best_network_so_far(trainset, tmp_path, few_steps):
    with pytest.raises(Cancelled):
        train.run(options(trainset, tmp_path, iterations=4), Lines(cancel_at=0.6))
    info = load_network(tmp_path / "ring.safetensors").info
    assert 1 <= info.history[0]["best_iteration"] <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["ring.safetensors"]


def test_classic_trains_through_the_same_verb(trainset, tmp_path):
    result = train.run(options(trainset, tmp_path, network="classic", iterations=1, batch_size=40), Silent())
    info = load_info(tmp_path / "ring.safetensors")
    assert (info.architecture, info.eight_bits) == ("classic", None)
    assert result["iterations"] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "vgg"}, "no network 'vgg'"),
        ({"recipe": "2017"}, "does not fit"),
        ({"learning_rate": -1.0}, "must be above 0"),
        ({"batch_size": -4}, "must be above 0"),
        ({"threads": -1}, "impossible"),
        ({"device": "abacus"}, "no device"),
    ],
)
def test_impossible_options_are_one_sentence(trainset, tmp_path, changes, words):
    with pytest.raises(TomosegError, match=words):
        train.run(options(trainset, tmp_path, **changes), Silent())
    assert not list(tmp_path.iterdir())


def test_without_a_training_set_it_is_wrong_usage():
    with pytest.raises(UsageError):
        train.run(train.Options(), Silent())


def test_a_folder_that_moves_in_training_is_told_and_the_network_kept_elsewhere(trainset, tmp_path, few_steps):
    home, moved = tmp_path / "home", tmp_path / "moved"
    home.mkdir()

    class Mover(Silent):
        def log(self, message):  # the boxes are read, nothing is learned yet
            if home.exists():
                home.rename(moved)

    with pytest.raises(FolderGone, match=r"^The folder .*home is gone: put it back.*; the network so far was") as told:
        run_step(train, options(trainset, home), Mover())
    kept = Path(re.search(r"saved as (.*)\.$", str(told.value))[1])
    assert load_network(kept).info.feature == "ring"
    assert not home.exists() and list(moved.iterdir()) == []
    shutil.rmtree(kept.parent)
