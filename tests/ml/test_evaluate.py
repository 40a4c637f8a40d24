"""The verb evaluate: its contract, its fairness, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from ml import eight_bits, evaluate, recipes
from ml.annotator import draw_boxes
from ml.evaluate import Options
from ml.options import UsageError
from ml.report import Silent
from tests.ml.scenes import SHAPE, ring_scene
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import write_mrc

KEYS = [
    "dice",
    "precision",
    "recall",
    "surface_dice_1",
    "surface_dice_2",
    "threshold",
    "train_seconds",
    "apply_seconds",
    "apply_cpu_seconds_per_4096_slice",
    "peak_memory_mb",
    "positives",
    "negatives",
    "network",
]


@pytest.fixture()
def pair(tmp_path, monkeypatch):
    """Two labelled tomograms in files, and a recipe of a few steps."""
    short = replace(recipes.RECIPES["default"], steps=8, iterations=2, batch_size=4)
    monkeypatch.setitem(recipes.RECIPES, "default", short)
    for name, seed in (("train", 0), ("test", 1)):
        tomogram, labels = ring_scene(seed)
        write_mrc(tmp_path / f"{name}.mrc", tomogram, Geometry((10.0, 10.0, 10.0)))
        write_mrc(tmp_path / f"{name}_labels.mrc", 7 * labels, Geometry((10.0, 10.0, 10.0)))
    return tmp_path


def options(folder, **changes):
    values = {"positives": 5, "negatives": 6, "box_size": 24, "threads": 1, "device": "cpu", **changes}
    both = [(folder / f"{name}.mrc", folder / f"{name}_labels.mrc") for name in ("train", "test")]
    return Options(*both, **values)


@pytest.mark.skipif(not eight_bits.supported(), reason="a processor of Intel or AMD with AVX2")
def test_the_network_is_applied_in_the_numbers_asked_for(pair, monkeypatch):
    monkeypatch.setattr(eight_bits, "MOST_LOST", 1.0)  # so short a training need not bear them
    exact = evaluate.run(options(pair, numbers="float32"), Silent())
    found = evaluate.run(options(pair, numbers="int8", flips=1), Silent())
    assert found["threshold"] == exact["threshold"]
    assert 0 < abs(found["dice"] - exact["dice"]) < 0.05
    own = evaluate.run(options(pair), Silent())  # 8-bit numbers, and so several views
    assert own["dice"] == evaluate.run(options(pair, numbers="int8", flips=8), Silent())["dice"]
    assert own["dice"] not in (exact["dice"], found["dice"])


def test_the_result_has_the_keys_of_the_contract(pair):
    result = evaluate.run(options(pair), Silent())
    assert sorted(result) == sorted(KEYS)
    assert (result["positives"], result["negatives"], result["network"]) == (5, 6, "default")
    assert all(0 <= result[name] <= 1 for name in ("dice", "precision", "recall", "surface_dice_1"))
    assert result["surface_dice_1"] <= result["surface_dice_2"]
    assert result["apply_cpu_seconds_per_4096_slice"] > 0
    assert 50 < result["peak_memory_mb"] < 4000
    assert "CPU-seconds per 4096" in evaluate.describe(result)


def test_labels_outside_the_boxes_and_test_labels_change_nothing_that_is_learned(pair, monkeypatch):
    _, labels = ring_scene(0)
    chosen = draw_boxes(labels, 5, 6, 24, 0, "train", "feature")
    monkeypatch.setattr("ml.annotator.draw_boxes", lambda *words: chosen)  # an annotator who places the same boxes
    one = evaluate.run(options(pair), Silent())
    inside = np.zeros(SHAPE, bool)
    for box in chosen:
        x, y = box.corner
        inside[box.centre[2], y : y + box.size, x : x + box.size] = True
    write_mrc(pair / "train_labels.mrc", np.where(inside, labels, 1 - labels).astype(np.int8), Geometry())
    other = evaluate.run(options(pair), Silent())
    assert (other["threshold"], other["dice"]) == (one["threshold"], one["dice"])


def test_the_label_values_do_not_matter(pair):
    one = evaluate.run(options(pair), Silent())
    for name, seed in (("train", 0), ("test", 1)):
        write_mrc(pair / f"{name}_labels.mrc", ring_scene(seed)[1], Geometry())
    assert evaluate.run(options(pair), Silent())["dice"] == one["dice"]


def test_dark_features_are_found_with_invert(pair):
    one = evaluate.run(options(pair), Silent())
    for name, seed in (("train", 0), ("test", 1)):
        write_mrc(pair / f"{name}.mrc", -ring_scene(seed)[0], Geometry((10.0, 10.0, 10.0)))
    assert evaluate.run(options(pair, invert=True), Silent())["dice"] == pytest.approx(one["dice"], abs=0.02)


def test_labels_of_another_shape_are_refused(pair):
    write_mrc(pair / "test_labels.mrc", np.zeros((5, 70, 80), np.int8), Geometry())
    with pytest.raises(TomosegError, match=r"differ in shape \(5 × 70 × 90 and 5 × 70 × 80"):
        evaluate.run(options(pair), Silent())


@pytest.mark.parametrize(
    "changes", [{"positives": 0}, {"negatives": -1}, {"max_train_seconds": float("nan")}, {"flips": 3}, {"flips": -1}]
)
def test_impossible_options_are_wrong_usage(pair, changes):
    with pytest.raises(UsageError):
        evaluate.run(options(pair, **changes), Silent())


def test_an_impossible_seed_is_one_sentence(pair):
    with pytest.raises(TomosegError, match="seed -1 is below 0: choose 0"):
        evaluate.run(options(pair, seed=-1), Silent())


def test_more_boxes_than_memory_holds_are_one_sentence(pair, monkeypatch):
    class Small:
        available = 10_000_000

    monkeypatch.setattr("psutil.virtual_memory", lambda: Small)
    with pytest.raises(TomosegError, match=r"takes .* GB of memory, and 0\.01 GB are free: use at most \d+ boxes"):
        evaluate.run(options(pair, negatives=100_000), Silent())
