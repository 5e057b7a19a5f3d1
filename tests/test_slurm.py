"""A run in a queue: what SLURM takes away goes on later, to the same end. The cluster is real, of this one machine."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composed import command, slurm
from composed.errors import ConfigError
from tests.commands import BASELINE, ENVIRONMENT, LONG, end, run_folders, same_bits, start

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
KillWait=10
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""  # jobs that come back wait no longer than their credentials live


def until(known: Callable[[], object], what: str, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not known():
        assert time.monotonic() < deadline, f"{what}: not in {seconds:.0f} seconds"
        time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Iterator[None]:
    """A cluster of two cores, alive as long as a test."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    missing = [name for name in PROGRAMS if not shutil.which(name, path=environment["PATH"])]
    if missing or os.getuid():
        pytest.skip(
            f"a SLURM of one's own needs root and {', '.join(missing or PROGRAMS)}: apt-get install slurm-wlm munge"
        )
    folder = tmp_path / "slurm"
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700, parents=True)
    (folder / "munge" / "key").write_bytes(os.urandom(128))
    (folder / "munge" / "key").chmod(0o600)
    conf = folder / "slurm.conf"
    ports = [free_port(), free_port()]
    conf.write_text(CONFIGURATION.format(host=socket.gethostname(), user="root", folder=folder, ports=ports))
    monkeypatch.setitem(ENVIRONMENT, "SLURM_CONF", str(conf))
    places = [f"--{name}-file={folder}/munge/{name}" for name in ("key", "log", "pid", "seed")]
    daemons = []
    try:
        for words in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge/socket", *places],
            ["slurmctld", "-D", "-f", conf],
            ["slurmd", "-D", "-f", conf],
        ):
            with open(folder / f"{words[0]}.log", "wb") as log:
                daemons.append(subprocess.Popen(words, stdout=log, stderr=log, env={**environment, **ENVIRONMENT}))
            until((folder / "munge" / "socket").exists, "munged", 30)
        until(lambda: "idle" in asked("sinfo", "--noheader", "--format=%T"), "a node", 60)
        yield
        asked("scancel", "--user=root")
        until(lambda: not asked("squeue", "--noheader"), "the end of all jobs", 60)
    finally:
        for daemon in daemons[::-1]:
            daemon.terminate()
            daemon.wait()


def asked(*words: str) -> str:
    """What a command of SLURM's answers."""
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False).stdout


def job(number: int) -> str:
    """The name of the array's task that has this number."""
    return next(line for line in asked("squeue", "--noheader", "--format=%i").split() if line.endswith(f"_{number}"))


@pytest.mark.slow_fault
def test_a_sweep_of_jobs_of_which_two_lose_their_machine_ends_as_if_none_had(cluster, settings, train, tmp_path):
    """One is warned by the signal that SLURM sends before it takes a machine, one is taken without a warning."""
    words = [*settings, *LONG, *BASELINE]
    train(*words, "runs=alone", "-m", "seed=0,1")
    limits = ("hydra.launcher.partition=all", "hydra.launcher.timeout_min=30", "hydra.launcher.cpus_per_task=1")
    sweep = start("train", "-m", "hydra/launcher=slurm", *limits, *words, "seed=0,1,2,3", cwd=tmp_path)

    def learned(seed: int) -> int:
        rows = (path.read_text().count("\n") for path in (tmp_path / "runs").glob(f"*-s{seed}-*/metrics.jsonl"))
        return max(rows, default=0)

    taken = {0: ("scancel", "--signal=USR1"), 1: ("scontrol", "requeue")}

    def all_taken() -> bool:
        for seed in [seed for seed in taken if learned(seed) > 2]:
            asked(*taken.pop(seed), job(seed))
        return not taken

    try:
        until(lambda: all_taken() or sweep.poll() is not None, "a training")
    finally:
        if taken:
            sweep.kill()
    ended = end(sweep)
    assert ended.returncode == 0, ended.stderr
    folders = run_folders(tmp_path / "runs")
    folders = [folder for folder in folders if not folder.name.startswith(".")]
    assert len(list((tmp_path / "runs").glob("*/result.json"))) == len(folders) == 4
    logs = {path.name.partition("_")[2][0]: path.read_text() for path in (tmp_path / "runs/.submitit").rglob("*.err")}
    print(ended.stderr, *logs.values())
    assert "stopped after update" in logs["0"]
    assert "goes back into the queue" in logs["0"]
    for seed in ("0", "1"):
        assert "DUE TO JOB REQUEUE" in logs[seed]
        assert "resuming after" in logs[seed]
    for run, alone in zip(folders[:2], run_folders(tmp_path / "alone"), strict=True):
        assert same_bits(run, alone)
        for name in ("metrics.jsonl", "predictions-id.jsonl", "predictions-ood.jsonl"):
            assert (run / name).read_bytes() == (alone / name).read_bytes()


@pytest.fixture
def scontrol(tmp_path, monkeypatch) -> Path:
    """What a scontrol was asked; it answers as the file `answer` says."""
    program = tmp_path / "scontrol"
    answer = f"test ! -e {tmp_path}/answer || {{ cat {tmp_path}/answer >&2; false; }}"
    program.write_text(f"#!/bin/sh\necho $@ >> {tmp_path}/asked\n{answer}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return tmp_path


def test_a_warning_is_a_request_for_the_queue_and_no_other_signal_is(scontrol, monkeypatch, capsys):
    for number in (signal.SIGTERM, signal.SIGINT):
        slurm.back_into_the_queue(number)
    with monkeypatch.context() as elsewhere:
        elsewhere.delenv("SLURM_JOB_ID")
        slurm.back_into_the_queue(signal.SIGUSR1)
    with monkeypatch.context() as helping:
        helping.setenv("SLURM_PROCID", "1")
        slurm.back_into_the_queue(signal.SIGUSR1)
    assert not (scontrol / "asked").exists()
    slurm.back_into_the_queue(signal.SIGUSR1)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "15")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    slurm.back_into_the_queue(signal.SIGUSR2)
    assert (scontrol / "asked").read_text() == "requeue 17\nrequeue 15_2\n"
    assert "job 15_2 goes back into the queue" in capsys.readouterr().err


def test_a_queue_that_refuses_is_quoted(scontrol, capsys):
    (scontrol / "answer").write_text("Requested operation is presently disabled")
    slurm.back_into_the_queue(signal.SIGUSR1)
    assert "SLURM does not take job 17 back: Requested operation is presently disabled" in capsys.readouterr().err


def test_a_sweep_for_a_queue_is_refused_where_there_is_none(monkeypatch):
    words = ["-m", "hydra/launcher=slurm", "seed=0,1"]
    monkeypatch.setattr(command, "which", lambda _name: None)
    with pytest.raises(ConfigError, match="has no sbatch"):
        command.check_command_line(words, write=False)
