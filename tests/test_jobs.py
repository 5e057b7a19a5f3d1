"""Jobs are processes: none takes another down, each keeps its log, and nothing of them outlives the sweep."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from composed.config.decoding import named
from composed.errors import ComposedError, Interrupted
from composed.sweeps import jobs
from composed.sweeps.jobs import Job, as_many_as_fit, run_jobs
from composed.system import processes
from composed.system.console import SWEEP, end_with_parent, raise_on_signals
from tests.test_run_folder import CONFIG

# Stands for `composed-train`: `do` says how it ends, `folder` where it writes. It notes that it ran, and the cores.
STUB = """
import os, pathlib, signal, sys, time
words = dict(word.split("=", 1) for word in sys.argv[1:])
folder = pathlib.Path(words["folder"])
with open(folder / "ran", "a") as file:
    print(os.getpid(), sorted(os.sched_getaffinity(0)), file=file)
def stop(*_):
    (folder / "stopped").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
if words["do"] == "hang":
    (folder / "hanging").touch()
    time.sleep(60)
if words["do"] == "speak":
    print("first", flush=True)
    print("last")
if words["do"] == "wait":
    deadline = time.monotonic() + 30
    while os.sched_getaffinity(0) != os.sched_getaffinity(os.getppid()) and time.monotonic() < deadline:
        time.sleep(0.02)
    (folder / "cores").write_text(str(sorted(os.sched_getaffinity(0))))
if words["do"] == "fail":
    raise RuntimeError("the reason")
if words["do"] == "refuse":
    sys.exit("error: in words\\nand a remedy")
if words["do"] == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if words["do"] == "nothing":
    sys.exit(0)
(folder / "result.json").write_text("{}")
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    stub = tmp_path / "stub.py"
    stub.write_text(STUB)
    monkeypatch.setattr(jobs, "COMMAND", [sys.executable, str(stub)])

    def make(seed: int, do: str = "succeed", redo: bool = False, decoding: str = "greedy") -> Job:
        config = replace(CONFIG, runs=str(tmp_path / "runs"), seed=seed, redo=redo, decoding=named(decoding))
        made = Job((), config)
        return Job((f"do={do}", f"folder={made.folder.path}"), config)

    return make


def times_run(job: Job) -> int:
    path = job.folder.path / "ran"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_jobs_of_one_folder_are_one_run(job, capfd):
    twice = [job(0), job(1), job(0)]
    assert run_jobs(twice, at_a_time=3) == []
    assert [times_run(each) for each in twice] == [1, 1, 1]
    assert "2 done (0 of them before), 0 failed" in capfd.readouterr().err


def test_failed_and_killed_jobs_leave_the_others_and_a_second_call_runs_exactly_those(job, capfd):
    all_jobs = [job(0), job(1, "fail"), job(2), job(3, "die"), job(4)]
    failed = run_jobs(all_jobs, at_a_time=2)
    assert failed == [all_jobs[1], all_jobs[3]]
    assert [each.state for each in all_jobs] == ["done", "failed", "done", "failed", "done"]
    said = capfd.readouterr().err
    assert "3 done (0 of them before), 2 failed" in said
    assert f"exit code 1\n    RuntimeError: the reason\n    log: {all_jobs[1].folder.log}" in said
    assert "killed by SIGKILL" in said
    assert "Traceback" in all_jobs[1].folder.log.read_text()
    mended = [job(seed) for seed in range(5)]
    assert run_jobs(mended) == []
    assert [times_run(each) for each in mended] == [1, 2, 1, 2, 1]
    assert not mended[1].folder.failed.exists()


def test_what_failed_is_retried_only_when_asked(job):
    first = job(0, "fail")
    run_jobs([first])
    assert run_jobs([job(0), job(1)], retry_failed=False) == [job(0)]
    assert (times_run(job(0)), times_run(job(1))) == (1, 1)
    assert run_jobs([job(0)]) == []


def test_an_error_in_words_is_told_and_an_end_without_a_result_is_a_failure(job, capfd):
    assert len(run_jobs([job(0, "refuse"), job(1, "nothing")])) == 2
    said = capfd.readouterr().err
    assert "exit code 1\n    error: in words" in said
    assert "exit code 0" in said


def test_the_words_of_an_earlier_failure_are_not_those_of_this_one(job, capfd):
    run_jobs([job(0, "refuse")])
    capfd.readouterr()
    (failed,) = run_jobs([job(0, "die")])
    assert "killed by SIGKILL" in failed.failure()
    assert "in words" not in failed.failure()


def test_by_default_each_core_has_a_run_as_far_as_memory_reaches(job, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2})
    for free, fit in ((9.5, 3), (2.5, 2), (0.1, 1)):
        monkeypatch.setattr(processes, "free_memory", lambda free=free: free * jobs.MEMORY)
        assert as_many_as_fit([job(0), job(1)]) == fit


@pytest.mark.parametrize(
    "group", [{"profile": {"name": "paper"}}, {"trainer": {"accelerator": "gpu"}}, {"trainer": {"devices": 2}}]
)
def test_large_runs_and_those_on_other_devices_are_alone_by_default(job, group):
    ((name, keys),) = group.items()
    config = replace(CONFIG, **{name: replace(getattr(CONFIG, name), **keys)})
    assert as_many_as_fit([job(0), Job((), config)]) == 1


def test_what_jobs_say_is_told_behind_their_names_where_it_is_asked_for(job, capfd):
    (job(0).folder.path).mkdir(parents=True)
    job(0).folder.log.write_text("of an earlier start\n")
    run_jobs([job(0, "speak"), job(1, "speak"), job(0, decoding="beam")], at_a_time=2, follow=True)
    said = [line for line in capfd.readouterr().err.splitlines() if " | " in line]
    mode = CONFIG.finetuning.name
    names = [each.name for each in (job(0), job(1), job(0, decoding="beam"))]
    width = max(map(len, names))
    assert sorted(said) == sorted(f"{name:{width}} | {word}" for name in names[:2] for word in ("first", "last"))
    run_jobs([job(2, "speak")])
    assert " | " not in capfd.readouterr().err
    run_jobs([job(2, "speak", redo=True)], follow=True)
    assert f"{mode} | last" in capfd.readouterr().err


def test_the_last_jobs_have_all_cores_for_what_they_start(job):
    """Such as the judge's compilers: the core of a job that has ended, with none waiting for it, is theirs."""
    run_jobs([job(0, "wait"), job(1)], at_a_time=2)
    waited = job(0).folder.path / "cores"
    assert set(eval(waited.read_text())) == os.sched_getaffinity(0)


def test_a_folder_that_cannot_be_made_is_named(job, tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(ComposedError, match=r"cannot write .*log\.txt: Not a directory"):
        run_jobs([job(0)])


def test_redo_runs_what_is_done(job):
    run_jobs([job(0)])
    run_jobs([job(0, redo=True)])
    assert times_run(job(0)) == 2


def test_nothing_to_do_starts_nothing(job, capfd):
    run_jobs([job(0)])
    capfd.readouterr()
    run_jobs([job(0)])
    assert capfd.readouterr().err == "1 done (1 of them before), 0 failed\n"


def test_jobs_at_the_same_time_share_the_cores(job):
    run_jobs([job(0), job(1)], at_a_time=2)
    cores = [set(eval((job(seed).folder.path / "ran").read_text().split(maxsplit=1)[1])) for seed in (0, 1)]
    available = os.sched_getaffinity(0)
    assert all(len(each) == max(1, len(available) // 2) for each in cores)
    assert len(available) == 1 or not cores[0] & cores[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_job_in_order_and_starts_no_other(job, number):
    all_jobs = [job(0, "hang"), job(1, "hang"), job(2)]

    def interrupt() -> None:
        while not all((each.folder.path / "hanging").exists() for each in all_jobs[:2]):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    before = [(each, signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(target=interrupt)
    try:
        raise_on_signals()
        thread.start()
        with pytest.raises(Interrupted):
            run_jobs(all_jobs, at_a_time=2)
    finally:
        thread.join()
        for each, handler in before:
            signal.signal(each, handler)
    assert [each.state for each in all_jobs] == ["stopped", "stopped", "missing"]
    for each in all_jobs[:2]:
        assert (each.folder.path / "stopped").exists()
        pid = int((each.folder.path / "ran").read_text().split()[0])
        assert not Path(f"/proc/{pid}").exists()


def test_a_job_ends_with_its_sweep_even_where_that_is_killed(tmp_path):
    """What `composed-train` asks for: SIGTERM when the process that started it is gone."""
    child = (
        "import pathlib, signal, sys, time; from composed.system.console import end_with_parent\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path('ended').touch()))\n"
        "end_with_parent(); pathlib.Path('ready').touch(); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys, time; from composed.system.console import SWEEP\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], env={{**os.environ, SWEEP: str(os.getpid())}})\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path) as process:
        while not (tmp_path / "ready").exists():
            time.sleep(0.02)
        process.kill()
    deadline = time.monotonic() + 30
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_whose_sweep_is_gone_before_it_could_ask_does_not_begin(monkeypatch):
    """It is another's child by then, and nobody would end it."""
    monkeypatch.setenv(SWEEP, "1" if os.getppid() != 1 else "2")
    monkeypatch.setattr("ctypes.CDLL", lambda _name: SimpleNamespace(prctl=lambda *_: 0))
    with pytest.raises(Interrupted, match="the sweep that started this run has ended"):
        end_with_parent()
    monkeypatch.setenv(SWEEP, str(os.getppid()))
    end_with_parent()


def test_what_decodes_the_weights_of_another_run_comes_after_all_trainings(job, capsys):
    run_jobs([job(0, decoding="beam"), job(0), job(1, decoding="beam"), job(1)])
    order = [line.split()[1] for line in capsys.readouterr().err.splitlines() if line.startswith("started")]
    trainings = {job(0).name, job(1).name}
    assert [name in trainings for name in order] == [True, True, False, False]
