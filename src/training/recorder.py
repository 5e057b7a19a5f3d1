"""What surrounds the updates: metrics on disk, a signal that is remembered. Left out: checkpoints, the display."""

import json
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed

from composed.errors import Interrupted
from composed.system.console import STOPPING, awaited, main_process, say
from composed.system.files import write_text, writing
from composed.tasks.module import Training
from composed.training.display import Display


class StopSignals:
    """While active, what asks to stop is remembered in `received`, not acted upon; a second SIGINT acts at once."""

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> "StopSignals":
        self._before = {number: signal.getsignal(number) for number in STOPPING}
        self.listen()
        return self

    def listen(self) -> None:
        """Takes the signals, again where somebody took them meanwhile (Lightning does when a fit starts)."""
        for number in self._before:
            signal.signal(number, self._note)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: object) -> None:
        if self.received and number == signal.SIGINT and not awaited():
            raise Interrupted(number, "stopped in the middle of an update; the last checkpoint stays")
        self.received = number
        say("stopping after this update; a checkpoint is being written")


class Recorder(pl.Callback):
    """Rows of metrics into `metrics.jsonl`, flushed one by one, to the loggers, and to the person who waits.

    A resumed training first drops the rows after its checkpoint: each update is in the file once. `sample` tells in
    words, at the first and the last validation, what the model says on an example; all ranks ask it.
    """

    def __init__(
        self,
        path: Path,
        task: Training,
        stage: str,
        loggers: Sequence[Any],
        sample: Callable[[Training], str] | None = None,
        every: int = 10,
    ) -> None:
        self.path = path
        self.task = task
        self.stage = stage
        self.loggers = loggers
        self.sample = sample
        self.every = every

    def start(self) -> None:
        """Opens the file for the update that the task is at."""
        self._amount = 0
        self._first = True
        if not main_process():
            return
        kept = []
        if self.path.exists():
            rows = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if row.endswith("\n") and json.loads(row)["update"] <= self.task.updates]
        write_text(self.path, "".join(kept))
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115  (closed by `stop`)
        self._display = Display(
            self.stage, self.task.updates, self.task.optim.updates, self.task.loss.unit, self.task.changes
        )

    def stop(self) -> None:
        if main_process():
            self._display.close()
            with suppress(OSError):  # of a row that did not get onto a full disk, which was said
                self._file.close()

    def on_train_batch_end(self, trainer: pl.Trainer, _task: pl.LightningModule, _out, batch, _index: int) -> None:
        done = batch.update + 1
        if batch.part != self.task.optim.accumulate - 1:
            return
        self._amount += batch.tokens
        if done % self.every == 0:
            metrics = self._over_processes(trainer)
            self._record(trainer, "training", done, {**metrics, "lr": self.task.rate(batch.update)})
            if trainer.is_global_zero:
                self._display.update(done, metrics, self._amount)

    def _over_processes(self, trainer: pl.Trainer) -> dict[str, float]:
        """The metrics of the update: means over its micro-batches on all ranks."""
        metrics = self.task.train_metrics
        if trainer.world_size == 1:
            return {name: float(total) / float(amount) for name, (total, amount) in metrics.items()}
        sums = torch.tensor([[float(number) for number in pair] for pair in metrics.values()], dtype=torch.float64)
        sums = sums.to(trainer.strategy.root_device)
        torch.distributed.all_reduce(sums)
        return dict(zip(metrics, (sums[:, 0] / sums[:, 1]).tolist(), strict=True))

    def on_validation_end(self, trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        self._record(trainer, "validation", self.task.updates, self.task.validation)
        wanted = self._first or self.task.updates == self.task.optim.updates
        sample = self.sample(self.task) if self.sample and wanted else ""
        self._first = False
        if trainer.is_global_zero:
            told = {name: value for name, value in self.task.validation.items() if name != "selection"}
            self._display.validated(self.task.updates, told, sample)

    def _record(self, trainer: pl.Trainer, split: str, update: int, metrics: dict[str, float]) -> None:
        if not trainer.is_global_zero:
            return
        with writing(self.path):
            self._file.write(json.dumps({"stage": self.stage, "split": split, "update": update, **metrics}) + "\n")
            self._file.flush()
        for logger in self.loggers:
            logger.log_metrics({f"{split}/{name}": value for name, value in metrics.items()}, step=update)
