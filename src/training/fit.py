"""One training from its checkpoint to its last update: Lightning does the loop, the devices and the processes."""

import itertools
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.strategies import ModelParallelStrategy
from torch.utils.data import DataLoader

from composed.config.trainer import Trainer
from composed.datamodules.batching import Batch, Examples, Updates, plan
from composed.errors import ConfigError, Interrupted, TrainingError
from composed.models.adaptation import merge_low_rank
from composed.models.sequence import SequenceModel
from composed.models.weights import load_weights
from composed.tasks.module import Training
from composed.training.checkpoints import Checkpoints, Milestone
from composed.training.recorder import Recorder, StopSignals

for name in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)


class Data(pl.LightningDataModule):
    """Each Lightning epoch is the updates up to the next validation, counted from the task's position."""

    def __init__(self, task: Training, train: Sequence[Examples], val: Examples, denoising: Examples | None) -> None:
        super().__init__()
        self.task = task
        self.train, self.val, self.denoising = train, val, denoising
        self._streams: dict[int | None, Updates] = {}

    def train_dataloader(self) -> "_Chunk":
        task, every = self.task, self.task.optim.validate_every
        start = task.updates
        stop = min(task.optim.updates, (start // every + 1) * every)
        streams = [
            self._stream(stage, self.train[stage], task.starts[stage], max(start, task.starts[stage]), end)
            for stage in range(task.stage(start), task.stage(stop - 1) + 1)
            for end in [min(stop, task.end(stage))]
        ]
        denoising = None if self.denoising is None else self._stream(None, self.denoising, 0, start, stop)
        return _Chunk(streams, denoising)

    def _stream(self, key: int | None, pairs: Examples, first: int, start: int, stop: int) -> Updates:
        """The batches of the updates from `start` to `stop`; the stream is made once for each key."""
        optim, trainer = self.task.optim, self.trainer
        assert trainer is not None
        if key not in self._streams:
            self._streams[key] = Updates(
                pairs,
                batch_tokens=optim.batch_tokens,
                accumulate=optim.accumulate,
                seed=self.task.seed,
                rank=trainer.global_rank,
                world=trainer.world_size,
                first=first,
            )
        stream = self._streams[key]
        stream.position, stream.stop = start, stop
        return stream

    def val_dataloader(self) -> DataLoader:
        trainer = self.trainer
        assert trainer is not None
        batches = plan(self.val.cost(), max(1, self.task.optim.batch_tokens // self.task.optim.accumulate), None)
        mine = [self.val.batch(rows) for rows in batches[trainer.global_rank :: trainer.world_size]]
        if len(mine) * trainer.world_size < len(batches):  # all ranks run as many steps: weights may be sharded
            mine.append(self.val.batch(batches[0])._replace(weight=0.0))
        return DataLoader(mine, batch_size=None)  # type: ignore[arg-type]


class _Chunk:
    """The batches of one stage after the other, each with a denoising batch where there are some."""

    def __init__(self, stages: Sequence[Updates], denoising: Updates | None) -> None:
        self.stages, self.denoising = stages, denoising

    def __len__(self) -> int:
        return sum(map(len, self.stages))

    def __iter__(self) -> Iterator[Batch]:
        batches = itertools.chain.from_iterable(self.stages)
        if self.denoising is None:
            yield from batches
            return
        for batch, denoising in zip(batches, self.denoising, strict=True):
            yield batch._replace(denoising=denoising)


def _of_lightning(trainer: Trainer) -> dict[str, Any]:
    """What Lightning's Trainer takes of the trainer group."""
    settings = trainer.of_lightning()
    return settings | ({"strategy": ModelParallelStrategy()} if settings.get("strategy") == "fsdp" else {})


def check_trainer(trainer: Trainer) -> None:
    """Raises ConfigError where Lightning refuses these settings, or this machine lacks what they ask for."""
    settings = _of_lightning(trainer)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        try:
            pl.Trainer(**settings, logger=False, enable_checkpointing=False, enable_progress_bar=False)
        except (MisconfigurationException, ValueError, TypeError, ImportError, RuntimeError) as error:
            words = " ".join(str(error).split()).rstrip(" .!")
            remedy = "trainer=cpu runs on every machine"
            if "SLURM" in words:  # it speaks of the job, whatever the run asks for
                remedy = "in a job, --ntasks-per-node has to be trainer.devices, and --nodes trainer.num_nodes"
            raise ConfigError(f"trainer: {words}; {remedy}") from error


def _too_large(error: RuntimeError, task: Training) -> TrainingError:
    """What to lower, in the order of what costs least."""
    optim = task.optim
    samples = getattr(task.term.estimator, "samples", 1) if task.term else 1
    return TrainingError(
        f"out of memory at update {task.updates}: {str(error).splitlines()[0]}. The last good checkpoint stays; have "
        f"less in memory at a time: optim.accumulate={2 * optim.accumulate} (smaller micro-batches, the same update), "
        "trainer.precision=bf16-mixed, trainer.gradient_checkpointing=true (a third more time)"
        + (f", estimator.samples={samples // 2}" if samples > 2 else "")
        + ", or optim.batch_tokens and the model's sizes; trainer=fsdp shards the weights over several GPUs"
    )


def train(
    task: Training,
    train: Sequence[Examples],
    val: Examples,
    *,
    denoising: Examples | None = None,
    stage: str,
    checkpoints: Path,
    metrics: Path,
    metadata: dict[str, str],
    trainer: Trainer,
    loggers: list[Any],
    sample: Callable[[Training], str] | None = None,
    milestone: Milestone | None = None,
) -> dict[str, float]:
    """Trains to the last update, leaves the best weights in the model, on the trainer's device.

    Args:
        task: the module, with its optimiser's settings.
        train: examples for each of its stages.
        val: examples that select the best weights.
        denoising: examples of the denoising loss.
        stage: the name that the metrics bear.
        checkpoints, metrics: a folder, and a file of one JSON object per line.
        metadata: what the weights say of themselves.
        trainer: the group of the config.
        loggers: get the metrics too.
        sample: tells what the model says on an example, for the person who waits.
        milestone: a checkpoint that somebody else waits for.

    Returns where the best weights are from: {"update", "selection"}.

    Raises Interrupted on SIGINT or SIGTERM and TrainingError on a loss that is not finite or where memory does not
    suffice; `checkpoints` is good then.
    """
    settings = _of_lightning(trainer)
    for model in (task.model, task.term.denoiser if task.term else None):
        if isinstance(model, SequenceModel):
            model.checkpointing = trainer.gradient_checkpointing
    with StopSignals() as signals, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")  # that no one writes into
        keeper = Checkpoints(checkpoints, task, metadata, signals, trainer.checkpoints, milestone)
        keeper.resume()
        recorder = Recorder(metrics, task, stage, loggers, sample)
        chunk = task.optim.validate_every
        engine = pl.Trainer(
            **settings,
            max_epochs=-(-task.optim.updates // chunk) - task.updates // chunk,
            accumulate_grad_batches=task.optim.accumulate,
            gradient_clip_val=task.optim.clip,
            callbacks=[recorder, keeper],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
        )
        if task.updates < task.optim.updates:
            recorder.start()
            try:
                engine.fit(task, datamodule=Data(task, train, val, denoising))
            except RuntimeError as error:  # of CUDA, and of the CPU
                if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
                    raise _too_large(error, task) from error
                raise
            finally:
                recorder.stop()
    if signals.received:
        raise Interrupted(signals.received, "stopped after the last update")
    if task.updates < task.optim.updates:
        raise TrainingError(
            f"the training of {stage} ended after {task.updates} of {task.optim.updates} updates: a setting of the "
            f"trainer group ends it early or leaves data out; without it the same command goes on from {keeper.last}"
        )
    if keeper.best is None:
        raise TrainingError(
            f"the validation loss of {stage} was never finite: try a smaller learning rate"
            if task.validation
            else f"{stage} was never validated, so no weights are the best: a setting of the trainer group prevents it"
        )
    merge_low_rank(task.model)  # as it was saved
    load_weights(keeper.best_path, task.model)
    task.model.to(engine.strategy.root_device)  # Lightning leaves it on the CPU; predictions come next
    return keeper.best
