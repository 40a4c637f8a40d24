"""Options of a step, written once as a dataclass: the command line and the worker's requests read them here."""

import argparse
import dataclasses
import types
import typing
from pathlib import Path
from typing import Any

from tomo.errors import TomosegError

HIGHEST_SEED = 2**63 - 1  # what 64 bits with a sign hold


class UsageError(TomosegError):
    """Options that contradict each other, found by a step: wrong usage (exit status 2) on the command line."""


def option(
    default: Any = dataclasses.MISSING,
    *,
    help: str,  # argparse's own word
    positional: bool = False,
    choices: tuple[str, ...] | None = None,
    metavar: str | tuple[str, ...] | None = None,
    at_least: int = 1,
) -> Any:
    """One field of a step's `Options`: its default (none: required) and its line in `--help`.

    A field of type bool is a switch: `--name`, or `--no-name` where the default is True. `tuple[X, ...]` takes
    `at_least` or more values, `tuple[X, X]` exactly two. Field `box_size` is the option `--box-size`.
    """
    metadata = {"help": help, "positional": positional, "choices": choices, "metavar": metavar, "at_least": at_least}
    return dataclasses.field(default=default, metadata=metadata)


def check_seed(seed: int) -> None:
    """Raise TomosegError for a seed that NumPy or torch would refuse."""
    if seed < 0:
        raise TomosegError(f"The seed {seed} is below 0: choose 0 or a number above.")
    if seed > HIGHEST_SEED:
        raise TomosegError(f"The seed {seed} is too large: choose a number from 0 to {HIGHEST_SEED}.")


def add_options(parser: argparse.ArgumentParser, kind: type[Any]) -> None:
    """Give `parser` one argument for each field of the options dataclass `kind`."""
    hints = typing.get_type_hints(kind)
    # What steps share comes last in their help.
    for entry in sorted(dataclasses.fields(kind), key=lambda entry: entry.kw_only is True):
        _add_option(parser, entry, hints[entry.name])


def _add_option(parser: argparse.ArgumentParser, entry: "dataclasses.Field[Any]", hint: Any) -> None:
    base, count = _base_and_count(hint)
    meta = entry.metadata
    settings: dict[str, Any] = {"help": _help_with_default(entry).replace("%", "%%")}
    dashed = entry.name.replace("_", "-")
    if base is bool:
        flag = f"--no-{dashed}" if entry.default is True else f"--{dashed}"
        action = "store_false" if entry.default is True else "store_true"
        parser.add_argument(flag, dest=entry.name, action=action, **settings)
        return
    settings.update(type=base, metavar=meta["metavar"], choices=meta["choices"])
    if count is not None:
        settings["nargs"] = count
    if meta["positional"]:
        if entry.default is not dataclasses.MISSING:
            settings.update(nargs="*" if count is not None else "?", default=entry.default)
        parser.add_argument(entry.name, **settings)
        return
    settings.update(dest=entry.name, required=entry.default is dataclasses.MISSING)
    settings["default"] = None if settings["required"] else entry.default
    parser.add_argument(f"--{dashed}", **settings)


def _help_with_default(entry: "dataclasses.Field[Any]") -> str:
    text, default = str(entry.metadata["help"]), entry.default
    if default in (None, "", (), dataclasses.MISSING) or isinstance(default, bool) or "default" in text:
        return text
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{text} (default: {shown})"


def from_arguments(kind: type[Any], arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> Any:
    """The options dataclass from parsed arguments; too few values end with exit status 2."""
    values = {}
    for entry in dataclasses.fields(kind):
        value = getattr(arguments, entry.name)
        if isinstance(value, list):
            if len(value) < entry.metadata["at_least"]:
                name = entry.metadata["metavar"] or entry.name
                parser.error(f"at least {entry.metadata['at_least']} values are needed for {name}")
            value = tuple(value)
        values[entry.name] = value
    return kind(**values)


def from_json(kind: type[Any], params: dict[str, Any]) -> Any:
    """The options dataclass from a request's params; raises TomosegError for a wrong name or type."""
    hints = typing.get_type_hints(kind)
    entries = {entry.name: entry for entry in dataclasses.fields(kind)}
    if unknown := sorted(set(params) - set(entries)):
        raise TomosegError(f"Unknown option {unknown[0]!r}: known are {', '.join(entries)}.")
    values = {name: _checked(name, hints[name], value, entries[name]) for name, value in params.items()}
    for name, entry in entries.items():
        if entry.default is dataclasses.MISSING and name not in values:
            raise TomosegError(f"Option {name!r} is missing.")
    return kind(**values)


def paths_in(options: Any) -> list[Path]:
    """All files and folders that the options name."""
    values = (getattr(options, entry.name) for entry in dataclasses.fields(options))
    several = [value if isinstance(value, tuple) else (value,) for value in values]
    return [one for group in several for one in group if isinstance(one, Path)]


def _checked(name: str, hint: Any, value: Any, entry: "dataclasses.Field[Any]") -> Any:
    base, count = _base_and_count(hint)
    if value is None and entry.default is None:
        return None
    if count is None:
        return _checked_one(name, base, value, entry.metadata["choices"])
    fewest = count if isinstance(count, int) else entry.metadata["at_least"]
    if not isinstance(value, list | tuple) or len(value) < fewest or (isinstance(count, int) and len(value) > count):
        wanted = f"{fewest}" if isinstance(count, int) else f"{fewest} or more"
        raise TomosegError(f"Option {name!r} takes a list of {wanted} values, not {str(value)[:60]!r}.")
    return tuple(_checked_one(name, base, single, entry.metadata["choices"]) for single in value)


def _checked_one(name: str, base: type, value: Any, choices: tuple[str, ...] | None) -> Any:
    accepted: dict[type, tuple[type, ...]] = {float: (int, float), int: (int,), bool: (bool,), str: (str,)}
    kinds = accepted.get(base, (str,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and base is not bool):
        raise TomosegError(f"Option {name!r} takes a {base.__name__}, not {str(value)[:60]!r}.")
    if choices and value not in choices:
        raise TomosegError(f"Option {name!r} is one of {', '.join(choices)}, not {value!r}.")
    return base(value)


def _base_and_count(hint: Any) -> tuple[type, int | str | None]:
    """(float, None) for `float | None`, (Path, "+") for `tuple[Path, ...]`, (Path, 2) for `tuple[Path, Path]`."""
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        return parts[0], "+" if parts[1] is Ellipsis else len(parts)
    assert hint in (str, int, float, bool, Path), hint
    return hint, None
