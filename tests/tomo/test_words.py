"""Counted things: one of them, none, and several."""

import pytest

from tomo.words import both_kinds, counted, judged_on


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


def test_boxes_of_both_kinds_and_those_that_a_dice_is_of():
    assert both_kinds(1, 2) == "1 positive and 2 negative boxes"
    assert both_kinds(10, 1) == "10 positive and 1 negative box"
    assert (judged_on(1), judged_on(0)) == ("1 held-out box", "the boxes that it has learned from")
