"""Who does the work of a batch: this process, processes of this machine, jobs of a cluster, or a scheduler that runs.

Processes of this machine talk over ports of 127.0.0.1, and over TLS with a key made for the occasion: else any other
user of the machine could give them work. Jobs of a cluster do the same over its network.
"""

import asyncio
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from ml.batch_run import Here
from ml.memory import available_memory
from ml.options import UsageError
from ml.report import Report
from ml.threads import available_cores
from tomo.errors import TomosegError
from tomo.words import counted

if TYPE_CHECKING:
    from ml.batch import Options
    from ml.batch_dask import DaskCrew

MOST_WORKERS = 16  # unless asked for more: reading and writing hold more of them up
SMALL_BYTES = 100_000_000  # of all tomograms: done in less time than processes need to start
OVERHEAD_BYTES = 600_000_000  # of a process, beside --memory
ANSWER_SECONDS = 10
RESTART_SECONDS = 300.0  # for lost processes of this machine to be replaced


@contextmanager
def crew_for(options: "Options", report: Report) -> Iterator["Here | DaskCrew"]:
    """Who does the tasks, as the options say. Raises UsageError, and TomosegError for a scheduler out of reach."""
    if options.workers < 0:
        raise UsageError(f"--workers is 1 or more, or 0 for what suits, not {options.workers}")
    if sum((options.workers > 0, options.cluster is not None, options.scheduler is not None)) > 1:
        raise UsageError("give one of --workers, --cluster and --scheduler")
    if options.cluster is None and options.scheduler is None:
        _check_this_machine(options)
    if options.scheduler is not None:
        with _scheduler(options.scheduler, options.threads or None, report) as crew:
            yield crew
    elif options.cluster is not None:
        with _jobs(options.cluster, options, report) as crew:
            yield crew
    elif (workers := options.workers or _suiting(options)) > 1:
        with _processes(workers, max(1, (options.threads or available_cores()) // workers), report) as crew:
            yield crew
    else:
        yield Here(options.threads)


def _check_this_machine(options: "Options") -> None:
    """Raises TomosegError for a device that it lacks, or more processes than its memory could ever hold."""
    from ml.devices import choose_device

    choose_device(options.device)
    most = int(psutil.virtual_memory().total / OVERHEAD_BYTES)
    if options.workers > max(most, MOST_WORKERS):
        raise TomosegError(
            f"This machine has no memory for {options.workers} processes: give --workers {most} or fewer, or 0 for "
            "what suits."
        )


def _suiting(options: "Options") -> int:
    """How many processes suit: as this machine's cores and memory allow, one where a graphics card computes."""
    from ml.devices import choose_device

    sizes = [path.stat().st_size for path in options.tomograms if path.is_file()]
    if sum(sizes) < SMALL_BYTES or choose_device(options.device).type != "cpu":
        return 1
    by_memory = int(available_memory() / (options.memory * 1e9 + OVERHEAD_BYTES))
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
    report.log(f"Starting {counted(workers, 'process')} with {counted(threads, 'thread')} each.")
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
def _jobs(path: Path, options: "Options", report: Report) -> Iterator["DaskCrew"]:
    """Jobs of a cluster. Raises TomosegError for what is wrong in the YAML file, and where no job is accepted."""
    from distributed import Client

    from ml.batch_dask import DaskCrew
    from ml.cluster_jobs import Submission, cluster_of, read_jobs, require_commands

    jobs = read_jobs(path)
    require_commands(jobs)
    folder = options.output.absolute() / "batch"
    with _configured(), cluster_of(jobs, folder) as cluster, Client(cluster) as client:
        submission = Submission(cluster, jobs, folder, report)
        crew = DaskCrew(
            client, report, place=jobs.cluster.upper(), threads=jobs.cores, most=jobs.jobs, renew=submission.renew
        )
        try:
            submission.submit()
            yield crew
        finally:
            crew.close()


@contextmanager
def _scheduler(address: str, threads: int | None, report: Report) -> Iterator["DaskCrew"]:
    """A scheduler that somebody else started; its workers must be able to import Tomoseg."""
    from distributed import Client

    from ml.batch_dask import DaskCrew

    with _configured():
        _require_answer(address)
        with Client(address, timeout=ANSWER_SECONDS) as client:
            place = f"The Dask scheduler at {address}"
            dashboard = client.dashboard_link if client.scheduler_info().get("services", {}).get("dashboard") else None
            if dashboard:
                report.log(f"What the workers do is shown at {dashboard}")
            most = max(1, len(client.scheduler_info()["workers"]))
            crew = DaskCrew(client, report, place=place, threads=threads, most=most, dashboard=dashboard)
            try:
                yield crew
            finally:
                crew.close()


def _require_answer(address: str) -> None:
    """Raises TomosegError where no Dask scheduler answers at the address in ANSWER_SECONDS.

    Dask's own client waits for whoever takes the call and then says nothing, or speaks HTTP.
    """
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import get_backend

    try:
        scheme, place = parse_address(address)
        get_backend(scheme)
        parse_host_port(place)
    except (ValueError, TypeError) as error:
        raise TomosegError(
            f"{address!r} is no address of a Dask scheduler: give --scheduler one such as tcp://host:8786."
        ) from error
    try:
        asyncio.run(asyncio.wait_for(_call(address), ANSWER_SECONDS))
    # Not OSError alone: what another program answers may be a length of exabytes, or no message at all.
    except (OSError, MemoryError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise TomosegError(
            f"No Dask scheduler answers at {address} within {ANSWER_SECONDS} seconds: start one there, or correct "
            "--scheduler."
        ) from error


async def _call(address: str) -> None:
    from distributed.comm.core import connect
    from distributed.core import send_recv
    from distributed.security import Security

    comm = await connect(address, ANSWER_SECONDS, **Security().get_connection_args("client"))
    try:
        kind = (await send_recv(comm, op="identity")).get("type")
    finally:
        comm.abort()
    if kind != "Scheduler":
        raise ValueError(f"that is Dask's {kind}")  # workers answer, too
