"""A step's options are written once and read from the command line and from the worker's requests alike."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml.options import add_options, from_arguments, from_json, option
from tomo.errors import TomosegError


@dataclass(frozen=True)
class Options:
    maps: tuple[Path, ...] = option(help="maps", positional=True, metavar="MAP", at_least=2)
    output: Path = option(help="the mask")
    voxel_size: float | None = option(None, help="Å")
    size: tuple[int, int, int] = option((5, 7, 11), help="z y x")
    device: str = option("auto", help="where", choices=("auto", "cpu"))
    smooth: bool = option(True, help="do not smooth, 50 % faster")
    invert: bool = option(False, help="features are dark")


def parse(*words):
    parser = argparse.ArgumentParser(prog="step")
    add_options(parser, Options)
    return from_arguments(Options, parser.parse_args(words), parser)


def test_words_and_json_give_the_same_options():
    words = [
        "a.mrc",
        "b.mrc",
        "--output",
        "m.mrc",
        "--voxel-size",
        "13.6",
        "--size",
        "1",
        "2",
        "3",
        "--device",
        "cpu",
        "--no-smooth",
        "--invert",
    ]
    request = {
        "maps": ["a.mrc", "b.mrc"],
        "output": "m.mrc",
        "voxel_size": 13.6,
        "size": [1, 2, 3],
        "device": "cpu",
        "smooth": False,
        "invert": True,
    }
    expected = Options((Path("a.mrc"), Path("b.mrc")), Path("m.mrc"), 13.6, (1, 2, 3), "cpu", False, True)
    assert parse(*words) == expected
    assert from_json(Options, request) == expected


def test_what_is_not_named_has_its_default():
    request = {"maps": ["a.mrc", "b.mrc"], "output": "m.mrc"}
    assert parse("a.mrc", "b.mrc", "--output", "m.mrc") == from_json(Options, request)
    assert from_json(Options, request).size == (5, 7, 11)
    assert from_json(Options, {**request, "voxel_size": None}).voxel_size is None


@pytest.mark.parametrize(
    "words",
    [
        ["a.mrc", "--output", "m.mrc"],  # one map only
        ["a.mrc", "b.mrc"],  # no output
        ["a.mrc", "b.mrc", "--output", "m.mrc", "--size", "1", "2"],
        ["a.mrc", "b.mrc", "--output", "m.mrc", "--voxel-size", "large"],
        ["a.mrc", "b.mrc", "--output", "m.mrc", "--device", "abacus"],
    ],
)
def test_wrong_words_end_with_exit_status_2(words, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(*words)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"maps": ["a.mrc"]}, "'maps' takes a list of 2 or more values"),
        ({"maps": "a.mrc"}, "'maps' takes a list of 2 or more values"),
        ({"size": [1, 2]}, "'size' takes a list of 3 values"),
        ({"size": [1, 2, 3, 4]}, "'size' takes a list of 3 values"),
        ({"size": [1, 2, 3.5]}, "'size' takes a int"),
        ({"voxel_size": True}, "'voxel_size' takes a float"),
        ({"invert": 1}, "'invert' takes a bool"),
        ({"device": "abacus"}, "'device' is one of auto, cpu"),
        ({"output": None}, "'output' takes a Path"),
        ({"colour": "red"}, "Unknown option 'colour'"),
    ],
)
def test_a_wrong_request_is_refused_with_a_sentence(change, sentence):
    request = {"maps": ["a.mrc", "b.mrc"], "output": "m.mrc", **change}
    with pytest.raises(TomosegError, match=r"[Oo]ption") as refused:
        from_json(Options, request)
    assert sentence in str(refused.value)


def test_a_request_without_a_required_option_is_refused():
    with pytest.raises(TomosegError, match="'output' is missing"):
        from_json(Options, {"maps": ["a.mrc", "b.mrc"]})


def test_the_help_tells_defaults_and_keeps_percent_signs():
    parser = argparse.ArgumentParser(prog="step")
    add_options(parser, Options)
    text = " ".join(parser.format_help().split())
    assert "z y x (default: 5 7 11)" in text
    assert "where (default: auto)" in text
    assert "50 % faster" in text
