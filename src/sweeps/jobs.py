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
from composed.system.console import SWEEP, say
from composed.system.files import read_json, write_json, writing

COMMAND = [sys.executable, "-m", "composed.cli.train"]
POLL_SECONDS = 0.2
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


def run_jobs(jobs: Sequence[Job], *, at_a_time: int = 1, retry_failed: bool = True) -> list[Job]:
    """Runs what is not done, `at_a_time` of them with as large a share of the processor's cores each.

    Jobs of one folder, such as those of replicate=0,0, are one run. Those that decode the weights of another run come
    last, so that none stands waiting for it.
    Returns the jobs that are failed then; with `retry_failed` false, those that had failed before are not run again.
    On Interrupted every job is told to stop, writes its checkpoint and ends; a second one kills them.
    """
    jobs = [*{job.folder.path: job for job in jobs}.values()]
    states = [job.state for job in jobs]
    left = {"missing", "stopped"} | ({"failed"} if retry_failed else set())
    todo = [job for job, state in zip(jobs, states, strict=True) if state in left or job.config.redo]
    todo.sort(key=lambda job: not isinstance(job.config.decoding, Greedy))
    slots: list[tuple[Job, subprocess.Popen[bytes], float] | None] = [None] * min(at_a_time, max(1, len(todo)))
    shares = _shares(len(slots))
    waiting, ended = todo[::-1], 0
    if todo:
        say(f"{len(todo)} of {len(jobs)} runs to do, {len(slots)} at a time with {len(shares[0])} cores each")
    try:
        while waiting or any(slots):
            for index, slot in enumerate(slots):
                if slot is not None and slot[1].poll() is not None:
                    job, process, began = slot
                    slots[index], ended = None, ended + 1
                    _kill(process)  # what it left behind, such as the helpers of a killed training
                    word = _conclude(job, process.returncode)
                    say(f"[{ended}/{len(todo)}] {word}  {job.name}  {_clock(time.monotonic() - began)}")
                if slots[index] is None and waiting:
                    job = waiting.pop()
                    slots[index] = job, _start(job, shares[index]), time.monotonic()
                    say(f"started  {job.name}  log: {job.folder.log}")
            time.sleep(POLL_SECONDS)
    finally:
        _stop([slot[1] for slot in slots if slot is not None])
    failed = [job for job in jobs if job.state == "failed"]
    done = sum(job.state == "done" for job in jobs)
    say(f"{done} done ({states.count('done')} of them before), {len(failed)} failed" + "".join(
        f"\n  {job.failure()}" for job in failed
    ))  # fmt: skip
    return failed


def _start(job: Job, cores: set[int]) -> subprocess.Popen[bytes]:
    with writing(job.folder.log):
        job.folder.path.mkdir(parents=True, exist_ok=True)
        job.folder.failed.unlink(missing_ok=True)
        with open(job.folder.log, "ab") as log:
            log.write(f"{BEGUN}{shlex.join(job.overrides)}\n".encode())
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
    return process


def _conclude(job: Job, code: int) -> str:
    """One word for an ended job; a failed one is written down."""
    if code == 0 and job.folder.finished():
        return "done   "
    log = job.folder.log.read_text(encoding="utf-8", errors="replace")
    lines = log[log.rfind(BEGUN) :].splitlines()  # of this start; an earlier one may have failed for other reasons
    reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    said = next((line for line in lines[::-1] if line.startswith("error: ")), lines[-1].strip())
    write_json(job.folder.failed, {"reason": reason, "said": said})
    return "failed "


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
