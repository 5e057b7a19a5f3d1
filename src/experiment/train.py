"""From a config to predictions: data, denoiser, fine-tuning, and what f and Pi(f(x)) say on the test sets."""

import time
from collections.abc import Sequence
from typing import Any

from torch import nn

from composed.config import Config
from composed.config.identity import shaping
from composed.errors import ComposedError
from composed.experiment.beginning import begun
from composed.experiment.denoiser import composition, denoiser_weights, frozen_denoiser, has_to_be_trained
from composed.experiment.evaluate import known_of_denoising, warn_of_no_judge
from composed.experiment.fine_tuning import fine_tuning
from composed.models.composition import fingerprint
from composed.runs.facts import Facts
from composed.runs.folder import RunFolder, provenance
from composed.system.console import main_process, say
from composed.system.files import read_json
from composed.tasks import open_task
from composed.tasks.task import Task, Trained
from composed.training.fit import train


def train_and_predict(folder: RunFolder, config: Config, loggers: Sequence[Any]) -> None:
    """Leaves weights, metrics, predictions and training.json, which says that all of them are there.

    A denoiser that is missing, and that f is not trained with, is trained after f: another run of a sweep may make it
    meanwhile. Raises ComposedError, and Interrupted; the last good checkpoint stays then.
    """
    task, command = open_task(config), folder.command(denoiser="auto")
    if main_process():
        warn_of_no_judge(config, folder)
    later = not config.finetuning.trains_with_denoiser and has_to_be_trained(task)
    weights = None if later else denoiser_weights(task, command)
    pi = frozen_denoiser(task, weights)
    started = time.monotonic()
    trained = task.train_itself(folder, loggers) or _fine_tune(task, pi, folder, loggers)
    seconds = {"training": round(time.monotonic() - started + trained.elsewhere, 1)}
    if later:
        weights = denoiser_weights(task, command)
        pi = frozen_denoiser(task, weights)
    composed = composition(task, trained.f, pi, command)
    started = time.monotonic()
    say("predicting the test sets")
    task.predict(folder, trained.f, composed)
    seconds["prediction"] = round(time.monotonic() - started, 1)
    known = known_of_denoising(task, trained.f, pi)
    if main_process():
        task.show(folder, trained.f, pi)
        facts = {"updates": trained.updates, "best": trained.best, "resumed": trained.resumed, "seconds": seconds}
        facts |= {"denoiser": str(weights) if weights else None, **known, **task.facts(trained.f)}
        facts |= {"began": read_json(folder.beginning)} if folder.beginning.exists() else {}
        Facts.of(facts, folder.training).write(folder.training)


def _fine_tune(task: Task, pi: nn.Module | None, folder: RunFolder, loggers: Sequence[Any]) -> Trained:
    """Trains f, through Pi where the mode says so, and looks that Pi stayed as it was."""
    config, before = task.config, _bits(pi)
    tuning = fine_tuning(task, pi, folder.command(denoiser="auto"))
    resumed = (folder.checkpoints / "last.ckpt").exists()
    val, stage = task.examples("val"), config.finetuning.name
    say(f"fine-tuning f: {stage}")
    metadata = {"vocabulary": task.signature, "what": "base predictor", **provenance(shaping(config))}
    with begun(task, tuning, folder, stage=stage, metadata=metadata, loggers=loggers) as beginning:
        best = train(
            tuning.training,
            tuning.train,
            val,
            denoising=tuning.denoising,
            stage=stage,
            checkpoints=folder.checkpoints,
            metrics=folder.metrics,
            metadata=metadata,
            trainer=config.trainer,
            loggers=list(loggers),
            sample=task.teller(val, pi, ("x", "f(x)", "Pi(f(x))")),
            milestone=beginning.milestone,
        )
    if _bits(pi) != before:
        raise ComposedError(
            "the frozen denoiser changed during fine-tuning: a defect of this program, please report it"
        )
    resumed = resumed or beginning.resumed
    return Trained(tuning.training.model, tuning.training.updates, best, resumed, beginning.elsewhere)


def _bits(pi: nn.Module | None) -> str:
    return "" if pi is None else fingerprint(pi.state_dict().values())
