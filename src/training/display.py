"""What a person sees of a training: a bar on a terminal, a line every few seconds elsewhere, all on standard error."""

import sys
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from composed.system.console import main_process, say

SECONDS = 10  # between two lines where there is no terminal
FIRST = 2  # before the first, which says how long it will take


class Display:
    """How far a training of `total` updates is that goes on from update `done`; `unit` is what its speed counts.

    `changes` are updates from which on an update takes other time, such as that of the first with the composed loss.
    Before the last of them nobody knows how long the rest takes, so what is told is the time to the next.
    Left out: words of other processes than the main one.
    """

    def __init__(self, stage: str, done: int, total: int, unit: str, changes: Sequence[int] = ()) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self._ends = sorted({change for change in changes if done < change < total} | {total})
        self._first = done  # of the updates that take as long as this one
        self._began = self._since = time.monotonic()
        self._said = self._began - SECONDS + FIRST
        self._told = False  # whether any validation was
        self._bar = None
        if main_process() and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}", style="dim"),
                TextColumn("{task.fields[left]}"),
                console=Console(stderr=True),
                refresh_per_second=2,
                transient=True,
            )
            self._row = self._bar.add_task(stage, total=total, completed=done, numbers="", left="")
            self._bar.start()

    def update(self, done: int, metrics: Mapping[str, float], amount: int) -> None:
        """`amount` are the units that were processed so far."""
        self._reached(done)
        numbers = f"{_words(metrics)}  {amount / max(1e-9, time.monotonic() - self._began):,.0f} {self.unit}/s"
        if self._bar:
            self._bar.update(self._row, completed=done, numbers=numbers, left=self._left(done).strip())
        elif time.monotonic() - self._said > SECONDS:
            self._said = time.monotonic()
            say(f"{self.stage}  {done}/{self.total} updates  {numbers}{self._left(done)}")

    def validated(self, done: int, metrics: Mapping[str, float], sample: str) -> None:
        """At a validation, with an example of what the model says now; those in quick succession are not told."""
        self._reached(done)
        left = self._left(done)
        if self._told and done < self.total and not sample and time.monotonic() - self._said <= SECONDS:
            return
        say(f"{self.stage}  {done}/{self.total} updates  validation {_words(metrics)}{left}")
        if sample:
            say(sample)
        self._said, self._told = time.monotonic(), True

    def close(self) -> None:
        if self._bar:
            self._bar.stop()

    def _left(self, done: int) -> str:
        end = self._ends[0]
        if done == end or done == self._first:
            return ""
        left = clock((time.monotonic() - self._since) / (done - self._first) * (end - done))
        return (
            f"  {left} left" if end == self.total else f"  {left} to update {end}; from there on they take other time"
        )

    def _reached(self, done: int) -> None:
        while done >= self._ends[0] < self.total:
            del self._ends[0]
            self._first, self._since = done, time.monotonic()


def clock(seconds: float) -> str:
    """As 0:59, 1:00, 1:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _words(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items())
