"""What a batch has done for one tomogram, so that a second run does only what is missing or out of date."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tomo.errors import TomosegError
from tomo.files import read_json, write_json

SCHEMA = 1


class Ledger:
    """The steps done for one tomogram, kept in a JSON file.

    A step counts as done while its key (what it is made of) is the same and all its files are there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps: dict[str, dict[str, Any]] = _read(path)

    def kept(self, step: str, key: str) -> dict[str, Any] | None:
        """The result of a step that need not be done again, or None."""
        entry = self._steps.get(step)
        if not isinstance(entry, dict) or entry.get("key") != key:
            return None
        files, result = entry.get("files"), entry.get("result")
        if not isinstance(files, list) or not isinstance(result, dict):
            return None
        return result if all(isinstance(file, str) and Path(file).is_file() for file in files) else None

    def done(self, step: str, key: str, files: list[str], result: dict[str, Any]) -> None:
        """Note a step that has just been done."""
        self._steps[step] = {"key": key, "files": files, "result": result}
        write_json(self._path, {"schema": SCHEMA, "steps": self._steps})

    def once(
        self, step: str, key: str, do: Callable[[], dict[str, Any]], files: Callable[[dict[str, Any]], list[str]]
    ) -> tuple[dict[str, Any], bool]:
        """The result of a step, done now if it has to be, and whether it was kept."""
        kept = self.kept(step, key)
        if kept is not None:
            return kept, True
        result = do()
        self.done(step, key, files(result), result)
        return result, False


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        data = read_json(path)
    except TomosegError:
        # Missing or damaged: everything is done again, nothing is lost.
        return {}
    steps = data.get("steps") if isinstance(data, dict) and data.get("schema") == SCHEMA else None
    return steps if isinstance(steps, dict) else {}


def key_of(*things: Any) -> str:
    """A short text that changes with anything in `things`, all JSON-able."""
    return hashlib.sha256(json.dumps(things, sort_keys=True).encode()).hexdigest()[:16]


def file_key(path: Path) -> list[Any]:
    """What changes when a file is written anew."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]
