"""What a person sees of a training: a bar on a terminal, a line every few seconds elsewhere, all on standard error."""

import sys
import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from composed.console import main_process, say

SECONDS = 10  # between two lines where there is no terminal


class Display:
    """How far a training of `total` updates is that goes on from update `done`; `unit` is what its speed counts.

    Left out: words of other processes than the main one.
    """

    def __init__(self, stage: str, done: int, total: int, unit: str) -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self._first = done
        self._began = self._said = time.monotonic()
        self._bar = None
        if main_process() and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}", style="dim"),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                refresh_per_second=2,
                transient=True,
            )
            self._row = self._bar.add_task(stage, total=total, completed=done, numbers="")
            self._bar.start()

    def update(self, done: int, metrics: Mapping[str, float], amount: int) -> None:
        """`amount` are the units that were processed so far."""
        numbers = f"{_words(metrics)}  {amount / max(1e-9, time.monotonic() - self._began):,.0f} {self.unit}/s"
        if self._bar:
            self._bar.update(self._row, completed=done, numbers=numbers)
        elif time.monotonic() - self._said > SECONDS:
            self._said = time.monotonic()
            say(f"{self.stage}  {done}/{self.total} updates  {numbers}{self._left(done)}")

    def validated(self, done: int, metrics: Mapping[str, float], sample: str) -> None:
        """At a validation, with an example of what the model says now."""
        say(f"{self.stage}  {done}/{self.total} updates  validation {_words(metrics)}{self._left(done)}")
        if sample:
            say(sample)
        self._said = time.monotonic()

    def close(self) -> None:
        if self._bar:
            self._bar.stop()

    def _left(self, done: int) -> str:
        seconds = (time.monotonic() - self._began) / max(1, done - self._first) * (self.total - done)
        return f"  {seconds // 60:.0f}:{seconds % 60:02.0f} left" if done < self.total else ""


def _words(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items())
