"""Counted things: one of them, none, and several."""

import pytest

from tomo.words import counted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (1, "positive box", "1 positive box"),
        (0, "positive box", "0 positive boxes"),
        (12, "box", "12 boxes"),
        (2, "process", "2 processes"),
        (2, "axis", "2 axes"),
        (1, "iteration", "1 iteration"),
        (3, "slice", "3 slices"),
    ],
)
def test_one_is_single_and_none_is_not(number, noun, words):
    assert counted(number, noun) == words
