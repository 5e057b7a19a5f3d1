"""What a process owes the person at the terminal: words, and an orderly end on Ctrl-C or SIGTERM.

Results go to standard output, everything else to standard error. Of several processes of one training, one speaks.
"""

import ctypes
import os
import signal
import sys

from composed.errors import Interrupted
from composed.printable import printable
from composed.system import processes

SWEEP = "COMPOSED_SWEEP"  # in the environment of a sweep's jobs: the process that started them
TRAINING_ID = "COMPOSED_TRAINING_ID"  # in the environment of a training's processes: which one it is
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")  # which of several processes this one is; 0: the first
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # the latter two: warnings of a queue
_PR_SET_PDEATHSIG = 1


def main_process() -> bool:
    """Whether this is the process that speaks and writes: the only one, or rank 0 of several."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def alone() -> None:
    """For a command that is one process whatever launcher started it: from now on it speaks and writes."""
    os.environ.update({name: "0" for name in RANKS if name in os.environ})


def without_first(*, nodes: int, several: bool) -> str:
    """What in the environment makes this process wait for the first one of a training, though none has started it.

    That is a number left over, or one of a launcher that is not known here. Several `nodes` are started by hand.
    `several`: whether the training has several processes on a machine; Lightning starts none where LOCAL_RANK is set.
    """
    numbers = {name: os.environ[name] for name in RANKS if os.environ.get(name, "0") != "0"}
    if several and "LOCAL_RANK" in os.environ:
        numbers["LOCAL_RANK"] = os.environ["LOCAL_RANK"]
    started = started_together() or os.environ.get(TRAINING_ID) == f"{os.uname().nodename} {os.getppid()}"
    if started or (nodes > 1 and "MASTER_ADDR" in os.environ):
        return ""
    return " ".join(f"{name}={number}" for name, number in numbers.items())


def started_together() -> int:
    """How many processes of this training torchrun or srun started; 0 where the first of them starts the others."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ.get("WORLD_SIZE", "1"))
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    return tasks if tasks > 1 else 0


def awaited() -> bool:
    """Whether the first process of a training started this one and waits for it, deaf to signals, until it has joined.

    Then Ctrl-C, which both get, is the first one's business: it ends this one too.
    """
    return os.environ.get("LOCAL_RANK", "0") != "0" and not started_together() and not processes.joined()


def training_id() -> str:
    """What the processes of one training have in common, and those of no other have; "" where they do not know it."""
    if not started_together():
        if main_process():
            os.environ[TRAINING_ID] = f"{os.uname().nodename} {os.getpid()}"  # which those that it starts inherit
        return os.environ.get(TRAINING_ID, "")
    names = ["SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"]
    if "TORCHELASTIC_RUN_ID" in os.environ:
        names = ["TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_ADDR", "MASTER_PORT"]
    return " ".join(os.environ.get(name, "") for name in names)


def say(line: str) -> None:
    """Writes a line to standard error; it may quote what a model or a program wrote."""
    if main_process():
        print(printable(line), file=sys.stderr, flush=True)


def raise_on_signals() -> None:
    """From now on what asks to stop raises Interrupted, so that locks, files and child processes are cleaned up.

    But not in a process that is `awaited`.
    """

    def interrupt(number: int, _frame: object) -> None:
        if not awaited():
            raise Interrupted(number)

    for number in STOPPING:
        signal.signal(number, interrupt)


def in_sweep() -> bool:
    return SWEEP in os.environ


def end_with_parent() -> None:
    """From now on this process ends when the one that started it does, however that ends (Linux).

    That is a sweep, whose job gets SIGTERM, or the first process of a training: without it nothing can be saved.
    Raises Interrupted where the sweep is gone already.
    """
    if not hasattr(libc := ctypes.CDLL(None), "prctl"):
        return
    if in_sweep() and main_process():
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.environ[SWEEP] != str(os.getppid()):  # which ended before this process could ask
            raise Interrupted(signal.SIGTERM, "the sweep that started this run has ended")
    elif not main_process() and not started_together():
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
