"""What pip prints, as progress for a bar and as one sentence where it fails."""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

_FILE = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-/]+)-[^/ ]*\.whl(?: \((?P<size>[^)]*)\))?$")
_RAW = re.compile(r"Progress (\d+) of (\d+)$")
_WANTED = re.compile(r"No matching distribution found for (\S+)")
_UNREACHABLE = ("NewConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ProxyError", "name resolution")


@dataclass
class PipProgress:
    """Follows pip's lines. expected: about how many packages will come; fractions only grow, whatever it was."""

    expected: int
    fraction: float = 0.0
    message: str = "Looking for packages"
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _collected: int = 0
    _fetched: int = 0

    def take(self, line: str) -> bool:
        """Take one line; returns whether a person wants to see it (the count of bytes would flood the log)."""
        text = line.strip()
        if raw := _RAW.match(text):
            self._downloading(int(raw[1]), int(raw[2]))
            return False
        word, _, rest = text.partition(" ")
        if word == "Collecting":
            self._collected += 1
            self._say(f"Looking for {rest.split(' ')[0]}")
        elif (word in ("Downloading", "Processing") or text.startswith("Using cached")) and (
            file := _FILE.search(text)
        ):
            self._fetched += 1
            size = f" ({file['size']})" if file["size"] else ""
            self._say(f"Getting {file['name'].replace('_', '-')} {file['version']}{size}", part=0.0)
        elif text.startswith("Installing collected packages: "):
            self.fraction = max(self.fraction, 0.8)
            self.message = f"Unpacking {text.count(',') + 1} packages; this can take minutes"
        elif word == "Successfully":
            self.fraction = 1.0
        elif word == "ERROR:":
            self.errors.append(rest)
        elif word in ("WARNING:", "HINT:"):
            self.warnings.append(rest)
        return bool(text)

    def _downloading(self, done: int, total: int) -> None:
        name = self.message.partition(" (")[0].partition(": ")[0]
        self._say(f"{name}: {done / 1e6:.0f} of {total / 1e6:.0f} MB", part=done / total if total else 0.0)

    def _say(self, message: str, part: float = 1.0) -> None:
        """part: of the file that was begun last, done so far."""
        self.message = message
        expected = max(self.expected, self._collected, 1)
        fetched = max(self._fetched - 1 + part, 0.0)
        found = 0.2 * min(self._collected / expected, 1.0) + 0.6 * min(fetched / expected, 1.0)
        self.fraction = max(self.fraction, found)


def failure(pip: PipProgress, python_version: str, wheels: Path | None, log: Path) -> str:
    """The sentence for a pip that ended with an error."""
    told = " ".join([*pip.errors, *pip.warnings])
    if "No space left" in told or "Errno 28" in told:
        return "The disk is full: free some space, then set up the worker again."
    if "Long Path" in told:
        return (
            "Windows refuses paths of more than 260 letters, and torch has some: switch on long paths "
            "(docs/troubleshooting.md tells how), then set up the worker again."
        )
    if any(words in told for words in _UNREACHABLE):
        return (
            "The package index cannot be reached: check the network and its proxy, or name a folder of wheels in "
            "Tomoseg's preferences."
        )
    if wanted := _WANTED.search(told):
        if wheels is not None:
            return (
                f"The folder {wheels} has no wheel of {wanted[1]} for Python {python_version} on {sys.platform}: add "
                "it, or name another Python, then set up the worker again."
            )
        return (
            f"The package index has no {wanted[1]} for Python {python_version} on {sys.platform}: name another Python "
            "(3.11 fits the pinned versions) or another index in Tomoseg's preferences."
        )
    last = pip.errors[-1] if pip.errors else "it gave no reason"
    return f"Installing the worker's packages failed ({last.rstrip('.')}): the log {log} tells more."
