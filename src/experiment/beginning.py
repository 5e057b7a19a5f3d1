"""The first updates of a fine-tuning, where runs that agree so far begin: taken from the store, or left there.

What lies there is a checkpoint as training/checkpoints.py writes it, with the metrics so far: a run goes on from it as
one that was stopped does from its own. Left out: where runs part (config/identity.py), what is kept (runs/store.py).
"""

import functools
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from composed.config.identity import beginning, branch, content_key
from composed.datamodules.batching import Examples, Pairs
from composed.errors import DataError
from composed.experiment.fine_tuning import FineTuning
from composed.models.composition import fingerprint
from composed.models.weights import read_weights, save_tensors
from composed.runs.folder import RunFolder, code, processor, versions
from composed.runs.store import Store
from composed.system.console import main_process, say, started_together
from composed.system.files import read_json, read_lines, write_atomically, write_json, write_lines
from composed.tasks.task import Task
from composed.training.checkpoints import (
    BEST,
    LAST,
    Milestone,
    kept_in,
    read_checkpoint,
    updates_done,
    write_checkpoint,
)

WHAT, METRICS, FACTS = "beginning", "metrics.jsonl", "facts.json"
ROW = ("stage", "split", "update")  # of a row of metrics, what is no metric


@dataclass(frozen=True)
class Taken:
    """An entry of the store, read."""

    state: dict[str, Any]  # of the checkpoint
    best: Mapping[str, Tensor] | None  # the weights that were selected so far
    rows: list[dict[str, Any]]  # of metrics
    facts: dict[str, Any]  # updates, seconds, resumed

    def put(self, run: RunFolder, stage: str, metadata: dict[str, str]) -> None:
        """Into a run's folder, as if it had been stopped there; the checkpoint last, which says that all is there."""
        write_lines(run.metrics, [{**row, "stage": stage} for row in self.rows])
        if self.best is not None:
            of_best = {**metadata, "update": str(self.state["best"]["update"])}
            save_tensors(run.checkpoints / BEST, self.best, of_best)
        write_checkpoint(run.checkpoints / LAST, {**self.state, "metadata": metadata})


@dataclass(frozen=True)
class Begun:
    """What a training is told of its beginning.

    milestone: where it leaves its own in the store, or would.
    elsewhere: the seconds that another run spent on it, less those that this one waited.
    resumed: whether that run was stopped meanwhile.
    """

    milestone: Milestone | None = None
    elsewhere: float = 0.0
    resumed: bool = False


@contextmanager
def begun(
    task: Task, tuning: FineTuning, run: RunFolder, *, stage: str, metadata: dict[str, str], loggers: Sequence[Any]
) -> Iterator[Begun]:
    """For the time of a fine-tuning: its beginning is in the run's folder where the store had it; else it is left in
    the store as soon as it is made.

    All ranks have to call; the first one decides.
    """
    config = task.config
    update = branch(config)
    if not update or (config.trainer.num_nodes > 1 and not started_together()):  # whose ranks have no common id
        yield Begun()
    elif main_process():
        with _Leader(task, tuning, run, update, stage, metadata, loggers).begun() as leading:
            run.tell_begun()
            yield leading
    else:
        run.wait_for_beginning()
        yield Begun(Milestone(update, lambda: None))


@dataclass(frozen=True)
class _Leader:
    """The rank that decides; the arguments of `begun`, and the update at which the beginning ends."""

    task: Task
    tuning: FineTuning
    run: RunFolder
    update: int
    stage: str
    metadata: dict[str, str]
    loggers: Sequence[Any]

    @contextmanager
    def begun(self) -> Iterator[Begun]:
        config, asked = self.task.config, time.monotonic()
        done = updates_done(kept_in(self.run.checkpoints, config.trainer.checkpoints))
        if done >= self.update:
            yield Begun(Milestone(self.update, lambda: None))
            return
        store, shape = Store(Path(config.store)), _shape(self.task, self.tuning)

        def write(entry: Path) -> None:
            seconds = round(time.monotonic() - started, 1)
            _leave(self.run, entry, {"updates": self.update, "seconds": seconds, "resumed": done > 0})

        with store.passed_on(WHAT, shape, self._read, write) as (taken, leave):
            started = time.monotonic()
            self.run.beginning.unlink(missing_ok=True)
            if taken is None:
                yield Begun(Milestone(self.update, leave))
            else:
                self._take(taken, f"{WHAT}-{content_key(shape)}", done)
                elsewhere = taken.facts["seconds"] - (started - asked)
                yield Begun(Milestone(self.update, leave), elsewhere, taken.facts["resumed"])
        store.tidy(WHAT, days=config.beginnings.days, gigabytes=config.beginnings.size)

    def _take(self, taken: Taken, entry: str, done: int) -> None:
        """Goes on from what the store has, in the place of the run's own state after `done` updates."""
        taken.put(self.run, self.stage, self.metadata)
        write_json(self.run.beginning, {"entry": entry, **taken.facts})
        say(f"beginning after update {self.update}, which {self.task.config.store}/{entry} has")
        for row in taken.rows:
            metrics = {f"{row['split']}/{name}": value for name, value in row.items() if name not in ROW}
            for logger in self.loggers if row["update"] > done else ():
                logger.log_metrics(metrics, step=row["update"])

    def _read(self, entry: Path) -> Taken:
        """Raises DataError where it is none, or not of this training."""
        try:
            state = read_checkpoint(entry / LAST)
            shapes = [
                {name: value.shape for name, value in weights.items()}
                for weights in (state["model"], self.tuning.training.model.state_dict())
            ]
            fits = state["updates"] == self.update and shapes[0] == shapes[1]
            best = read_weights(entry / BEST)[0] if state["best"] else None
        except DataError:
            raise
        except Exception as error:  # whatever reading bytes of any kind as a checkpoint raises
            raise DataError(f"{entry / LAST} is damaged ({str(error).partition(chr(10))[0] or repr(error)})") from error
        if not fits:
            raise DataError(f"{entry / LAST} is of another training")
        return Taken(state, best, [*read_lines(entry / METRICS)], read_json(entry / FACTS))


def _shape(task: Task, tuning: FineTuning) -> dict[str, Any]:
    """All that the bits of a beginning depend on: the key of the store."""
    gpu = task.config.trainer.accelerator != "cpu" and torch.cuda.is_available()
    return {
        "config": beginning(task.config),
        "start": fingerprint(tuning.training.model.state_dict().values()),
        "vocabulary": task.signature,
        "pairs": [_content(examples) for examples in tuning.train],
        "machine": [processor(), torch.get_num_threads()],
        "gpus": [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())] if gpu else [],
        "versions": versions(),
        "code": code(),
    }


def _content(examples: Examples) -> str:
    """A digest of pairs, some of which a model may have written; "" of images, which their config tells."""
    if not isinstance(examples, Pairs):
        return ""
    return fingerprint(torch.from_numpy(row) for side in (examples.sources, examples.targets) for row in side)


def _leave(run: RunFolder, entry: Path, facts: Mapping[str, Any]) -> None:
    """Copies what the run has now into an entry of the store."""
    for source in (run.metrics, run.checkpoints / BEST, run.checkpoints / LAST):
        if source.exists():
            write_atomically(entry / source.name, functools.partial(shutil.copyfile, source))
    write_json(entry / FACTS, dict(facts))
