"""f: where it starts, what its updates minimise, on what, in which stages. As the group finetuning says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from composed.config.finetuning import FRESH
from composed.config.finetuning import FineTuning as Mode
from composed.config.instantiate import instantiate
from composed.config.pretraining import Denoise
from composed.config.structure import narrowed
from composed.datamodules.batching import Examples
from composed.errors import ConfigError
from composed.experiment.backtranslation import backtranslated
from composed.models.adaptation import add_adapters, add_low_rank
from composed.models.anchor import Anchor, fisher
from composed.models.parts import having
from composed.models.weights import load_weights
from composed.runs.folder import RunFolder
from composed.tasks.loss import ComposedTerm, Penalty
from composed.tasks.module import Optim, Stage, Training
from composed.tasks.task import Task
from composed.tasks.text import TextTask, with_more


@dataclass(frozen=True)
class FineTuning:
    """What fine-tuning trains, and on what."""

    training: Training
    train: list[Examples]  # of each stage
    denoising: Examples | None


def fine_tuning(task: Task, pi: nn.Module | None, command: str) -> FineTuning:
    """`command` makes what is missing in the store, for the error of denoiser=store."""
    config, mode = task.config, task.config.finetuning
    optim = task.optim(config.optim)
    f = predictor(task, pi)
    examples = _examples(task, command)
    denoising = None
    if mode.denoising_weight or mode.fisher:
        settings = narrowed(config.pretraining, Denoise)
        denoising = task.denoising("unlabeled", seed=settings.seed, fresh=settings.fresh)
    training = Training(
        f,
        optim,
        task.loss,
        seed=config.seed,
        base_weight=mode.base_weight,
        base_weight_end=mode.base_weight_end,
        term=composed_term(task, pi, optim),
        denoising_weight=mode.denoising_weight,
        penalties=[*_anchor(mode, f, denoising), *task.penalties()],
        stages=[Stage(stage.share, _rates(mode, stage.rates)) for stage in mode.stages],
    )
    train = [examples[stage.pairs] for stage in mode.stages]
    return FineTuning(training, train, denoising if mode.denoising_weight else None)


def _examples(task: Task, command: str) -> dict[str, Examples]:
    """`labeled`, and `all` with those that the mode adds."""
    labeled = task.examples("train")
    if not task.config.finetuning.extra_pairs:
        return {"labeled": labeled, "all": labeled}
    of_text = cast(TextTask, task)  # the config refuses finetuning.extra_pairs for others
    return {"labeled": labeled, "all": with_more(of_text.examples("train"), backtranslated(of_text, command))}


def predictor(task: Task, pi: nn.Module | None) -> Any:
    """f where fine-tuning starts: weights, then what the mode adds to them."""
    mode = task.config.finetuning
    f: Any = task.predictor(seed=task.config.seed)
    drawn = {name: value.clone() for name, value in _fresh(mode, f).items()}
    start = mode.start_from
    if start == "denoiser":
        if pi is None:
            raise ConfigError("finetuning.start_from=denoiser, but there is no denoiser")
        f.load_state_dict(pi.state_dict())
    elif start != "scratch":
        weights = RunFolder.existing(Path(start)).weights()
        load_weights(weights, f, vocabulary=task.signature)
    f.load_state_dict({**f.state_dict(), **drawn})
    if mode.lora:
        add_low_rank(f, mode.lora)
    if mode.adapters:
        add_adapters(f, mode.adapters)
    return f


def _fresh(mode: Mode, f: nn.Module) -> dict[str, Tensor]:
    """The weights that f draws and does not take from what it starts from."""
    state = f.state_dict()
    return {name: state[name] for part in mode.fresh for name in having(part, state, "finetuning.fresh")}


def _rates(mode: Mode, rates: Mapping[str, float]) -> dict[str, float]:
    """With the parts that keep random weights in place of the word for them."""
    parts = {key: mode.fresh if key == FRESH else [key] for key in rates}
    return {part: rates[key] for key in rates for part in parts[key]}


def finished_predictor(task: Task, weights: Path) -> Any:
    """f as a run left it."""
    f: Any = task.predictor(seed=0)
    if adapters := task.config.finetuning.adapters:
        add_adapters(f, adapters)
    load_weights(weights, f, vocabulary=task.signature or None)
    return f


def _anchor(mode: Mode, f: nn.Module, denoising: Any) -> list[Penalty]:
    if not mode.anchor:
        return []
    importance = None
    if mode.fisher and denoising is not None:
        examples = [denoising.batch([row]) for row in range(min(mode.fisher, len(denoising)))]
        importance = fisher(f, [(example.source, example.target) for example in examples])  # type: ignore[arg-type]
    return [Anchor(f, mode.anchor, importance)]


def composed_term(task: Task, pi: nn.Module | None, optim: Optim) -> ComposedTerm | None:
    """The composed term of the loss, where the mode has one."""
    mode = task.config.finetuning
    if mode.train_through is None:
        return None
    if mode.train_through == "identity":
        pi = task.identity()
    if pi is None:
        raise ConfigError("finetuning.train_through=denoiser, but there is no denoiser")
    estimator = instantiate(task.config.estimator)
    after = round(mode.compose_after * optim.updates)
    return ComposedTerm(pi, estimator, mode.composed_weight, after, max_length=task.max_length)
