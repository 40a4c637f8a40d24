"""Faults of the machine: the advice names options that the step has."""

import re
from dataclasses import fields

import pytest

from ml import apply, batch, train
from ml.batch_tasks import BATCH_OPTIONS
from ml.cli import STEPS, parser_for, step_module
from ml.faults import sentence_for
from ml.worker import options_of, worker_step

FULL = MemoryError()
CARD_FULL = type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")


def names(step):
    return [entry.name for entry in fields(step.Options)]


@pytest.mark.parametrize(
    ("step", "advice", "on_card"),
    [
        (apply, "close other programs, set memory lower, or work on", "that use it, or choose the CPU as device."),
        (train, "close other programs, set batch size lower, or work on", "that use it, or choose the CPU as device."),
        (batch, "programs, set memory or workers lower, or work on", "that use it, or choose the CPU as device."),
    ],
)
def test_the_advice_is_what_the_step_can_do(step, advice, on_card):
    assert advice in sentence_for(FULL, names(step))
    assert sentence_for(CARD_FULL, names(step)).endswith(on_card)


@pytest.mark.parametrize("verb", STEPS)
def test_no_step_is_told_of_an_option_that_it_lacks(verb):
    known = names(step_module(verb))
    advised = re.findall(r"set ([a-z ]+) lower", sentence_for(FULL, known))
    assert bool(advised) == bool({"memory", "batch_size", "workers"} & set(known))
    for option in (name for words in advised for name in words.split(" or ")):
        assert option.replace(" ", "_") in known
    assert ("device" in sentence_for(CARD_FULL, known)) == ("device" in known)


def test_without_options_there_is_advice_all_the_same():
    assert sentence_for(FULL) == (
        "The computer has not enough memory for this step: close other programs, "
        "or work on a tomogram that is shrunk more."
    )
    assert sentence_for(CARD_FULL).endswith("for this step: close other programs that use it.")


def test_command_line_worker_and_batch_know_the_options_of_a_step():
    given = vars(parser_for("apply").parse_args(["apply", "a.safetensors", "b.mrc", "--output", "maps"]))
    assert sentence_for(FULL, given) == sentence_for(FULL, names(apply))
    assert worker_step("apply") is apply
    assert options_of("apply") == names(apply)
    assert options_of("nothing") == []
    assert set(BATCH_OPTIONS) <= set(names(batch))
    assert sentence_for(FULL, BATCH_OPTIONS) == sentence_for(FULL, names(batch))
