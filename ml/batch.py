"""Segment many tomograms: apply networks, merge, make surfaces, measure, for one tomogram after the other.

A file that cannot be used does not stop the rest: the table at the end says what was made of each tomogram and what
went wrong, and the exit status is 1 if anything did. A second run does only what is missing or out of date. In the
output folder: segmentations/, masks/, surfaces/, tables/ (one CSV per tomogram) and batch.csv (the table).
"""

import csv
import io
import time
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from ml.apply import Options as ApplyOptions
from ml.apply_options import Applying
from ml.faults import bug_sentence, keep_traceback, sentence_for
from ml.ledger import Ledger, file_key, key_of
from ml.options import UsageError, option
from ml.report import Cancelled, Part, Report
from tomo.errors import TomosegError
from tomo.files import replacing
from tomo.names import result_name, tomogram_name

SUMMARY = "apply, merge, measure and make surfaces for many tomograms"
COLUMNS = ("tomogram", "status", "seconds", "found", "error")


@dataclass(frozen=True)
class Options(Applying):
    """What `tomoseg batch` takes."""

    tomograms: tuple[Path, ...] = option(help="tomograms to segment", positional=True, metavar="TOMOGRAM")
    networks: tuple[Path, ...] = option(
        help="one network per feature; their order gives the integers of the masks", metavar="NETWORK"
    )
    output: Path = option(help="folder for all results", metavar="DIR")
    threshold: tuple[float, ...] | None = option(
        None, help="one threshold for all features, or one per network (default: 0.8)", metavar="T"
    )
    trained_thresholds: bool = option(False, help="use the thresholds that the trainings fixed")
    measure: bool = option(True, help="leave out the tables")
    surfaces: bool = option(True, help="leave out the surfaces")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Segment all tomograms; returns one row for each. "problem" is the sentence that makes the exit status 1.

    Raises UsageError or TomosegError only for what concerns all of them (a network, the thresholds), and Cancelled.
    """
    thresholds = _thresholds(options)
    _check_names(options)
    rows = []
    for number, path in enumerate(options.tomograms):
        part = Part(report, number / len(options.tomograms), (number + 1) / len(options.tomograms))
        attempt = Attempt(path)
        with attempt:
            attempt.found, attempt.kept = Segmentation(options, path, thresholds, part).make()
        rows.append(attempt.row())
        if attempt.error:
            report.log(f"{path.name}: {attempt.error}")
    table = options.output / "batch.csv"
    with replacing(table) as temporary:
        temporary.write_text(_as_csv(rows), encoding="utf-8")
    failed = [row["tomogram"] for row in rows if row["error"]]
    result: dict[str, Any] = {"output": str(options.output), "table": str(table), "rows": rows, "failed": len(failed)}
    if failed:
        result["problem"] = f"{len(failed)} of {len(rows)} tomograms failed ({failed[0]} first): see {table}."
    return result


def describe(result: dict[str, Any]) -> str:
    """The table of results and errors."""
    width = max(len(row["tomogram"]) for row in result["rows"])
    lines = [f"{'tomogram':<{width}}  {'status':<7} {'seconds':>8}  found"]
    for row in result["rows"]:
        lines.append(
            f"{row['tomogram']:<{width}}  {row['status']:<7} {row['seconds']:>8.1f}  {row['error'] or row['found']}"
        )
    return "\n".join([*lines, f"Wrote {result['table']}"])


class Attempt:
    """One tomogram's turn, as a `with` block: whatever goes wrong becomes its row in the table, except a cancel."""

    def __init__(self, path: Path) -> None:
        self._path, self._began = path, time.monotonic()
        self.found, self.kept, self.error = "", False, ""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, Cancelled | UsageError) or not isinstance(error, Exception):
            return False
        sentence = str(error) if isinstance(error, TomosegError) else sentence_for(error)
        self.error = sentence or f"{bug_sentence(error)} The log is {keep_traceback(error)}."
        return True

    def row(self) -> dict[str, Any]:
        """The tomogram's line: done, kept from an earlier run, or failed."""
        status = "failed" if self.error else "kept" if self.kept else "done"
        values = (self._path.name, status, time.monotonic() - self._began, self.found, self.error)
        return dict(zip(COLUMNS, values, strict=True))


class Segmentation:
    """All steps for one tomogram, each done only where an earlier run has not done it already."""

    def __init__(self, options: Options, path: Path, thresholds: tuple[float, ...], report: Report) -> None:
        self._options, self._path, self._thresholds, self._report = options, path, thresholds, report
        self._name = tomogram_name(path)
        self._kept: list[bool] = []

    def make(self) -> tuple[str, bool]:
        """Do what is missing; returns what was found, in words, and whether nothing had to be done."""
        if not self._path.is_file():
            raise TomosegError(f"There is no tomogram {self._path}: check its name.")
        self._ledger = Ledger(self._options.output / "batch" / f"{self._name}.json")
        maps, keys = [], []
        count = len(self._options.networks)
        for number, network in enumerate(self._options.networks):
            key, result = self._apply(network, Part(self._report, 0.7 * number / count, 0.7 * (number + 1) / count))
            maps.append(Path(result["map"]))
            keys.append(key)
        key, merged = self._merge(maps, keys, Part(self._report, 0.7, 0.8))
        if any(label["voxels"] for label in merged["labels"]):
            mask = Path(merged["mask"])
            if self._options.surfaces:
                self._surfaces(mask, key, Part(self._report, 0.8, 0.9))
            if self._options.measure:
                self._measure(mask, key, Part(self._report, 0.9, 1.0))
        found = ", ".join(f"{label['name']} {label['voxels']}" for label in merged["labels"])
        return f"{found} voxels", all(self._kept)

    def _apply(self, network: Path, report: Report) -> tuple[str, dict[str, Any]]:
        from ml.apply import run as apply

        options = _apply_options(self._options, network, self._path)
        key = key_of(file_key(network), file_key(self._path), options.changing())
        result = self._once(f"apply {network.name}", key, lambda: apply(options, report)["maps"][0], ("map",))
        return key, result

    def _merge(self, maps: list[Path], keys: list[str], report: Report) -> tuple[str, dict[str, Any]]:
        from ml.merge import Options as MergeOptions
        from ml.merge import run as merge

        output = self._options.output / "masks" / f"{result_name(self._name, 'mask')}.mrc"
        options = MergeOptions(tuple(maps), output, self._thresholds, alone=len(maps) == 1)
        key = key_of(keys, self._thresholds)
        return key, self._once("merge", key, lambda: merge(options, report), ("mask", "label_table"))

    def _surfaces(self, mask: Path, key: str, report: Report) -> None:
        from ml.surface import Options as SurfaceOptions
        from ml.surface import run as surface

        options = SurfaceOptions(mask, self._options.output / "surfaces")
        self._once("surface", key, lambda: surface(options, report), ())

    def _measure(self, mask: Path, key: str, report: Report) -> None:
        from ml.measure import Options as MeasureOptions
        from ml.measure import run as measure

        options = MeasureOptions(mask, self._options.output / "tables" / f"{self._name}.csv")
        self._once("measure", key, lambda: measure(options, report), ("csv",))

    def _once(self, step: str, key: str, do: Any, names: tuple[str, ...]) -> dict[str, Any]:
        """A step's result; its files are the result's entries `names`, and the paths of its surfaces."""
        result, kept = self._ledger.once(step, key, do, lambda made: _files(made, names))
        self._kept.append(kept)
        return result


def _files(result: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [str(result[name]) for name in names] + [entry["path"] for entry in result.get("surfaces", ())]


def _apply_options(options: Options, network: Path, tomogram: Path) -> ApplyOptions:
    shared = {entry.name: getattr(options, entry.name) for entry in fields(Applying)}
    return ApplyOptions(network, (tomogram,), options.output / "segmentations", **shared)


def _thresholds(options: Options) -> tuple[float, ...]:
    """One threshold per network. Raises UsageError for a wrong number of them, TomosegError for a bad network."""
    from ml.merge import Options as MergeOptions
    from ml.merge import thresholds_for
    from ml.network_file import load_info

    options.check()
    infos = [load_info(path) for path in options.networks]
    features = [info.feature for info in infos]
    if twice := [feature for feature in features if features.count(feature) > 1]:
        raise UsageError(f"two networks find {twice[0]}: name one network per feature")
    if options.trained_thresholds:
        if options.threshold:
            raise UsageError("give either --threshold or --trained-thresholds")
        return tuple(info.threshold for info in infos)
    return tuple(thresholds_for(MergeOptions(options.networks, options.output, options.threshold, alone=True)))


def _check_names(options: Options) -> None:
    seen: dict[str, Path] = {}
    for path in options.tomograms:
        if (other := seen.setdefault(tomogram_name(path), path)) is not path:
            raise TomosegError(f"{other} and {path} have one name: give them to two batches with two output folders.")


def _as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
