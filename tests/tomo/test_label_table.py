"""The table beside a mask that names its integers."""

import json
from pathlib import Path

import pytest

from tomo.errors import TomosegError
from tomo.features import PALETTE
from tomo.label_table import LabelEntry, entries_for, label_table_path, load_label_table, save_label_table

TABLE = [LabelEntry(1, "membrane", "#e69f00"), LabelEntry(300, "whole name of a map", "#56b4e9")]


def test_the_table_is_read_back_in_order_of_the_integers(tmp_path):
    path = label_table_path(tmp_path / "cell__mask.mrc.gz")
    assert path == tmp_path / "cell__mask.json"
    save_label_table(path, TABLE[::-1])
    assert load_label_table(path) == TABLE
    assert load_label_table(Path(tmp_path, "other.json")) == []


def test_integers_that_the_table_does_not_know_get_a_name():
    entries = entries_for([9, 300, 9], TABLE)
    assert entries == [LabelEntry(9, "label 9", PALETTE[1]), TABLE[1]]


GOOD = {"value": 1, "name": "membrane", "colour": "#e69f00"}


@pytest.mark.parametrize(
    "change", [{"value": 0}, {"value": 40000}, {"value": 1.5}, {"value": "1"}, {"name": ""}, {"colour": "red"}]
)
def test_a_damaged_label_is_one_sentence(tmp_path, change):
    path = tmp_path / "mask.json"
    path.write_text(json.dumps({"schema": 1, "labels": [GOOD | change]}))
    with pytest.raises(TomosegError, match=r"mask\.json holds a damaged label"):
        load_label_table(path)


def test_an_integer_named_twice_is_refused(tmp_path):
    path = tmp_path / "mask.json"
    path.write_text(json.dumps({"schema": 1, "labels": [GOOD, GOOD]}))
    with pytest.raises(TomosegError, match="names one label twice"):
        load_label_table(path)
