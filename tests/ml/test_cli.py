"""The command line is a contract: its options, its exit statuses, and what it prints where."""

import json
import re
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml import cli
from ml.cli import STEPS, main, parser_for
from ml.options import UsageError, option
from ml.report import Cancelled
from tomo.errors import TomosegError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
CONTRACT = {
    "import": "FILE --project --shrink --invert --no-filter --voxel-size",
    "apply": "NETWORK TOMOGRAM --output --threads --memory --device --flips --voxel-size",
    "merge": "MAP --output --threshold",
    "measure": "MASK --csv --star --json --voxel-size",
    "surface": "MASK --output",
    "simulate": "--output --seed --size",
    "evaluate": "--train --test --network --positives --negatives --box-size --seed --invert --max-train-seconds",
}


def offered(verb):
    """The names of a verb's arguments, as its --help shows them."""
    parser = parser_for(verb)._subparsers._group_actions[0].choices[verb]
    names = {string for action in parser._actions for string in action.option_strings if string not in ("-h", "--help")}
    return names | {action.metavar or action.dest for action in parser._actions if not action.option_strings}


def documented(verb):
    """The names of a verb's arguments in the first column of its table in docs/cli.md."""
    section = re.search(rf"^## {verb}$(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^\| `(\S+?)[ `]", section[1], re.MULTILINE)) | {"--json"}


@pytest.mark.parametrize("verb", STEPS)
def test_the_page_names_exactly_the_options_of_the_help(verb):
    assert documented(verb) == offered(verb)


@pytest.mark.parametrize(("verb", "names"), CONTRACT.items())
def test_the_contract_of_the_design_is_kept(verb, names):
    assert set(names.split()) <= offered(verb)


def test_the_page_has_every_verb_and_no_other():
    headings = re.findall(r"^## (\S+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [*STEPS, "worker"]


def tomoseg(*words, code=None):
    command = [sys.executable, *(["-c", code] if code else ["-m", "ml"]), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_help_names_every_verb_with_what_it_does():
    told = tomoseg("--help")
    assert told.returncode == 0
    assert told.stderr == ""
    for verb in [*STEPS, "worker"]:
        assert re.search(rf"^    {verb}\s+\w+", told.stdout, re.MULTILINE), verb
    assert "Exit status" in told.stdout


def test_the_help_comes_without_the_heavy_libraries():
    code = "import sys, ml.cli\ntry: ml.cli.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    loaded = tomoseg(code=code).stdout.splitlines()[-1]
    assert "'ml.apply'" in loaded
    for heavy in ("torch", "skimage", "scipy", "h5py"):
        assert f"'{heavy}'" not in loaded


CPU_OF_A_CHILD = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
"""


def cpu_seconds(*words):
    command = [sys.executable, "-c", CPU_OF_A_CHILD, *words]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(2))


def test_the_help_comes_at_once():
    # Against this machine's own pace, in CPU time: neither a slow machine nor a busy one makes it late.
    assert cpu_seconds("-m", "ml", "--help") < 0.5 * cpu_seconds("-c", "import torch")


@pytest.mark.parametrize("words", [[], ["dance"], ["merge"], ["merge", "--dance"], ["apply", "network"], ["--dance"]])
def test_wrong_usage_ends_with_2(words):
    ended = tomoseg(*words)
    assert ended.returncode == 2
    assert "usage: tomoseg" in ended.stderr
    assert ended.stdout == ""


@dataclass(frozen=True)
class Options:
    mode: str = option(help="what to do", positional=True)


def odd_step(options, report):
    report.log("a line for the log")
    errors = {
        "user": TomosegError("cell1.mrc is truncated:\ncopy it again."),
        "usage": UsageError("give one threshold"),
        "cancel": Cancelled(),
        "interrupt": KeyboardInterrupt(),
        "memory": MemoryError(),
        "disk": OSError(5, "Input/output error", "cell1.mrc"),
        "package": ModuleNotFoundError("No module named 'h5py'", name="h5py"),
        "bug": RuntimeError("a mistake of ours"),
    }
    if options.mode in errors:
        raise errors[options.mode]
    problem = {"problem": "1 of 2 tomograms failed."} if options.mode == "partly" else {}
    return {"mode": options.mode, **problem}


@pytest.fixture
def odd(monkeypatch):
    """The verb `odd`, which ends in every way in which a step can."""
    module = types.ModuleType("odd", "Be odd.")
    module.Options, module.run, module.SUMMARY = Options, odd_step, "be odd"
    module.describe = lambda result: f"Was {result['mode']}"
    monkeypatch.setitem(sys.modules, "odd", module)
    monkeypatch.setitem(STEPS, "odd", "odd")


def test_a_step_that_succeeds_prints_text_and_with_json_one_line_more(odd, capsys):
    assert main(["odd", "good"]) == 0
    assert capsys.readouterr().out == "Was good\n"
    assert main(["odd", "good", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1]) == {"mode": "good"}
    assert told.err == "a line for the log\n"


@pytest.mark.parametrize(
    ("mode", "status", "last"),
    [
        ("user", 1, "tomoseg odd: cell1.mrc is truncated: copy it again."),
        ("memory", 1, "tomoseg odd: The computer has not enough memory"),
        ("disk", 1, "tomoseg odd: cell1.mrc: Input/output error"),
        ("package", 1, "lacks the package h5py"),
        ("partly", 1, "tomoseg odd: 1 of 2 tomograms failed."),
        ("cancel", 130, "tomoseg odd: cancelled."),
        ("interrupt", 130, "tomoseg odd: cancelled."),
    ],
)
def test_each_end_has_its_status_and_its_last_line(odd, capsys, mode, status, last):
    assert main(["odd", mode]) == status
    assert last in capsys.readouterr().err.splitlines()[-1]


def test_contradicting_options_are_wrong_usage(odd, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["odd", "usage"])
    assert ended.value.code == 2
    assert "give one threshold" in capsys.readouterr().err.splitlines()[-1]


def test_a_bug_gives_a_sentence_and_a_log_but_no_traceback(odd, capsys):
    with pytest.raises(RuntimeError) as raised:
        main(["odd", "bug"])
    cli._tell_bug(RuntimeError, raised.value, None)
    told = capsys.readouterr().err
    assert "Traceback" not in told
    sentence = told.splitlines()[-1]
    assert "RuntimeError: a mistake of ours" in sentence
    log = Path(sentence.rpartition("The log is ")[2].rstrip("."))
    assert "in odd_step" in log.read_text(encoding="utf-8")
    log.unlink()


NOISY_STEP = """
import logging, sys, types, warnings
from dataclasses import dataclass
from ml import cli
from ml.options import option

@dataclass(frozen=True)
class Options:
    mode: str = option(help="x", positional=True)

def run(options, report):
    warnings.warn("boo")
    logging.getLogger("library").error("boo")
    return {}

sys.modules["noisy"] = types.SimpleNamespace(
    SUMMARY="x", __doc__="x", Options=Options, run=run, describe=lambda _: "done"
)
cli.STEPS["noisy"] = "noisy"
sys.argv = ["tomoseg", "noisy", "x"]
sys.exit(cli.entry_point())
"""


def test_warnings_of_libraries_never_reach_the_user():
    ended = tomoseg(code=NOISY_STEP)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_a_reader_that_goes_away_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "ml", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert "Traceback" not in errors
