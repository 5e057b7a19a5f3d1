"""Pi, frozen: its weights from the store, from a path, or trained now. And the classifier that says when to ask it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from composed.config.pretraining import Denoise, DenoiseImages
from composed.config.structure import narrowed, plain
from composed.models.classifier import Classifier
from composed.models.composition import fingerprint, freeze
from composed.models.weights import load_weights
from composed.runs.folder import RunFolder, provenance
from composed.runs.store import Store
from composed.system.console import main_process, say
from composed.system.files import read_json
from composed.tasks.module import Stage, Training
from composed.tasks.task import Task
from composed.training.fit import train

KIND = "denoiser"  # of entries of the store


def denoiser_weights(task: Task, command: str) -> Path | None:
    """The denoiser's file: of the store (trained first where it is missing), of a path. None: there is none, for there
    is no denoiser (pretraining=none) or it is the model as it is given (denoiser=model).

    `command` makes it, for the error of denoiser=store where it is missing.
    """
    task = task.as_denoiser_sees()
    config = task.config
    if config.denoiser == "model" or not task.learns_denoiser:
        return None
    if config.denoiser not in ("auto", "store"):
        path = Path(config.denoiser)
        folder = RunFolder(path).checkpoints if (path / "config.yaml").is_file() else path
        return folder / "best.safetensors" if path.is_dir() else path
    if config.pretraining.name == "none":
        return None
    task.check_unlabeled()
    make = (lambda folder: _pretrain(task, folder)) if config.denoiser == "auto" else None
    return Store(Path(config.store)).find(
        KIND, "best.safetensors", task.identity_of_denoiser(), make, command, leads=main_process()
    )


def has_to_be_trained(task: Task) -> bool:
    """Whether `denoiser_weights` would train it now, or wait for another run that does. Raises DataError as that."""
    task = task.as_denoiser_sees()
    config = task.config
    if config.denoiser != "auto" or not task.learns_denoiser or config.pretraining.name == "none":
        return False
    task.check_unlabeled()
    return not Store(Path(config.store)).has(KIND, task.identity_of_denoiser())


def frozen_denoiser(task: Task, weights: Path | None) -> Any:
    """The denoiser from its file, or as its model is given; it reads and writes what f does. None: there is none."""
    if weights is None and task.config.denoiser != "model":
        return None
    seen = task.as_denoiser_sees()
    pi = seen.denoiser(seed=0)
    if weights is not None:
        load_weights(weights, pi, vocabulary=seen.signature)
    return task.reading(freeze(pi), seen)


def _pretrain(task: Task, folder: Path) -> None:
    settings = task.config.pretraining
    assert isinstance(settings, Denoise | DenoiseImages)  # the others train none
    say(f"training the denoiser {folder}")
    seed = settings.seed
    stages = task.denoising_stages(seed=seed, fresh=settings.fresh)
    val = task.denoising("unlabeled_val", seed=seed + 1)
    train(
        Training(
            task.denoiser(seed=seed, dropout=settings.dropout),
            task.optim(settings.optim),
            task.loss,
            seed=seed,
            stages=[Stage(share) for share, _ in stages],
        ),
        [examples for _, examples in stages],
        val,
        stage="denoising",
        checkpoints=folder,
        metrics=folder / "metrics.jsonl",
        metadata={"vocabulary": task.signature, "what": "denoiser", **provenance(read_json(folder / "key.json"))},
        trainer=task.config.trainer,
        loggers=[],
        sample=task.teller(val, None, ("noised", "Pi")),
    )


def composition(task: Task, f: nn.Module, pi: nn.Module | None, command: str) -> Any:
    """What predicts Pi(f(x)), on the device of f; None where there is no denoiser."""
    asks = pi is not None and task.config.finetuning.predict_above
    return task.composition(f, pi, _classifier(task, pi, command) if asks else None)


def _classifier(task: Task, pi: Any, command: str) -> nn.Module:
    """Says whether an output needs the denoiser: from the store, or trained on the denoiser's own pairs."""
    config, settings = task.config, narrowed(task.config.pretraining, Denoise)
    seed, budget = settings.seed, replace(settings.optim, updates=settings.classifier)
    encoder: Any = task.denoiser(seed=seed, dropout=settings.dropout)  # of a class that offers it
    encoder.load_state_dict(pi.state_dict())
    classifier = Classifier(encoder)

    def make(folder: Path) -> None:
        say(f"training the classifier {folder}")
        train(
            Training(classifier, task.optim(budget), task.loss, seed=seed),
            [task.denoising("unlabeled", seed=seed, fresh=settings.fresh)],
            task.denoising("unlabeled_val", seed=seed + 1),
            stage="classifier",
            checkpoints=folder,
            metrics=folder / "metrics.jsonl",
            metadata={"vocabulary": task.signature, "what": "classifier"},
            trainer=config.trainer,
            loggers=[],
        )

    shape = {"denoiser": fingerprint(pi.parameters()), "classifier": plain(budget), **task.identity_of_denoiser()}
    store = Store(Path(config.store))
    weights = store.find("classifier", "best.safetensors", shape, make, command, leads=main_process())
    load_weights(weights, classifier, vocabulary=task.signature)
    return freeze(classifier)
