"""Who does the work of a batch: this process, processes of this machine, jobs of a cluster, or a scheduler that runs.

Processes of this machine talk over ports of 127.0.0.1, and over TLS with a key made for the occasion: else any other
user of the machine could give them work. Jobs of a cluster do the same over its network.
"""

import asyncio
import importlib.util
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ml.batch_run import Here
from ml.options import UsageError
from ml.report import Report
from ml.threads import available_cores
from tomo.errors import TomosegError

if TYPE_CHECKING:
    from ml.batch import Options
    from ml.batch_dask import DaskCrew

MOST_WORKERS = 16  # unless asked for more: reading and writing hold more of them up
SMALL_BYTES = 100_000_000  # of all tomograms: done in less time than processes need to start
OVERHEAD_BYTES = 600_000_000  # of a process, beside --memory
ANSWER_SECONDS = 10
RESTART_SECONDS = 300.0  # for lost processes of this machine to be replaced
CLUSTERS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}


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
        raise TomosegError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TomosegError(f"{path} is no YAML ({' '.join(str(error).split())[:100]}): correct it.") from error
    known = {entry.name: entry for entry in fields(Jobs)}
    if not isinstance(found, Mapping):
        raise TomosegError(f"{path} must hold lines such as `cluster: slurm`: known keys are {', '.join(known)}.")
    if unknown := [str(key) for key in found if key not in known]:
        raise TomosegError(f"{path} has the unknown key {unknown[0]!r}: known are {', '.join(known)}.")
    if missing := [key for key in ("cluster", "jobs", "cores", "memory") if key not in found]:
        raise TomosegError(f"{path} lacks the key {missing[0]!r}: give it a value.")
    return Jobs(**{key: _value(path, key, value) for key, value in found.items()})


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
        raise TomosegError(f"{path} has {key}: {value!r}, which must be {wanted.get(key, 'a text of one line')}.")
    return tuple(value) if isinstance(value, list) else value


def _bytes(text: str) -> float:
    from dask.utils import parse_bytes

    try:
        return float(parse_bytes(text))
    except ValueError:
        return 0.0


def job_cluster(jobs: Jobs, folder: Path, security: Any = None) -> Any:
    """dask-jobqueue's cluster of these jobs, none submitted yet. folder: for keys and logs, seen by all machines."""
    import dask_jobqueue

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
    return getattr(dask_jobqueue, CLUSTERS[jobs.cluster])(**settings)


@contextmanager
def crew_for(options: "Options", report: Report) -> Iterator["Here | DaskCrew"]:
    """Who does the tasks, as the options say. Raises UsageError, and TomosegError for a scheduler out of reach."""
    if options.workers < 0:
        raise UsageError(f"--workers is 1 or more, or 0 for what suits, not {options.workers}")
    if sum((options.workers > 0, options.cluster is not None, options.scheduler is not None)) > 1:
        raise UsageError("give one of --workers, --cluster and --scheduler")
    if options.scheduler is not None:
        with _scheduler(options.scheduler, options.threads or None, report) as crew:
            yield crew
    elif options.cluster is not None:
        with _jobs(read_jobs(options.cluster), options, report) as crew:
            yield crew
    elif (workers := options.workers or _suiting(options)) > 1:
        with _processes(workers, max(1, (options.threads or available_cores()) // workers), report) as crew:
            yield crew
    else:
        yield Here(options.threads)


def _suiting(options: "Options") -> int:
    """How many processes suit: as this machine's cores and memory allow, one where a graphics card computes."""
    from ml.devices import choose_device

    sizes = [path.stat().st_size for path in options.tomograms if path.is_file()]
    if sum(sizes) < SMALL_BYTES or choose_device(options.device).type != "cpu":
        return 1
    by_memory = int(psutil.virtual_memory().available / (options.memory * 1e9 + OVERHEAD_BYTES))
    return max(1, min(options.threads or available_cores(), MOST_WORKERS, by_memory))


@contextmanager
def _configured(threads: int | None = None) -> Iterator[None]:
    """Dask's settings for our tasks.

    They bound their memory themselves. Dask would count the pages of mapped tomograms, and stop workers for them.
    """
    import dask

    cores = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    environment = {"PYTHONWARNINGS": "ignore", "OMP_WAIT_POLICY": "PASSIVE", **(cores if threads else {})}
    settings: dict[str, Any] = {
        f"distributed.worker.memory.{name}": False for name in ("target", "spill", "pause", "terminate")
    }
    settings["distributed.nanny.pre-spawn-environ"] = environment
    settings["distributed.comm.timeouts.connect"] = "60s"  # a busy machine is slow, not broken
    settings["logging"] = {"distributed": "critical", "tornado": "critical", "asyncio": "critical"}
    with dask.config.set(settings):
        yield


@contextmanager
def _processes(workers: int, threads: int, report: Report) -> Iterator["DaskCrew"]:
    """Processes of this machine, on ports of 127.0.0.1."""
    from distributed import Client

    from ml.batch_dask import DaskCrew

    shown = importlib.util.find_spec("bokeh") is not None
    report.log(f"Starting {workers} processes with {threads} thread{'' if threads == 1 else 's'} each.")
    with _configured(threads), _local_cluster() as cluster, Client(cluster) as client:
        dashboard = cluster.dashboard_link if shown else None
        if dashboard:
            report.log(f"What the processes do is shown at {dashboard}")
        place = "Dask on this machine"
        crew = DaskCrew(
            client,
            report,
            place=place,
            threads=threads,
            most=workers,
            dashboard=dashboard,
            patience=RESTART_SECONDS,
        )
        try:
            with _starting():
                _start(cluster, workers)
            yield crew
        finally:
            crew.close()
            end_processes(cluster)


def _local_cluster() -> Any:
    """Dask's own cluster of processes, none started yet, so that a cancel need not wait for them."""
    from distributed import LocalCluster
    from distributed.security import Security

    with _starting():
        return LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            host="127.0.0.1",
            security=Security.temporary(),
            memory_limit=0,
            dashboard_address="127.0.0.1:0",  # any free port; without bokeh there is nothing to see there
            silence_logs=50,
        )


def _start(cluster: Any, workers: int) -> None:
    """Start so many processes and wait until they are there.

    Ctrl+C ends the waiting alone: Dask's own (`sync`) would also cancel the start, and then could not close.
    """

    async def there() -> None:
        await cluster
        if not cluster.scheduler.workers:
            raise RuntimeError("they ended at once")

    cluster.scale(workers)
    asyncio.run_coroutine_threadsafe(there(), cluster.loop.asyncio_loop).result()


@contextmanager
def _starting() -> Iterator[None]:
    """Raises TomosegError where a process ends while it starts."""
    try:
        yield
    except (RuntimeError, TimeoutError, OSError) as error:
        raise TomosegError(
            f"The processes of this machine did not start ({error}): give the same command again, or use --workers 1, "
            "which needs no other process."
        ) from error


def end_processes(cluster: Any) -> None:
    """End the workers at once: what they are doing is not wanted any more, or already done."""
    nannies = list(cluster._created)  # of those that are still starting, too
    for nanny in nannies:
        nanny.auto_restart = False  # else it would start another one, and closing would wait for that
    for nanny in nannies:
        process = getattr(getattr(nanny, "process", None), "process", None)
        if process is not None and process.is_alive():
            cluster.sync(process.kill)


@contextmanager
def _jobs(jobs: Jobs, options: "Options", report: Report) -> Iterator["DaskCrew"]:
    from distributed import Client
    from distributed.security import Security

    from ml.batch_dask import DaskCrew

    folder = options.output.absolute() / "batch"
    folder.mkdir(parents=True, exist_ok=True)
    with _configured():
        try:
            cluster = job_cluster(jobs, folder, Security.temporary())
        except (ValueError, RuntimeError, OSError) as error:
            raise TomosegError(f"No Dask scheduler can be started on this machine: {error}.") from error
        with cluster, Client(cluster) as client:
            report.log(f"Submitting {jobs.jobs} jobs to {jobs.cluster.upper()}; their logs are in {folder / 'jobs'}.")
            cluster.scale(jobs=jobs.jobs)
            crew = DaskCrew(client, report, place=jobs.cluster.upper(), threads=jobs.cores, most=jobs.jobs)
            try:
                yield crew
            finally:
                crew.close()


@contextmanager
def _scheduler(address: str, threads: int | None, report: Report) -> Iterator["DaskCrew"]:
    """A scheduler that somebody else started; its workers must be able to import Tomoseg."""
    from distributed import Client

    from ml.batch_dask import DaskCrew

    with _configured():
        try:
            client = Client(address, timeout=ANSWER_SECONDS)
        except (OSError, ValueError, TypeError) as error:
            raise TomosegError(
                f"No Dask scheduler answers at {address} within {ANSWER_SECONDS} seconds: start one there, or correct "
                "--scheduler."
            ) from error
        with client:
            place = f"The Dask scheduler at {address}"
            dashboard = client.dashboard_link if client.scheduler_info().get("services", {}).get("dashboard") else None
            most = max(1, len(client.scheduler_info()["workers"]))
            crew = DaskCrew(client, report, place=place, threads=threads, most=most, dashboard=dashboard)
            try:
                yield crew
            finally:
                crew.close()
