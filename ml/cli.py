"""The command line: `tomoseg VERB …`. Each verb is a module of `ml` with SUMMARY, Options, run and describe."""

import argparse
import importlib
import json
import signal
import sys
import warnings
from types import ModuleType
from typing import Any

from ml.options import add_options, from_arguments
from ml.report import Cancelled, LogLines, TerminalBar
from tomo.errors import TomosegError

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
    "spectrum": "ml.spectrum",
    "evaluate": "ml.evaluate",
    "simulate": "ml.simulate",
    "batch": "ml.batch",
}
WORKER = "worker"


def step_module(verb: str) -> ModuleType:
    """The module behind a verb, imported only now: torch and its like take seconds."""
    return importlib.import_module(STEPS[verb])


def main(words: list[str]) -> int:
    """Run one command line; returns its exit status (see docs/cli.md)."""
    warnings.filterwarnings("ignore")
    if words[:1] == [WORKER]:
        return int(importlib.import_module("ml.worker").main(words[1:]))
    parser = _parser(words[0] if words else "")
    arguments = parser.parse_args(words)
    return _run(arguments.verb, arguments, parser)


def _parser(asked: str) -> argparse.ArgumentParser:
    """Parsers for all verbs; the options of the verb asked for only, so that `--help` comes at once."""
    parser = argparse.ArgumentParser(prog="tomoseg", description="Annotate cryo-electron tomograms.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in STEPS:
        module = step_module(verb)
        sub = verbs.add_parser(verb, help=module.SUMMARY, description=module.__doc__)
        if verb == asked:
            add_options(sub, module.Options)
            sub.add_argument("--json", action="store_true", help="end stdout with one line of JSON: the result")
            sub.set_defaults(parser=sub)
    verbs.add_parser(WORKER, help="serve Blender over stdin and stdout (JSON-RPC)")
    return parser


def _run(verb: str, arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    module = step_module(verb)
    options = from_arguments(module.Options, arguments, arguments.parser)
    report = TerminalBar() if sys.stderr.isatty() else LogLines()
    try:
        result: dict[str, Any] = module.run(options, report)
    except TomosegError as error:
        report.close()
        print(f"tomoseg {verb}: {error}", file=sys.stderr)
        return MENDABLE
    except (Cancelled, KeyboardInterrupt):
        report.close()
        print(f"tomoseg {verb}: cancelled.", file=sys.stderr)
        return CANCELLED
    report.close()
    print(json.dumps(result) if arguments.json else module.describe(result))
    return DONE


def entry_point() -> int:
    """What the `tomoseg` script calls. SIGTERM ends a step as cleanly as Ctrl+C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return main(sys.argv[1:])
