"""A run in a queue: what SLURM takes away goes on later, to the same end.

The cluster is real, of this one machine, which plays two.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from composed.config import command_line as command
from composed.config import processes as launching
from composed.errors import ConfigError
from composed.sweeps import slurm
from tests.commands import BASELINE, ENVIRONMENT, LONG, end, run_folders, same_bits, start

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
KillWait=10
MailProg=/bin/true
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""  # jobs that come back wait no longer than their credentials live
SWEEP = ("-m", "hydra/launcher=slurm", "hydra.launcher.partition=all", "hydra.launcher.cpus_per_task=1")
jobs = pytest.mark.slow("starts a SLURM and waits for its jobs, which come back after half a minute")


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
    """Two machines of two cores each, alive as long as a test."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    missing = [name for name in PROGRAMS if not shutil.which(name, path=environment["PATH"])]
    if missing or os.getuid():
        pytest.skip(
            f"a SLURM of one's own needs root and {', '.join(missing or PROGRAMS)}: apt-get install slurm-wlm munge"
        )
    folder = tmp_path / "slurm"
    for name in ("munge", "state", "spool-one", "spool-two"):
        (folder / name).mkdir(mode=0o700, parents=True)
    (folder / "munge" / "key").write_bytes(os.urandom(128))
    (folder / "munge" / "key").chmod(0o600)
    conf = folder / "slurm.conf"
    ports = [free_port() for _ in range(3)]
    conf.write_text(CONFIGURATION.format(host=socket.gethostname(), user="root", folder=folder, ports=ports))
    monkeypatch.setitem(ENVIRONMENT, "SLURM_CONF", str(conf))
    monkeypatch.setitem(ENVIRONMENT, "MASTER_ADDR", "127.0.0.1")  # of a machine that has no such name
    places = [f"--{name}-file={folder}/munge/{name}" for name in ("key", "log", "pid", "seed")]
    daemons = []
    try:
        for words in (
            ["munged", "--foreground", "--force", f"--socket={folder}/munge/socket", *places],
            ["slurmctld", "-D", "-f", conf],
            ["slurmd", "-D", "-f", conf, "-N", "one"],
            ["slurmd", "-D", "-f", conf, "-N", "two"],
        ):
            with open(folder / f"{words[0]}.log", "ab") as log:
                daemons.append(subprocess.Popen(words, stdout=log, stderr=log, env={**environment, **ENVIRONMENT}))
            until((folder / "munge" / "socket").exists, "munged", 30)
        until(lambda: asked("sinfo", "--noheader", "--format=%T %D") == "idle 2\n", "two machines", 60)
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


def warn(job: str) -> None:
    """`scancel` is told to try an array's task again, though the task has the signal: its next start would get one."""
    asked("timeout", "1", "scancel", "--signal=USR1", job)


def learned(runs: Path, seed: int = 0) -> int:
    """How many rows of metrics the runs of this seed have at most."""
    return max((path.read_text().count("\n") for path in runs.glob(f"*-r{seed}-*/metrics.jsonl")), default=0)


def logs(runs: Path, process: int = 0) -> dict[str, str]:
    """What each job wrote on standard error, at all its starts; by its number in the sweep, or its own without one."""
    end = f"_{process}_log.err"
    paths = (runs / ".submitit").rglob(f"*{end}")
    return {path.name.removesuffix(end).split("_")[-1]: path.read_text() for path in paths}


@jobs
def test_a_sweep_of_jobs_of_which_two_lose_their_machine_ends_as_if_none_had(cluster, settings, train, tmp_path):
    """One is warned by the signal that SLURM sends before it takes a machine, one is taken without a warning."""
    words = [*settings, *LONG, *BASELINE]
    train(*words, "runs=alone", "-m", "replicate=0,1")
    limits = ("hydra.launcher.timeout_min=30", "hydra.launcher.array_parallelism=2")
    sweep = start("train", *SWEEP, *limits, *words, "replicate=0,1,2,3", cwd=tmp_path)
    taken = {0: warn, 1: lambda job: asked("scontrol", "requeue", job)}

    def all_taken() -> bool:
        for seed in [seed for seed in taken if learned(tmp_path / "runs", seed) > 2]:
            taken.pop(seed)(job(seed))
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
    said = logs(tmp_path / "runs")
    print(ended.stderr, *said.values())
    assert said["0"].count("stopped after update") == 1
    assert said["0"].count("goes back into the queue") == 1
    for seed in ("0", "1"):
        assert "DUE TO JOB REQUEUE" in said[seed]
        assert "resuming after" in said[seed]
    for run, alone in zip(folders[:2], run_folders(tmp_path / "alone"), strict=True):
        assert same_bits(run, alone)
        for name in ("metrics.jsonl", "predictions-id.jsonl", "predictions-ood.jsonl"):
            assert (run / name).read_bytes() == (alone / name).read_bytes()


@jobs
def test_a_run_that_comes_to_its_time_limit_goes_on_by_itself(cluster, settings, train, one, tmp_path):
    """In the middle the limit is set to a minute from then, for which the training is held up, and later set back."""
    words = [*settings, *LONG, *BASELINE]
    train(*words, "runs=alone")
    limits = ("hydra.launcher.timeout_min=30", "hydra.launcher.signal_delay_s=5")
    sweep = start("train", *SWEEP, *limits, *words, cwd=tmp_path)
    until(lambda: learned(tmp_path / "runs") > 2 or sweep.poll() is not None, "a training")
    number = asked("squeue", "--noheader", "--format=%i").strip()
    asked("scancel", "--signal=STOP", number)  # what SLURM warns it wakes
    asked("scontrol", "update", f"JobId={number}", "EndTime=now+60")
    until(lambda: "queue" in logs(tmp_path / "runs")[number], "a way back into the queue")
    asked("scontrol", "update", f"JobId={number}", "TimeLimit=30")
    ended = end(sweep)
    assert ended.returncode == 0, ended.stderr
    (said,) = logs(tmp_path / "runs").values()
    print(said)
    assert "stopped after update" in said
    assert "goes back into the queue" in said
    assert "resuming after" in said
    run = next(path.parent for path in (tmp_path / "runs").glob("*/result.json"))
    assert same_bits(run, one("alone"))
    assert (run / "metrics.jsonl").read_bytes() == (one("alone") / "metrics.jsonl").read_bytes()


@jobs
@pytest.mark.parametrize(("nodes", "tasks"), [(1, 2), (2, 1)])
def test_a_run_of_two_processes_that_slurm_starts_loses_its_machine_and_goes_on(
    nodes, tasks, cluster, settings, train, one, tmp_path
):
    """Both processes end, both start again, to the bits of a run whose processes Lightning starts."""
    words = [*settings, *LONG, *BASELINE, "trainer=ddp", "trainer.accelerator=cpu"]
    train(*words, "runs=alone", "trainer.devices=2")
    shape = (f"hydra.launcher.nodes={nodes}", f"hydra.launcher.tasks_per_node={tasks}", f"trainer.num_nodes={nodes}")
    sweep = start("train", *SWEEP, *shape, *words, f"trainer.devices={tasks}", cwd=tmp_path)
    until(lambda: learned(tmp_path / "runs") > 2 or sweep.poll() is not None, "a training")
    warn(asked("squeue", "--noheader", "--format=%i").strip())
    ended = end(sweep)
    assert ended.returncode == 0, ended.stderr
    (said,), (other,) = (logs(tmp_path / "runs", process).values() for process in (0, 1))
    print(said, other)
    assert said.count("goes back into the queue") == 1
    assert said.count("resuming after") == 1
    assert "Traceback" not in said + other
    run = next(path.parent for path in (tmp_path / "runs").glob("*/result.json"))
    assert same_bits(run, one("alone"))
    for name in ("metrics.jsonl", "predictions-id.jsonl", "predictions-ood.jsonl"):
        assert (run / name).read_bytes() == (one("alone") / name).read_bytes()


@jobs
def test_a_run_that_has_been_back_often_enough_ends(cluster, settings, tmp_path):
    words = [*SWEEP, *settings, *LONG, *BASELINE, "hydra.launcher.max_num_timeout=1"]
    sweep = start("train", *words, cwd=tmp_path)
    until(lambda: learned(tmp_path / "runs") > 2 or sweep.poll() is not None, "a training")
    warn("1")
    until(lambda: "resuming after" in logs(tmp_path / "runs")["1"] or sweep.poll() is not None, "a way back")
    rows = learned(tmp_path / "runs")
    until(lambda: learned(tmp_path / "runs") > rows or sweep.poll() is not None, "a training")
    warn("1")
    ended = end(sweep)
    (said,) = logs(tmp_path / "runs").values()
    print(said, ended.stderr)
    assert said.count("goes back into the queue") == 1
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("error: stopped after update")
    assert "job 1 has been back in the queue 1 times, as hydra.launcher.max_num_timeout allows" in ended.stderr
    assert "Traceback" not in ended.stderr


@jobs
def test_a_failed_run_of_a_sweep_is_told_in_words_and_the_others_stay(cluster, settings, tmp_path):
    ended = end(start("train", *SWEEP, *settings, *BASELINE, "optim.lr=0.001,1e30,0.002", cwd=tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-2].startswith("Error executing job with overrides")
    assert "'optim.lr=1e+30'" in ended.stderr.splitlines()[-2]
    assert ended.stderr.splitlines()[-1].startswith("error: the loss is nan at update")
    assert "Traceback" not in ended.stderr
    assert "error: the loss is nan at update" in logs(tmp_path / "runs")["1"]
    assert len(list((tmp_path / "runs").glob("*/result.json"))) == 2


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


def test_a_queue_that_refuses_is_quoted(scontrol):
    (scontrol / "answer").write_text("Requested operation is presently disabled")
    refused = slurm.back_into_the_queue(signal.SIGUSR1)
    assert refused == "SLURM does not take job 17 back: Requested operation is presently disabled"


def test_a_job_that_comes_back_for_ever_ends(scontrol, monkeypatch):
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    refused = slurm.back_into_the_queue(signal.SIGUSR1, most=2)
    assert refused == "job 17 has been back in the queue 2 times, as hydra.launcher.max_num_timeout allows"
    assert not (scontrol / "asked").exists()
    assert slurm.back_into_the_queue(signal.SIGUSR1, most=3) == ""
    assert (scontrol / "asked").read_text() == "requeue 17\n"


def test_a_sweep_for_a_queue_is_refused_where_there_is_none(monkeypatch):
    words = ["-m", "hydra/launcher=slurm", "replicate=0,1"]
    monkeypatch.setattr(launching, "which", lambda _name: None)
    with pytest.raises(ConfigError, match="has no sbatch"):
        command.check_command_line(words, write=False)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["hydra.launcher.tasks_per_node=2"], "trainer.devices=1 .* are 1 processes, but 2 are started"),
        (["hydra.launcher.nodes=2"], "1 processes, but 2 are started"),
        (["trainer=ddp", "trainer.devices=2"], "2 processes, but 1 are started"),
        (["trainer=gpu", "trainer.devices=[1,3]"], "2 processes, but 1 are started"),
        (["hydra.launcher.timeout_min=2"], "signal_delay_s=120: with timeout_min=2 SLURM warns a run as it starts"),
        (["hydra.launcher.cpus=2"], "Could not override 'hydra.launcher.cpus'"),
    ],
)
def test_a_job_that_cannot_be_what_its_run_is_is_refused(words, answer, monkeypatch):
    monkeypatch.setattr(launching, "which", lambda name: name)
    with pytest.raises(ConfigError, match=answer):
        command.check_command_line([*SWEEP, *words], write=False)


def test_a_job_may_have_as_many_processes_as_its_run(monkeypatch):
    monkeypatch.setattr(launching, "which", lambda name: name)
    several = ("hydra.launcher.nodes=2", "hydra.launcher.tasks_per_node=2", "trainer=ddp", "trainer.num_nodes=2")
    command.check_command_line([*SWEEP, *several, "trainer.devices=2"], write=False)
    command.check_command_line([*SWEEP, *several], write=False)  # all GPUs, however many there will be


def test_processes_that_are_no_part_of_their_training_are_refused(train):
    refused = train(code=2, SLURM_STEP_NUM_TASKS="2")
    assert "error: trainer.devices=1 and trainer.num_nodes=1 are 1 processes, but 2 are started" in refused.stderr
