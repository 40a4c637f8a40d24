"""What a user may ask of a training: numbers that none can use are refused before anything is built or read."""

import math

import pytest

from ml import live, train
from ml.cli import MENDABLE, main
from ml.learning import Request, learn, request_of
from ml.options import HIGHEST_SEED
from ml.report import Silent
from ml.trainset_file import save_trainset
from tests.ml.scenes import ring_trainset
from tomo.errors import TomosegError


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "The seed -1 is below 0: choose 0 or a number above."),
        ({"seed": 2**63}, f"too large: choose a number from 0 to {HIGHEST_SEED}."),
        ({"seed": 10**30}, "too large"),
        ({"max_seconds": math.nan}, "Training cannot end after nan seconds"),
        ({"max_seconds": math.inf}, "Training cannot end after inf seconds"),
        ({"max_seconds": -1.0}, "must be above 0"),
        ({"max_seconds": -math.inf}, "must be above 0"),
        ({"learning_rate": math.nan}, "learning rate of nan is impossible"),
        ({"batch_size": -1}, "must be above 0"),
        ({"iterations": -1}, "must be above 0"),
    ],
)
def test_numbers_that_no_training_can_use_are_one_sentence(changes, words, tmp_path):
    for options in (train.Options(tmp_path, tmp_path, **changes), live.Options(tmp_path, "ring", **changes)):
        with pytest.raises(TomosegError, match=words):
            request_of(options)


def test_the_highest_seed_trains():
    request = Request("fast", iterations=1, seed=HIGHEST_SEED, device="cpu", max_seconds=0.1)
    assert learn(ring_trainset(), request, Silent(), lambda *best: None).outcome.steps


@pytest.mark.parametrize(("seed", "words"), [("-1", "below 0"), (str(2**64), "too large")])
def test_the_command_line_tells_an_impossible_seed(tmp_path, capsys, seed, words):
    save_trainset(tmp_path / "ring.npz", ring_trainset())
    output = tmp_path / "ring.safetensors"
    assert main(["train", str(tmp_path / "ring.npz"), "--output", str(output), "--seed", seed]) == MENDABLE
    assert words in capsys.readouterr().err
    assert not output.exists()
