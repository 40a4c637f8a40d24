"""Runs mutants of one format through the reader process, and counts."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.formats import FORMATS
from tests.fuzz.mutants import good_files, mutant

ROOT = Path(__file__).resolve().parents[2]


class Child:
    """The process of reader.py; a new one comes where it was killed, by a signal or by its alarm."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, kind: str, path: Path) -> dict[str, str]:
        """What came of reading `path`."""
        if self._process is None:
            words = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("reader.py"))]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._process = subprocess.Popen(words, text=True, cwd=ROOT, **pipes)
        self._process.stdin.write(f"{kind} {path}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if line:
            return dict(json.loads(line))
        status = self._process.wait()
        self.close()
        return {"kind": "hang" if status == -14 else "crash", "text": f"exit status {status}"}

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()
            self._process = None


class Campaign:
    """counts: "ok", "refused", "bug", "crash", "hang", and "past" the first checks. bugs: one for each place."""

    def __init__(self, kind: str, folder: Path, keep: Path | None = None) -> None:
        self.kind, self._folder, self._keep = kind, folder, keep
        self.good = good_files(kind, folder)
        self.counts: Counter[str] = Counter()
        self.bugs: dict[str, str] = {}

    def run(self, count: int, child: Child) -> None:
        """Try `count` mutants, the same ones each time."""
        for name, _ in self.good:
            found = child.read(self.kind, self._folder / name)
            assert found["kind"] == "ok", f"the good file {name} is not read: {found}"

        # Plain numbers: hypothesis draws others for each set of modules that happens to be loaded.
        for seed in range(count):
            self._try(*mutant(self.kind, self.good, seed), child)

    def _try(self, name: str, content: bytes, child: Child) -> None:
        path = self._folder / name
        original = dict(self.good)[name]
        path.write_bytes(content)
        found = child.read(self.kind, path)
        path.unlink()  # some readers keep it mapped
        path.write_bytes(original)
        self.counts["tried"] += 1
        self.counts[found["kind"]] += 1
        first = found["kind"] == "refused" and any(words in found["text"] for words in FORMATS[self.kind].first)
        self.counts["past"] += not first
        if found["kind"] not in ("ok", "refused"):
            where = found["text"].rpartition("(")[2] or found["text"]
            if where not in self.bugs and self._keep is not None:
                (self._keep / f"{self.kind}-{len(self.bugs)}-{name}").write_bytes(content)
            self.bugs.setdefault(where, f"{found['kind']}: {found['text']}")
