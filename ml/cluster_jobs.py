"""The jobs of a cluster that do a batch: what the YAML file says of them, their scripts, and their submission."""

import asyncio
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ml.report import Report
from tomo.errors import TomosegError
from tomo.files import explain_read_error, require_folder
from tomo.words import counted

CLUSTERS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}
MOST_WORDS = 200  # characters of what a cluster says when it refuses a job


@dataclass(frozen=True)
class Jobs:
    """The YAML file of --cluster: which jobs are submitted; each is one process that takes tasks.

    cluster: slurm, pbs or lsf. jobs: how many. cores and memory: of each job. python: to be started in the jobs.
    directives: further lines of the job scripts' head. setup: shell lines before the worker starts.
    """

    cluster: str
    jobs: int
    cores: int
    memory: str
    walltime: str | None = None
    queue: str | None = None
    account: str | None = None
    interface: str | None = None
    python: str | None = None
    directives: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()


def read_jobs(path: Path) -> Jobs:
    """Read the YAML file; raises TomosegError, in one sentence, for what in it is not known or not possible."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise explain_read_error(path, error) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: bytes, dates and the like
        raise TomosegError(_what_is_wrong(path, error)) from error
    known = {entry.name: entry for entry in fields(Jobs)}
    if not isinstance(found, Mapping):
        raise TomosegError(f"{path} must hold lines such as `cluster: slurm`: known keys are {', '.join(known)}.")
    if unknown := [str(key) for key in found if key not in known]:
        raise TomosegError(f"{path} has the unknown key {unknown[0]!r}: known are {', '.join(known)}.")
    if missing := [key for key in ("cluster", "jobs", "cores", "memory") if key not in found]:
        raise TomosegError(f"{path} lacks the key {missing[0]!r}: give it a value.")
    return Jobs(**{key: _value(path, key, value) for key, value in found.items()})


def _what_is_wrong(path: Path, error: Exception) -> str:
    """The line of a file that is no YAML, where the reader tells it, and the problem; not its position in bytes."""
    import yaml

    line, problem = None, " ".join(str(error).split())
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, problem = mark and mark.line + 1, error.problem or problem
    elif isinstance(error, yaml.reader.ReaderError):
        line, problem = path.read_text(encoding="utf-8")[: error.position].count("\n") + 1, error.reason
    elif isinstance(error, UnicodeDecodeError):
        line, problem = error.object[: error.start].count(b"\n") + 1, "its text is not in UTF-8"
    return f"{f'Line {line} of ' if line else ''}{path} is no YAML ({problem}): correct it."


def _value(path: Path, key: str, value: Any) -> Any:
    """One value of the YAML file, checked; times and sizes that YAML takes for numbers are texts again."""
    if key == "cluster":
        fits = value in CLUSTERS
    elif key in ("jobs", "cores"):
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    elif key in ("directives", "setup"):
        fits = isinstance(value, list) and all(isinstance(line, str) and "\n" not in line for line in value)
    else:
        fits = isinstance(value, str) and "\n" not in value
    if key == "memory" and fits:
        fits = _bytes(value) >= 1e8
    if not fits:
        wanted = {
            "cluster": f"one of {', '.join(CLUSTERS)}",
            "memory": "a size such as 16 GB",
            "jobs": "a number from 1",
            "cores": "a number from 1",
            "directives": "a list of lines",
            "setup": "a list of lines",
            "walltime": 'a text in quotes, such as "04:00:00"',
        }
        text = "a text of one line, in quotes where it is a number"
        raise TomosegError(f"{path} has {key}: {value!r}, which must be {wanted.get(key, text)}.")
    return tuple(value) if isinstance(value, list) else value


def _bytes(text: str) -> float:
    from dask.utils import parse_bytes

    try:
        return float(parse_bytes(text))
    except ValueError:
        return 0.0


def job_cluster(jobs: Jobs, folder: Path, security: Any = None) -> Any:
    """dask-jobqueue's cluster of these jobs, none submitted yet. folder: for keys and logs, seen by all machines."""
    settings: dict[str, Any] = {
        "cores": jobs.cores,
        "processes": 1,
        "memory": jobs.memory,
        "walltime": jobs.walltime,
        "queue": jobs.queue,
        "interface": jobs.interface,
        "python": jobs.python,
        "job_name": "tomoseg",
        "job_extra_directives": list(jobs.directives),
        "job_script_prologue": list(jobs.setup),
        "log_directory": str(folder / "jobs"),
        "worker_extra_args": ["--no-dashboard"],
        "scheduler_options": {"dashboard": False, "dashboard_address": None},
        "security": security,
        "shared_temp_directory": str(folder),
    }
    # LSF calls the account a project, and does not check memory in words.
    settings["project" if jobs.cluster == "lsf" else "account"] = jobs.account
    if jobs.cluster == "lsf":
        settings |= {"mem": math.ceil(_bytes(jobs.memory)), "lsf_units": "mb"}
    return _class_of(jobs)(**settings)


def _class_of(jobs: Jobs) -> Any:
    import dask_jobqueue

    return getattr(dask_jobqueue, CLUSTERS[jobs.cluster])


def require_commands(jobs: Jobs) -> None:
    """Raises TomosegError where this machine cannot submit jobs."""
    command = _class_of(jobs).job_cls.submit_command.split()[0]
    if shutil.which(command) is None:
        raise TomosegError(
            f"This machine has no command {command}, so it cannot submit jobs to {jobs.cluster.upper()}: give the same "
            "command on a node of the cluster that has it, or use --workers."
        )


@contextmanager
def cluster_of(jobs: Jobs, folder: Path) -> Iterator[Any]:
    """`job_cluster` with keys of its own, until the block ends. Raises TomosegError where it cannot be started."""
    from distributed.security import Security

    require_folder(folder)
    try:
        cluster = job_cluster(jobs, folder, Security.temporary())
    except (ValueError, RuntimeError, OSError) as error:
        raise TomosegError(f"No Dask scheduler can be started on this machine: {error}.") from error
    try:
        with cluster:
            yield cluster
    finally:
        for part in ("key", "cert", "ca_file"):  # files that dask-jobqueue would leave to the garbage collector
            with suppress(OSError):
                getattr(cluster, f"_job_{part}").close()


class Submission:
    """Submits the jobs of a batch, and others for those that ended before it, at their time limit perhaps."""

    def __init__(self, cluster: Any, jobs: Jobs, folder: Path, report: Report) -> None:
        self._cluster, self._report, self._logs = cluster, report, folder / "jobs"
        self._name, self._wanted = jobs.cluster.upper(), jobs.jobs
        self._told = ""

    def submit(self) -> None:
        """Raises TomosegError with the cluster's own words where it accepts none of them."""
        self._report.log(f"Submitting {counted(self._wanted, 'job')} to {self._name}; logs are in {self._logs}.")
        accepted, refusal = self._submitted()
        if not accepted:
            raise TomosegError(f"{self._name} accepts no job ({refusal}): correct the YAML file.")
        self._tell(refusal)

    def renew(self) -> None:
        """Submit what lacks: a job for each that has ended or was refused."""
        if set(self._cluster.worker_spec) - set(self._cluster.workers):
            accepted, refusal = self._submitted()
            if accepted:
                self._report.log(f"Submitted {counted(accepted, 'job')} more to {self._name}, for what has ended.")
            self._tell(refusal)

    def _tell(self, refusal: str) -> None:
        if refusal not in ("", self._told):
            self._told = refusal
            self._report.log(f"{self._name} refuses some jobs for now ({refusal}): the others do the work.")

    def _submitted(self) -> tuple[int, str]:
        """Let Dask submit what lacks; returns how many jobs were accepted, and the words of the first refusal."""
        before, words = len(self._cluster.workers), ""
        loop: asyncio.AbstractEventLoop = self._cluster.loop.asyncio_loop
        try:
            asyncio.run_coroutine_threadsafe(_submit_lacking(self._cluster, self._wanted), loop).result()
        except (RuntimeError, ValueError, OSError) as error:
            words = _words_of(error)
        return len(self._cluster.workers) - before, words


async def _submit_lacking(cluster: Any, wanted: int) -> None:
    """In the cluster's own loop, where the errors of submitting can be had."""
    from distributed.core import Status

    while len(cluster.worker_spec) < wanted:  # as its `scale`, which lets a second submission follow unseen
        cluster.worker_spec.update(cluster.new_worker_spec())
    try:
        await cluster._correct_state()
    finally:
        for name, job in list(cluster.workers.items()):
            if job.job_id is None:  # refused: to be submitted again, and for Dask no job that must be closed
                job.status = Status.failed
                del cluster.workers[name]


def _words_of(error: Exception) -> str:
    """What the command said: dask-jobqueue puts it behind its own."""
    own = str(error).partition("stdout:")[2].replace("stderr:", "") or str(error)
    return " ".join(own.split())[:MOST_WORDS] or "it does not say why"
