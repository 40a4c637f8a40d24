"""The command line: `tomoseg VERB …`. Each verb is a module of `ml` with SUMMARY, Options, run and describe."""

import argparse
import importlib
import json
import logging
import os
import signal
import sys
import warnings
from types import ModuleType, TracebackType
from typing import Any

from ml.allocator import keep_freed_memory
from ml.faults import bug_sentence, keep_traceback, sentence_for
from ml.options import UsageError, add_options, from_arguments, paths_in
from ml.report import Cancelled, LogLines, TerminalBar
from tomo.errors import TomosegError
from tomo.standing import standing

DONE, MENDABLE, CANCELLED = 0, 1, 130
STEPS = {
    "import": "ml.import_tomogram",
    "trainset": "ml.build_trainset",
    "train": "ml.train",
    "apply": "ml.apply",
    "merge": "ml.merge",
    "resample": "ml.resample",
    "surface": "ml.surface",
    "measure": "ml.measure",
    "correct": "ml.correct",
    "spectrum": "ml.spectrum",
    "evaluate": "ml.evaluate",
    "simulate": "ml.simulate",
    "batch": "ml.batch",
    "convert": "ml.convert",
    "import-scnt": "ml.import_scnt",
}
WORKER = "worker"
_DESCRIPTION = "Annotate cryo-electron tomograms: train a network on a few boxes, find the feature everywhere."
_EPILOG = """\
The protocol, from a raw tomogram to numbers and surfaces:
  tomoseg import cell1.rec --project cell --shrink 2       a project with the preprocessed tomogram
  (place boxes and paint them in Blender, or bring EMAN2's)
  tomoseg trainset --project cell --feature microtubule    boxes and labels become a training set
  tomoseg train --project cell --feature microtubule       a network, its triplets and its losses
  tomoseg apply microtubule.safetensors cell1.mrc --output maps
  tomoseg merge maps/cell1__microtubule.mrc maps/cell1__vesicle.mrc --output cell1__mask.mrc
  tomoseg measure cell1__mask.mrc --csv cell1.csv
  tomoseg surface cell1__mask.mrc --output surfaces

`tomoseg VERB --help` explains a verb. Exit status: 0 done, 1 something that you can mend (said in the last line
on stderr), 2 wrong usage, 130 cancelled. With --json the last line of stdout is the result as JSON.
"""


def step_module(verb: str) -> ModuleType:
    """The module behind a verb, imported only now: torch and its like take seconds."""
    return importlib.import_module(STEPS[verb])


def run_step(module: ModuleType, options: Any, report: Any) -> dict[str, Any]:
    """Do a step; a folder of its files that goes away meanwhile is the step's error, and is not made anew."""
    with standing(paths_in(options)):
        result: dict[str, Any] = module.run(options, report)
    return result


def main(words: list[str]) -> int:
    """Run one command line; returns its exit status (see docs/cli.md)."""
    if words[:1] == [WORKER]:
        return int(importlib.import_module("ml.worker").main(words[1:]))
    arguments = parser_for(words[0] if words else "").parse_args(words)
    return _run(arguments.verb, arguments)


def parser_for(asked: str) -> argparse.ArgumentParser:
    """Parsers for all verbs; where one verb is asked for, its module alone is imported, so that it starts at once."""
    parser = argparse.ArgumentParser(
        prog="tomoseg",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
    for verb in [asked] if asked in STEPS else STEPS:
        module = step_module(verb)
        sub = verbs.add_parser(
            verb,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if verb == asked:
            add_options(sub, module.Options)
            sub.add_argument("--json", action="store_true", help="end stdout with one line of JSON: the result")
        sub.set_defaults(parser=sub)
    verbs.add_parser(WORKER, help="serve Blender over stdin and stdout (JSON-RPC)")
    return parser


def _run(verb: str, arguments: argparse.Namespace) -> int:
    report = TerminalBar() if sys.stderr.isatty() else LogLines()
    try:
        module = step_module(verb)
        options = from_arguments(module.Options, arguments, arguments.parser)
        result = run_step(module, options, report)
    except UsageError as error:
        report.close()
        arguments.parser.error(str(error))
    except TomosegError as error:
        return _refuse(verb, report, str(error))
    except (MemoryError, OSError, RuntimeError, ModuleNotFoundError) as error:
        sentence = sentence_for(error, vars(arguments))
        if sentence is None:
            raise
        return _refuse(verb, report, sentence)
    except (Cancelled, KeyboardInterrupt):
        report.close()
        print(f"tomoseg {verb}: cancelled.", file=sys.stderr)
        return CANCELLED
    report.close()
    if text := module.describe(result):
        print(text)
    if arguments.json:
        print(json.dumps(result))
    if "problem" in result:  # a batch whose other parts are done
        sys.stdout.flush()
        return _refuse(verb, report, result["problem"])
    return DONE


def _refuse(verb: str, report: TerminalBar | LogLines, sentence: str) -> int:
    report.close()
    print(f"tomoseg {verb}: {' '.join(sentence.split())}", file=sys.stderr)
    return MENDABLE


def prepare_process() -> None:
    """Set up a process that runs steps, before it imports torch.

    Warnings and log lines of libraries never reach the user, nor those of processes that they start. Threads that
    wait for each other sleep: on a busy machine, spinning doubles both the CPU time and the time of a step. What
    Apple's graphics processor cannot compute, the CPU does, and the step goes on.
    """
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")


def _tell_bug(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    print(f"tomoseg: {bug_sentence(error)} The log is {keep_traceback(error)}.", file=sys.stderr)


def entry_point() -> int:
    """What the `tomoseg` script calls. SIGTERM ends a step as cleanly as Ctrl+C does."""
    sys.excepthook = _tell_bug
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        prepare_process()
        keep_freed_memory()  # not in a cluster's processes, of which there may be many on a machine
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("tomoseg: cancelled.", file=sys.stderr)
        return CANCELLED
    except BrokenPipeError:
        # The reader of our output (head, less) went away: nothing more to say, and Python must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return MENDABLE
    return status
