"""Checkpoints that resume exactly, and survive the death of the process, a full disk and flipped bits.

One is taken between two updates only, so it never holds half of one. It has whole tensors, also where processes share
them out, so that any number of processes goes on from it.
"""

import io
import math
import os
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from composed.errors import DataError, Interrupted
from composed.models.adaptation import merged_state
from composed.models.sharding import gathered, load_optimizer
from composed.models.weights import save_tensors
from composed.system.console import main_process, say
from composed.system.files import write_bytes
from composed.tasks.module import Training
from composed.training.recorder import StopSignals

LAST, BEST = "last.ckpt", "best.safetensors"


@dataclass(frozen=True)
class Milestone:
    """After so many `updates` a checkpoint is written, and then `reached` is called, in the process that writes."""

    updates: int
    reached: Callable[[], None]


class Checkpoints(pl.Callback):
    """`last.ckpt` (weights, optimiser, position) for resuming, `best.safetensors` (the selected weights) for using.

    `last-1.ckpt`, `last-2.ckpt`, ... are the `earlier` ones before it: where a file is damaged (each part of it has a
    CRC-32), the training goes on from the one before.
    Randomness and data order are functions of the update, the learning rate too: a resumed CPU run ends bit-identical.
    """

    def __init__(
        self,
        folder: Path,
        task: Training,
        metadata: dict[str, str],
        signals: StopSignals,
        earlier: int = 1,
        milestone: Milestone | None = None,
    ) -> None:
        self.kept = kept_in(folder, earlier)
        self.last = self.kept[0]
        self.best_path = folder / BEST
        self.milestone = milestone
        self.task = task
        self.metadata = metadata
        self.signals = signals
        self.best: dict[str, float] | None = None  # {"update", "selection"}
        self._state: dict[str, Any] | None = None

    def resume(self) -> None:
        """Takes the model to where the newest good checkpoint left it, if there is any.

        Raises DataError where all of them are damaged, or they are of another vocabulary.
        """
        for left_by_a_killed_process in self.last.parent.glob(".*.tmp") if main_process() else ():
            left_by_a_killed_process.unlink(missing_ok=True)
        damaged = []
        for path in filter(Path.exists, self.kept):
            try:
                state = read_checkpoint(path)
                if state["metadata"]["vocabulary"] != self.metadata["vocabulary"]:
                    raise DataError(f"{path} was trained with another vocabulary, so the data has changed since")
                self.task.model.load_state_dict(state["model"])
            except DataError as error:
                raise DataError(f"cannot resume: {error}. {self._start_over()}") from error
            except Exception as error:
                damaged.append(f"{path} is damaged ({str(error).splitlines()[0] if str(error) else repr(error)})")
                continue
            for damage in damaged:
                say(f"warning: {damage}; going on from {path}")
            self.task.updates, self.best, self._state = state["updates"], state["best"], state
            say(f"resuming after {self.task.updates} of {self.task.optim.updates} updates")
            return
        if damaged:
            raise DataError(f"cannot resume: {'; '.join(damaged)}. {self._start_over()}")

    def _start_over(self) -> str:
        return f"Delete the folder {self.last.parent} to start this training over."

    def on_fit_start(self, trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        if self._state is not None:
            load_optimizer(trainer.optimizers[0], self._state["optimizer"])
            if scaler := self._state.get("scaler"):
                trainer.precision_plugin.load_state_dict(scaler)
            self._state = None

    def on_train_start(self, _trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        self.signals.listen()

    def on_train_batch_end(self, trainer: pl.Trainer, _task: pl.LightningModule, _out, batch, _index: int) -> None:
        optim, done = self.task.optim, batch.update + 1
        if batch.part != optim.accumulate - 1 or done % optim.validate_every == 0 or done == optim.updates:
            return  # in the middle of an update, or a validation comes first and saves
        signal_received = self._signal(trainer)
        if done % optim.checkpoint_every == 0 or signal_received or self._at_milestone(done):
            self._save(trainer, done)
            self._stop_if(signal_received, done)

    def on_validation_end(self, trainer: pl.Trainer, _task: pl.LightningModule) -> None:
        selection = self.task.validation["selection"]
        if self._better(selection):
            self.best = {"update": self.task.updates, "selection": selection}
            weights = gathered(merged_state(self.task.model), keep=trainer.is_global_zero)
            if trainer.is_global_zero:
                save_tensors(self.best_path, weights, {**self.metadata, "update": str(self.task.updates)})
        self._save(trainer, self.task.updates)
        trainer.strategy.barrier()  # what one process saved, the others load
        self._stop_if(self._signal(trainer), self.task.updates)

    def _better(self, selection: float) -> bool:
        """Whether the weights of now are to predict, as far as is known yet: by optim.select."""
        if self.task.optim.select == "last":
            return math.isfinite(selection)
        comparable = self.task.term is None or self.task.composing
        return comparable and (self.best is None or selection < self.best["selection"])

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
        learned = {"model": self.task.model.state_dict(), "optimizer": trainer.optimizers[0].state_dict()}
        learned = gathered(learned, keep=trainer.is_global_zero)
        if not trainer.is_global_zero:
            return
        scaler = trainer.precision_plugin.state_dict()  # of the losses, where gradients are of 16 bits
        state = {**learned, "scaler": scaler, "updates": updates, "best": self.best, "metadata": self.metadata}
        self._age()
        write_checkpoint(self.last, state)
        if self.milestone and self._at_milestone(updates):
            self.milestone.reached()

    def _at_milestone(self, updates: int) -> bool:
        return self.milestone is not None and updates == self.milestone.updates

    def _age(self) -> None:
        """Rotates last -> last-1 -> last-2; last.ckpt exists at every moment."""
        for younger, older in list(zip(self.kept, self.kept[1:], strict=False))[::-1]:
            link = older.with_name(f".{older.name}.tmp")
            with suppress(OSError):  # none yet; a file system without links; a full one, which the next write says
                link.unlink(missing_ok=True)
                os.link(younger, link)
                os.replace(link, older)


def kept_in(folder: Path, earlier: int) -> list[Path]:
    """Where the checkpoints of a training are, the newest first."""
    return [folder / LAST, *(folder / f"last-{age}.ckpt" for age in range(1, earlier + 1))]


def updates_done(kept: Sequence[Path]) -> int:
    """The updates after which the newest good one of some checkpoints was written; 0 where there is none."""
    for path in filter(Path.exists, kept):
        with suppress(Exception):  # damaged, which whoever resumes from it will say
            return int(read_checkpoint(path)["updates"])
    return 0


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Raises ComposedError where it cannot be written."""
    buffer = io.BytesIO()  # torch.save on a full disk would not say that the disk is full
    torch.save(state, buffer)
    write_bytes(path, buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Raises an error of any kind where a bit is not as it was written; nothing in the file is executed."""
    with zipfile.ZipFile(path) as parts:  # PyTorch reads nothing of a part that is marked as a folder
        bad = parts.testzip() or next((part.filename for part in parts.infolist() if part.external_attr), None)
    if bad is not None:
        raise ValueError(f"the checksum of its part {bad} is wrong")
    return torch.load(path, map_location="cpu", weights_only=True)
