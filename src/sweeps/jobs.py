"""Several runs as processes of their own, some at a time: none takes another down, and a summary names every end.

What a job says is in its run's folder, in log.txt; one that fails leaves failed.json there until it runs again.
Left out: which runs (`table.py`, `launcher/`), and other machines.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from composed.config import Config
from composed.config.decoding import Greedy
from composed.runs.folder import RunFolder
from composed.system import processes
from composed.system.console import SWEEP, say
from composed.system.files import read_json, write_json, writing

COMMAND = [sys.executable, "-m", "composed.cli.train"]
POLL_SECONDS = 0.2
MEMORY = 2e9  # bytes that a run of profile=quick may take: what they were seen to take, and room
BEGUN = "$ composed-train "  # how the log of each start begins


@dataclass(frozen=True)
class Job:
    """One `composed-train` with these overrides; `config` is what they resolve to."""

    overrides: tuple[str, ...]
    config: Config

    @cached_property
    def folder(self) -> RunFolder:
        return RunFolder.of(self.config)

    @property
    def state(self) -> str:
        """`done`, `failed`, `stopped` (begun, and no reason not to go on), or `missing`."""
        if self.folder.finished():
            return "done"
        if self.folder.failed.exists():
            return "failed"
        return "stopped" if self.folder.path.exists() else "missing"

    @property
    def name(self) -> str:
        return self.folder.path.name

    def failure(self) -> str:
        """What is known of a failed job: how it ended, its last words, and where all of them are."""
        known = read_json(self.folder.failed)
        return f"{self.name}: {known['reason']}\n    {known['said']}\n    log: {self.folder.log}"


def as_many_as_fit(jobs: Sequence[Job]) -> int:
    """How many at a time finish soonest: on CPUs one for each core, as far as there is memory for them; else one.

    A small model hardly gains from a second thread, so that a core for each run does more. One where a run asks for a
    GPU, for several devices or for the published size, which are for the person to share out.
    """
    small = all(
        (job.config.trainer.accelerator, job.config.trainer.several_devices) == ("cpu", False)
        and job.config.profile.name != "paper"
        for job in jobs
    )
    if not small:
        return 1
    return max(1, min(len(os.sched_getaffinity(0)), int(processes.free_memory() / MEMORY)))


def run_jobs(jobs: Sequence[Job], *, at_a_time: int = 1, retry_failed: bool = True, follow: bool = False) -> list[Job]:
    """Runs what is not done, `at_a_time` of them with as large a share of the processor's cores each.

    Jobs of one folder, such as those of replicate=0,0, are one run. Those that decode the weights of another run come
    last, so that none stands waiting for it.
    Returns the jobs that are failed then; with `retry_failed` false, those that had failed before are not run again.
    With `follow`, what every job says is said here too, with the name of its mode before it.
    On Interrupted every job is told to stop, writes its checkpoint and ends; a second one kills them.
    """
    jobs = [*{job.folder.path: job for job in jobs}.values()]
    states = [job.state for job in jobs]
    left = {"missing", "stopped"} | ({"failed"} if retry_failed else set())
    todo = [job for job, state in zip(jobs, states, strict=True) if state in left or job.config.redo]
    todo.sort(key=lambda job: not isinstance(job.config.decoding, Greedy))
    if todo:
        at_a_time = min(at_a_time, len(todo))
        cores = len(_shares(at_a_time)[0])
        say(f"{len(todo)} of {len(jobs)} runs to do, {at_a_time} at a time with {cores} cores each")
        _work_off(todo, at_a_time=at_a_time, follow=follow)
    failed = [job for job in jobs if job.state == "failed"]
    done = sum(job.state == "done" for job in jobs)
    say(f"{done} done ({states.count('done')} of them before), {len(failed)} failed" + "".join(
        f"\n  {job.failure()}" for job in failed
    ))  # fmt: skip
    return failed


@dataclass
class _Running:
    """A job that was started, and how much of its log was told."""

    job: Job
    process: subprocess.Popen[bytes]
    label: str
    began: float
    told: int  # bytes

    def tell(self) -> None:
        """Says the lines that its log has gained."""
        with open(self.job.folder.log, "rb") as log:
            log.seek(self.told)
            gained = log.read()
        whole = gained[: gained.rfind(b"\n") + 1]
        self.told += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            say(f"{self.label} | {line}")


def _work_off(todo: Sequence[Job], *, at_a_time: int, follow: bool) -> None:
    slots: list[_Running | None] = [None] * at_a_time
    shares, labels = _shares(at_a_time), _labels(todo)
    waiting, ended = [*zip(todo, labels, strict=True)][::-1], 0
    try:
        while waiting or any(slots):
            for index, running in enumerate(slots):
                if running is not None:
                    finished = running.process.poll() is not None
                    if follow:
                        running.tell()
                    if finished:
                        slots[index], ended = None, ended + 1
                        say(f"[{ended}/{len(todo)}] {_conclude(running)}")
                if slots[index] is None and waiting:
                    slots[index] = started = _start(*waiting.pop(), shares[index])
                    say(f"started  {started.job.name}  log: {started.job.folder.log}")
                elif slots[index] is None and running is not None:
                    _widen([other for other in slots if other is not None])
            time.sleep(POLL_SECONDS)
    finally:
        _stop([running.process for running in slots if running is not None])


def _widen(left: Sequence[_Running]) -> None:
    """Lets the last jobs have all cores for what they start from now on, such as the judge's compilers."""
    for running in left:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(running.process.pid, _shares(1)[0])


def _labels(jobs: Sequence[Job]) -> list[str]:
    """Of each job its mode, the replicate where there are several, its whole name where that does not tell."""
    names = [job.config.finetuning.name for job in jobs]
    if len({*names}) < len(names):
        names = [f"{name} r{job.config.replicate}" for name, job in zip(names, jobs, strict=True)]
    if len({*names}) < len(names):
        names = [job.name for job in jobs]
    return [name.ljust(max(map(len, names))) for name in names]


def _start(job: Job, label: str, cores: set[int]) -> _Running:
    with writing(job.folder.log):
        job.folder.path.mkdir(parents=True, exist_ok=True)
        job.folder.failed.unlink(missing_ok=True)
        with open(job.folder.log, "ab") as log:
            log.write(f"{BEGUN}{shlex.join(job.overrides)}\n".encode())
            begun = log.tell()
    with open(job.folder.log, "ab") as log:
        process = subprocess.Popen(
            [*COMMAND, *job.overrides],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, SWEEP: str(os.getpid())},
            start_new_session=True,  # Ctrl-C reaches it once, through this process
        )
    os.sched_setaffinity(process.pid, cores)  # long before it loads what counts the cores
    return _Running(job, process, label, time.monotonic(), begun)


def _conclude(running: _Running) -> str:
    """How a job ended, and after how long; a failed one is written down."""
    _kill(running.process)  # what it left behind, such as the helpers of a killed training
    job, code = running.job, running.process.returncode
    fine = code == 0 and job.folder.finished()
    if not fine:
        _write_failure(job, code)
    return f"{'done   ' if fine else 'failed '}  {job.name}  {_clock(time.monotonic() - running.began)}"


def _write_failure(job: Job, code: int) -> None:
    log = job.folder.log.read_text(encoding="utf-8", errors="replace")
    lines = log[log.rfind(BEGUN) :].splitlines()  # of this start; an earlier one may have failed for other reasons
    reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    said = next((line for line in lines[::-1] if line.startswith("error: ")), lines[-1].strip())
    write_json(job.folder.failed, {"reason": reason, "said": said})


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Each writes a checkpoint first; whatever makes this function end, nothing of them is left."""
    try:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _shares(count: int) -> list[set[int]]:
    """The cores of each of so many jobs: disjoint, where there are enough."""
    cores = sorted(os.sched_getaffinity(0))
    size = max(1, len(cores) // count)
    return [{cores[(index * size + i) % len(cores)] for i in range(size)} for index in range(count)]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
