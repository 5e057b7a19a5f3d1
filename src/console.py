"""What a process owes the person at the terminal: words, and an orderly end on Ctrl-C or SIGTERM.

Results go to standard output, everything else to standard error. Of several processes of one training, one speaks.
"""

import os
import signal
import sys

from composed.errors import Interrupted


def main_process() -> bool:
    """Whether this is the process that speaks and writes: the only one, or rank 0 of several."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


def say(line: str) -> None:
    if main_process():
        print(line, file=sys.stderr, flush=True)


def raise_on_signals() -> None:
    """From now on SIGINT and SIGTERM raise Interrupted, so that locks, files and child processes are cleaned up."""

    def interrupt(number: int, _frame: object) -> None:
        raise Interrupted(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
