"""What surrounds the updates: checkpoints that resume exactly, metrics on disk, a stop on a signal.

A checkpoint is taken between two updates only, so it never holds half of one. Left out: more than `last` and `best`.
"""

import io
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from composed.console import main_process, say
from composed.errors import DataError, Interrupted
from composed.files import write_bytes, write_text
from composed.models.weights import save_weights
from composed.tasks.display import Display
from composed.tasks.sequence import SequenceTask


class StopSignals:
    """While active, SIGINT and SIGTERM are remembered in `received`, not acted upon; a second SIGINT acts at once."""

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> "StopSignals":
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
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
        if self.received and number == signal.SIGINT:
            raise Interrupted(number, "stopped in the middle of an update; the last checkpoint stays")
        self.received = number
        say("stopping after this update; a checkpoint is being written")


class Checkpoints(pl.Callback):
    """`last.ckpt` (weights, optimiser, position) for resuming, `best.safetensors` (weights) for using.

    Randomness and data order are functions of the update, the learning rate too: a resumed CPU run ends bit-identical.
    """

    def __init__(self, folder: Path, task: SequenceTask, metadata: dict[str, str], signals: StopSignals) -> None:
        self.last = folder / "last.ckpt"
        self.best_path = folder / "best.safetensors"
        self.task = task
        self.metadata = metadata
        self.signals = signals
        self.best: dict[str, float] | None = None  # {"update", "selection"}
        self._state: dict[str, Any] | None = None

    def resume(self) -> None:
        """Takes the model to where `last.ckpt` left it, if there is one."""
        if not self.last.exists():
            return
        try:
            state = torch.load(self.last, map_location="cpu", weights_only=True)
            if state["metadata"] != self.metadata:
                raise ValueError("it was trained with another vocabulary, so the data has changed since")
            self.task.model.load_state_dict(state["model"])
        except Exception as error:
            raise DataError(
                f"cannot resume from {self.last}: {error}. Delete that file to start this training over."
            ) from error
        self.task.updates, self.best, self._state = state["updates"], state["best"], state["optimizer"]
        say(f"resuming after {self.task.updates} of {self.task.optim.updates} updates")

    def on_fit_start(self, trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        if self._state is not None:
            trainer.optimizers[0].load_state_dict(self._state)
            self._state = None

    def on_train_start(self, _trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        self.signals.listen()

    def on_train_batch_end(self, trainer: pl.Trainer, _task: pl.LightningModule, _out, batch, _index: int) -> None:
        optim, done = self.task.optim, batch.update + 1
        if batch.part != optim.accumulate - 1 or done % optim.validate_every == 0 or done == optim.updates:
            return  # in the middle of an update, or a validation comes first and saves
        signal_received = self._signal(trainer)
        if done % optim.checkpoint_every == 0 or signal_received:
            self._save(trainer, done)
            self._stop_if(signal_received, done)

    def on_validation_end(self, trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        selection = self.task.validation["selection"]
        comparable = self.task.through is None or self.task.composing
        if comparable and (self.best is None or selection < self.best["selection"]):
            self.best = {"update": self.task.updates, "selection": selection}
            if trainer.is_global_zero:
                save_weights(self.best_path, self.task.model, {**self.metadata, "update": str(self.task.updates)})
        self._save(trainer, self.task.updates)
        trainer.strategy.barrier()  # what one process saved, the others load
        self._stop_if(self._signal(trainer), self.task.updates)

    def _signal(self, trainer: pl.Trainer) -> int:
        """The signal that any process of this training received, the same number in all of them; 0: none."""
        if trainer.world_size == 1:
            return self.signals.received
        received = torch.tensor(self.signals.received, device=trainer.strategy.root_device)
        return int(trainer.strategy.reduce(received, reduce_op="max"))

    def _stop_if(self, signal_received: int, done: int) -> None:
        if signal_received:
            updates = self.task.optim.updates
            raise Interrupted(signal_received, f"stopped after update {done} of {updates}; saved {self.last}")

    def _save(self, trainer: pl.Trainer, updates: int) -> None:
        if not trainer.is_global_zero:
            return
        state = {
            "model": self.task.model.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "updates": updates,
            "best": self.best,
            "metadata": self.metadata,
        }
        buffer = io.BytesIO()  # torch.save on a full disk would not say that the disk is full
        torch.save(state, buffer)
        write_bytes(self.last, buffer.getbuffer())


class Recorder(pl.Callback):
    """Rows of metrics into `metrics.jsonl`, flushed one by one, to the loggers, and to the person who waits.

    A resumed training first drops the rows after its checkpoint: each update is in the file once. `sample` tells in
    words, at every validation, what the model says on an example.
    """

    def __init__(
        self,
        path: Path,
        task: SequenceTask,
        stage: str,
        loggers: Sequence[Any],
        sample: Callable[[], str] | None = None,
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
        if not main_process():
            return
        kept = []
        if self.path.exists():
            rows = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if row.endswith("\n") and json.loads(row)["update"] <= self.task.updates]
        write_text(self.path, "".join(kept))
        self._file = open(self.path, "a", encoding="utf-8")  # noqa: SIM115  (closed by `stop`)
        self._display = Display(self.stage, self.task.updates, self.task.optim.updates, self.task.unit)

    def stop(self) -> None:
        if main_process():
            self._display.close()
            self._file.close()

    def on_train_batch_end(self, trainer: pl.Trainer, _task: pl.LightningModule, _out, batch, _index: int) -> None:
        done = batch.update + 1
        if batch.part != self.task.optim.accumulate - 1:
            return
        self._amount += batch.tokens
        if done % self.every == 0:
            metrics = {name: float(value) for name, value in self.task.train_metrics.items()}
            self._record(trainer, "training", done, {**metrics, "lr": self.task.rate(batch.update)})
            if trainer.is_global_zero:
                self._display.update(done, metrics, self._amount)

    def on_validation_end(self, trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        self._record(trainer, "validation", self.task.updates, self.task.validation)
        if trainer.is_global_zero:
            told = {name: value for name, value in self.task.validation.items() if name != "selection"}
            self._display.validated(self.task.updates, told, self.sample() if self.sample else "")

    def _record(self, trainer: pl.Trainer, split: str, update: int, metrics: dict[str, float]) -> None:
        if not trainer.is_global_zero:
            return
        self._file.write(json.dumps({"stage": self.stage, "split": split, "update": update, **metrics}) + "\n")
        self._file.flush()
        for logger in self.loggers:
            logger.log_metrics({f"{split}/{name}": value for name, value in metrics.items()}, step=update)
