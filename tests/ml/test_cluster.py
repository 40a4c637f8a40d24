"""Who does the work of a batch: what the YAML file of a cluster may say, and the job scripts that come of it."""

import os
import re
import shutil
import signal
import sys
from contextlib import suppress

import dask
import psutil
import pytest
import torch

from ml import batch_dask, cluster
from ml.batch import Options, run
from ml.cluster_jobs import Jobs, job_cluster, read_jobs
from ml.report import Silent
from tomo.errors import TomosegError

YAML = """
cluster: slurm
jobs: 8
cores: 4
memory: 16 GB
walltime: "04:00:00"
queue: gpu
account: lab7
directives: ["--gres=gpu:1"]
setup: ["module load cuda"]
python: /opt/tomoseg/bin/python
"""
HEADS = {
    "slurm": """#!/usr/bin/env bash

#SBATCH -J tomoseg
#SBATCH -e FOLDER/jobs/tomoseg-%J.err
#SBATCH -o FOLDER/jobs/tomoseg-%J.out
#SBATCH -p gpu
#SBATCH -A lab7
#SBATCH -n 1
#SBATCH --cpus-per-task=4
#SBATCH --mem=15G
#SBATCH -t 04:00:00
#SBATCH --gres=gpu:1
module load cuda
""",
    "pbs": """#!/usr/bin/env bash

#PBS -N tomoseg
#PBS -q gpu
#PBS -A lab7
#PBS -l select=1:ncpus=4:mem=15GB
#PBS -l walltime=04:00:00
#PBS -e FOLDER/jobs/
#PBS -o FOLDER/jobs/
#PBS --gres=gpu:1
module load cuda
""",
    "lsf": """#!/usr/bin/env bash

#BSUB -J tomoseg
#BSUB -e FOLDER/jobs/dummy-name-%J.err
#BSUB -o FOLDER/jobs/dummy-name-%J.out
#BSUB -q gpu
#BSUB -P "lab7"
#BSUB -n 4
#BSUB -R "span[hosts=1]"
#BSUB -M 16000
#BSUB -W 04:00:00
#BSUB --gres=gpu:1
module load cuda
""",
}


def written(tmp_path, text):
    path = tmp_path / "cluster.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", HEADS)
def test_the_job_script_of_each_cluster(tmp_path, kind):
    jobs = read_jobs(written(tmp_path, YAML.replace("slurm", kind)))
    with job_cluster(jobs, tmp_path) as submitted:
        script = submitted.job_script()
    head, _, command = script.replace(str(tmp_path), "FOLDER").partition("/opt/tomoseg/bin/python")
    assert head == HEADS[kind]
    for words in (
        "-m distributed.cli.dask_worker",
        "--nthreads 4",
        "--memory-limit 14.90GiB",
        "--nanny",
        "--no-dashboard",
    ):
        assert words in command
    assert "tcp://" in command


def test_the_workers_of_jobs_talk_over_tls_with_keys_that_others_cannot_read(tmp_path):
    from distributed.security import Security

    jobs = Jobs("slurm", jobs=2, cores=1, memory="2 GB")
    with job_cluster(jobs, tmp_path, Security.temporary()) as submitted:
        script = submitted.job_script()
        keys = re.findall(r"--tls-(?:key|cert|ca-file) (\S+)", script)
        assert len(keys) == 3
        if sys.platform != "win32":
            assert {(tmp_path / key).stat().st_mode & 0o077 for key in keys} == {0}
    assert "tls://" in script
    assert sys.executable in script


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("jobs:", "job:"), "has the unknown key 'job': known are cluster, jobs, cores"),
        (("jobs: 8\n", ""), "lacks the key 'jobs'"),
        (("slurm", "sge"), "one of slurm, pbs, lsf"),
        (("lab7", "7"), "account: 7, which must be a text of one line, in quotes where it is a number"),
        (("jobs: 8", "jobs: 0"), "jobs: 0, which must be a number from 1"),
        (("cores: 4", "cores: yes"), "cores: True"),
        (("16 GB", "lots"), "a size such as 16 GB"),
        (("16 GB", "16"), "a size such as 16 GB"),
        (('"04:00:00"', "4:00:00"), "walltime: 14400, which must be a text in quotes"),
        (('["module load cuda"]', "module load cuda"), "a list of lines"),
        (("queue: gpu", "queue: |\n  gpu\n  rm"), "a text of one line"),
        (("cluster: slurm", "cluster: [slurm"), "is no YAML"),
        ((YAML, "slurm"), "must hold lines such as"),
    ],
)
def test_what_is_wrong_in_the_yaml_is_one_sentence(tmp_path, change, words):
    with pytest.raises(TomosegError, match=re.escape(words)) as caught:
        read_jobs(written(tmp_path, YAML.replace(*change)))
    assert "cluster.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (YAML.replace("cluster: slurm", "cluster: [slurm"), 3, "expected ',' or ']', but got ':'"),
        ("cluster: slurm\njobs: 8\ncores: 4: 5\n", 3, "mapping values are not allowed here"),
        ("cluster: slurm\n\tjobs: 8\n", 2, "found character '\\t' that cannot start any token"),
        ("cluster: slurm\njobs: *many\n", 2, "found undefined alias 'many'"),
        ("cluster: slurm\njobs: 8\nqueue: a\x01\n", 3, "special characters are not allowed"),
        (b"cluster: slurm\nqueue: gr\xfcn\n", 2, "its text is not in UTF-8"),
        ("cluster: slurm\nwalltime: 2026-13-45\n", None, "month must be in 1..12"),
        ("[" * 5000, None, "recursion"),
    ],
)
def test_what_is_no_yaml_names_its_line_and_the_problem(tmp_path, text, line, problem):
    path = tmp_path / "cluster.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TomosegError) as caught:
        read_jobs(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"Line {line} of {path} is no YAML (" if line else f"{path} is no YAML (")
    assert problem in sentence
    assert sentence.endswith("): correct it.")
    assert "\n" not in sentence


def test_yaml_makes_no_objects(tmp_path):
    with pytest.raises(TomosegError, match="is no YAML"):
        read_jobs(written(tmp_path, "cluster: !!python/object/apply:os.getcwd []"))


def test_a_yaml_that_is_not_there_stops_the_batch_before_it_begins(make_network, make_tomogram, tmp_path):
    options = Options((make_tomogram(),), (make_network(),), tmp_path / "out", cluster=tmp_path / "none.yaml")
    with pytest.raises(TomosegError, match=r"Cannot read .*none\.yaml"):
        run(options, Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("cores", "gigabytes", "threads", "suits"),
    [(2, 8, 0, 2), (64, 512, 0, 16), (8, 8, 0, 3), (8, 1, 0, 1), (8, 64, 3, 3)],
)
def test_as_many_processes_as_cores_and_memory_allow(
    make_network, make_tomogram, tmp_path, monkeypatch, cores, gigabytes, threads, suits
):
    monkeypatch.setattr(cluster, "SMALL_BYTES", 10)
    monkeypatch.setattr(cluster, "available_cores", lambda: cores)
    free = type("Memory", (), {"available": gigabytes * 1e9})()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    options = Options((make_tomogram(),), (make_network(),), tmp_path / "out", threads=threads, device="cpu")
    assert cluster._suiting(options) == suits


def test_a_machine_without_the_device_or_the_memory_is_told_before_the_work(make_network, make_tomogram, tmp_path):
    some = {"tomograms": (make_tomogram(),), "networks": (make_network(),), "output": tmp_path / "out"}
    with pytest.raises(TomosegError, match=r"no memory for 90000 processes: give --workers \d+ or fewer"):
        run(Options(**some, workers=90000), Silent())
    if not torch.cuda.is_available():
        with pytest.raises(TomosegError, match="This machine cannot compute on cuda"):
            run(Options(**some, device="cuda"), Silent())
    assert not (tmp_path / "out").exists()


def test_little_work_is_done_in_this_process(make_network, make_tomogram, tmp_path):
    options = Options((make_tomogram(),), (make_network(),), tmp_path / "out", device="cpu")
    assert cluster._suiting(options) == 1


def test_processes_that_do_not_start_are_told(monkeypatch):
    def fail(**_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr("distributed.LocalCluster", fail)
    with pytest.raises(TomosegError, match=r"did not start \(Nanny failed to start\.\).*--workers 1"):
        cluster._local_cluster()


REFUSE = "sbatch: error: invalid partition specified: gpu"


class Slurm:
    """Commands that stand in for SLURM's: they run each job on this machine. accepts: how many jobs."""

    def __init__(self, folder):
        self._folder, self._jobs, self._places = folder, folder / "jobs.txt", folder / "places"
        self._places.mkdir(parents=True)
        self._jobs.touch()
        self.accept(99)
        run_it = f"setsid sh {folder}/$$.sh > {folder}/$$.log 2>&1 < /dev/null &"
        told = f'echo $! >> {self._jobs}; echo "Submitted batch job $!"; exit 0'
        take = f"for place in {self._places}/*; do rm $place 2> /dev/null || continue"
        self._write("sbatch", f'{take}; cp $1 {folder}/$$.sh; {run_it} {told}; done; echo "{REFUSE}" >&2; exit 1')
        self._write("scancel", 'kill -9 "-$1"')

    def accept(self, count):
        """From now on, so many jobs more."""
        for place in self._places.iterdir():
            place.unlink()
        for number in range(count):
            (self._places / str(number)).touch()

    def _write(self, name, text):
        path = self._folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    @property
    def jobs(self):
        return [int(line) for line in self._jobs.read_text().split()]

    def end_jobs(self):
        """As SLURM does at the time limit."""
        for job in self.jobs:
            with suppress(ProcessLookupError):
                os.killpg(job, signal.SIGKILL)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    if sys.platform != "linux" or shutil.which("setsid") is None:
        pytest.skip("shell scripts stand in for SLURM, on Linux")
    stand_in = Slurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{tmp_path / 'slurm'}:{os.environ['PATH']}")
    yield stand_in
    stand_in.end_jobs()


@pytest.fixture
def small_jobs(tmp_path):
    return written(tmp_path, "cluster: slurm\njobs: 2\ncores: 1\nmemory: 2 GB\ninterface: lo\n")


class EndsJobsOnce(Silent):
    """Ends all jobs as soon as slices of a map are done; keeps the log."""

    def __init__(self, slurm):
        self._slurm, self.lines = slurm, []

    def progress(self, fraction, message):
        if fraction > 0.1 and self._slurm is not None:
            self._slurm.end_jobs()
            self._slurm = None

    def log(self, message):
        self.lines.append(message)


def test_jobs_that_end_before_the_batch_are_replaced_and_change_nothing(
    make_network, make_tomogram, tmp_path, slurm, small_jobs, monkeypatch
):
    monkeypatch.setattr(batch_dask, "RENEW_SECONDS", 0.5)
    slurm.accept(1)  # the other one is refused at first
    report = EndsJobsOnce(slurm)
    shape = (60, 61, 83)
    tomograms, network = (make_tomogram("cell1", shape), make_tomogram("cell2", shape, seed=8)), make_network()
    some = {"threshold": (0.3,), "device": "cpu", "measure": False, "surfaces": False}
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}), monkeypatch.context() as patch:
        patch.setattr(slurm, "end_jobs", lambda end=slurm.end_jobs: (end(), slurm.accept(99)))
        result = run(Options(tomograms, (network,), tmp_path / "out", cluster=small_jobs, **some), report)
    assert [row["error"] for row in result["rows"]] == ["", ""]
    assert f"SLURM refuses some jobs for now ({REFUSE}): the others do the work." in report.lines
    assert any(re.fullmatch(r"Submitted \d jobs? more to SLURM, for what has ended\.", line) for line in report.lines)
    run(Options(tomograms, (network,), tmp_path / "one", workers=1, threads=1, **some), Silent())
    for path in (tmp_path / "one").rglob("*.mrc"):
        assert (tmp_path / "out" / path.relative_to(tmp_path / "one")).read_bytes() == path.read_bytes()
    assert not list((tmp_path / "out" / "batch").glob(".dask-jobqueue*"))  # the keys
    assert not [job for job in slurm.jobs if psutil.pid_exists(job) and psutil.Process(job).status() != "zombie"]


def test_a_cluster_that_accepts_no_job_is_told_in_its_own_words(
    make_network, make_tomogram, tmp_path, slurm, small_jobs
):
    slurm.accept(0)
    options = Options((make_tomogram(),), (make_network(),), tmp_path / "out", cluster=small_jobs)
    with pytest.raises(TomosegError, match=re.escape(f"SLURM accepts no job ({REFUSE}): correct the YAML file.")):
        run(options, Silent())


def test_an_output_folder_that_is_a_file_is_told_before_jobs_are_submitted(
    make_network, make_tomogram, tmp_path, slurm, small_jobs
):
    options = Options((make_tomogram(),), (make_network(),), make_tomogram("other"), cluster=small_jobs)
    with pytest.raises(TomosegError, match=r"^Cannot write .*other\.mrc/batch: a part of its path is a file"):
        run(options, Silent())
    assert slurm.jobs == []


def test_a_machine_that_cannot_submit_jobs_is_told(make_network, make_tomogram, tmp_path, small_jobs, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    options = Options((make_tomogram(),), (make_network(),), tmp_path / "out", cluster=small_jobs)
    with pytest.raises(TomosegError, match=r"no command sbatch, so it cannot submit jobs to SLURM.*--workers"):
        run(options, Silent())
    assert not (tmp_path / "out").exists()
