"""Segment many tomograms: apply networks, merge, make surfaces, measure; on all cores of this machine, or on a cluster.

A file that cannot be used does not stop the rest: the table at the end says what was made of each tomogram and what
went wrong, and the exit status is 1 if anything did. A second run does only what is missing or out of date, and goes
on with maps that are half done. In the output folder: segmentations/, masks/, surfaces/, tables/ (one CSV per tomogram)
and batch.csv (the table).

The work is cut into tasks, so that one huge tomogram, too, uses all workers: processes of this machine (--workers),
jobs of SLURM, PBS or LSF (--cluster) or those of a Dask scheduler that runs already (--scheduler). The tasks of a
process that is lost are done again. --memory is for each process. Maps are equal to the bit wherever they are made by
processes of equally many threads.
"""

import csv
import io
import shutil
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ml.apply_options import INT8, Applying
from ml.options import UsageError, option
from ml.report import Report
from tomo.errors import TomosegError
from tomo.files import replacing, require_folder
from tomo.names import tomogram_name
from tomo.standing import standing

SUMMARY = "apply, merge, measure and make surfaces for many tomograms"
TASKS_PER_WORKER = 3


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
    colours: tuple[str, ...] | None = option(
        None, help="one colour per network for the label tables, as #rrggbb", metavar="COLOUR"
    )
    blender: Path | None = option(
        None,
        help="Blender with Tomoseg: render a figure of each; --output is their project's folder",
        metavar="EXECUTABLE",
    )
    workers: int = option(
        0, help="processes of this machine, which share its cores; 1: no more than this one; 0: what suits", metavar="N"
    )
    cluster: Path | None = option(None, help="YAML file that says which jobs to submit to a cluster", metavar="FILE")
    scheduler: str | None = option(
        None, help="address of a Dask scheduler that runs, tcp://HOST:PORT", metavar="ADDRESS"
    )


def run(options: Options, report: Report) -> dict[str, Any]:
    """Segment all tomograms; returns one row for each. "problem" is the sentence that makes the exit status 1.

    Raises UsageError or TomosegError only for what concerns all of them (a network, the thresholds, the cluster), and
    Cancelled.
    """
    from ml.batch_figure import blender_for_figures
    from ml.batch_plan import Batch, Plan
    from ml.batch_run import Coordinator
    from ml.cluster import crew_for

    thresholds = _thresholds(options)
    _check_names(options)
    blender = None
    if options.blender is not None:
        if not options.surfaces:
            raise UsageError("figures show surfaces: leave out --no-surfaces or --blender")
        blender = blender_for_figures(options.blender, options.output, options.tomograms)
    applying = Applying(**{entry.name: getattr(options, entry.name) for entry in fields(Applying)})
    with crew_for(options, report) as crew, _output_folder(options.output):
        wanted = -(-TASKS_PER_WORKER * crew.most // len(options.tomograms)) if crew.most > 1 else 1
        batch = Batch(
            tuple(path.absolute() for path in options.networks),
            options.output.absolute(),
            thresholds,
            applying,
            options.measure,
            options.surfaces,
            wanted,
            options.colours,
            blender,
        )
        plans = [Plan(batch, path.absolute()) for path in options.tomograms]
        rows = Coordinator(plans, crew, report).run()
        order = [path.name for path in options.tomograms]
        rows.sort(key=lambda row: order.index(row["tomogram"]))
        return _result(options, rows, crew.dashboard)


@contextmanager
def _output_folder(folder: Path) -> Iterator[None]:
    """Make it, and within the block not again: a disk that was unplugged leaves an empty mount point, say."""
    require_folder(folder)
    with standing([folder]):
        yield


def _result(options: Options, rows: list[dict[str, Any]], dashboard: str | None) -> dict[str, Any]:
    table = options.output / "batch.csv"
    failed = [row["tomogram"] for row in rows if row["error"]]
    result: dict[str, Any] = {"output": str(options.output), "table": str(table), "rows": rows, "failed": len(failed)}
    if dashboard:
        result["dashboard"] = dashboard
    if failed:
        result["problem"] = f"{len(failed)} of {len(rows)} tomograms failed ({failed[0]} first): see {table}."
    try:
        with replacing(table) as temporary:
            temporary.write_text(_as_csv(rows), encoding="utf-8")
    except TomosegError as error:  # the person still reads it on the terminal
        result["table"] = None
        result["problem"] = f"{len(failed)} of {len(rows)} tomograms failed, and their table was not written. {error}"
    return result


def describe(result: dict[str, Any]) -> str:
    """The table of results and errors, as wide as the terminal."""
    width = max(len("tomogram"), *(len(row["tomogram"]) for row in result["rows"]))
    lines = [f"{'tomogram':<{width}}  {'status':<7} {'seconds':>8}  found"]
    for row in result["rows"]:
        start = f"{row['tomogram']:<{width}}  {row['status']:<7} {row['seconds']:>8.1f}  "
        lines.append(_hanging(start, row["error"] or row["found"]))
    return "\n".join([*lines, *([f"Wrote {result['table']}"] if result["table"] else [])])


def _hanging(start: str, text: str) -> str:
    """`start` and the text; the text's further lines stand below its first one."""
    room = max(shutil.get_terminal_size((120, 24)).columns - len(start), 40)
    # Paths stay whole, so that they can be copied.
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    return start + f"\n{' ' * len(start)}".join(lines)


def _thresholds(options: Options) -> tuple[float, ...]:
    """One threshold per network. Raises UsageError for a wrong number of them, TomosegError for a bad network."""
    from ml.applying import preprocessing_for
    from ml.eight_bits import require_eight_bits
    from ml.merge import Options as MergeOptions
    from ml.merge import thresholds_for
    from ml.network_file import load_info

    options.check()
    infos = [load_info(path) for path in options.networks]
    features = [info.feature for info in infos]
    if twice := [feature for feature in features if features.count(feature) > 1]:
        raise UsageError(f"two networks find {twice[0]}: name one network per feature")
    for info in infos:
        preprocessing_for(info, options)
        if options.numbers == INT8:
            require_eight_bits(info)
    if options.trained_thresholds:
        if options.threshold:
            raise UsageError("give either --threshold or --trained-thresholds")
        return tuple(info.threshold for info in infos)
    merging = MergeOptions(options.networks, options.output, options.threshold, alone=True, colours=options.colours)
    return tuple(thresholds_for(merging))


def _check_names(options: Options) -> None:
    seen: dict[str, Path] = {}
    for path in options.tomograms:
        if (other := seen.setdefault(tomogram_name(path).casefold(), path)) is path:
            continue
        if other.resolve() == path.resolve():
            raise TomosegError(f"{path} is named twice: leave one of them out.")
        same = tomogram_name(path) == tomogram_name(other)
        alike = "have one name" if same else "have names that Windows and macOS take for one"
        raise TomosegError(f"{other} and {path} {alike}: give them to two batches with two output folders.")


def _as_csv(rows: list[dict[str, Any]]) -> str:
    from ml.batch_run import COLUMNS

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
