"""What the extension adds to `blender --command`: each command is a parser and a function that returns a sentence."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import bpy

from ..tomo.errors import TomosegError


class Command:
    """One command. name: an identifier, as Blender wants it. make: raises TomosegError for what the user can mend."""

    def __init__(
        self, name: str, parser: Callable[[], argparse.ArgumentParser], make: Callable[[argparse.Namespace], str]
    ) -> None:
        self.name, self._parser, self._make = name, parser, make
        self._registered: Any = None

    def run(self, words: list[str]) -> int:
        """What Blender calls: 0 done, 1 something that the user can mend (one sentence on stderr), 2 wrong usage."""
        try:
            options = self._parser().parse_args(words)
        except SystemExit as end:
            return int(end.code or 0)
        try:
            print(self._make(options), flush=True)
        except (TomosegError, RuntimeError) as error:  # operators report what went wrong as RuntimeError
            print(f"{self.name}: {str(error).strip().removeprefix('Error: ')}", file=sys.stderr, flush=True)
            return 1
        return 0

    def register(self) -> None:
        """Make the command known to Blender."""
        self._registered = bpy.utils.register_cli_command(self.name, self.run)

    def unregister(self) -> None:
        """Take it away again."""
        bpy.utils.unregister_cli_command(self._registered)
