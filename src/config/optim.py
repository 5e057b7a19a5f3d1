"""Optimisers, of fine-tuning and of pretraining, and the budgets that sizes name as schedules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from composed.config.groups import Group
from composed.config.rules import (
    PURE,
    Check,
    Choice,
    Count,
    Positive,
    Tells,
    Tokens,
    Unit,
    Updates,
    Weight,
    above,
    at_least,
    within,
)
from composed.config.structure import LEFT_OUT, LeftOut, forms, is_number, text
from composed.config.whole import Whole
from composed.errors import ConfigError

SMOOTHING = within(0, 1)
OF_ADAM = ("embedding", "norm", "bias", "lora", "adapter")  # parts of names of what Muon leaves to Adam


def _steps(key: str, steps: Any) -> None:
    """A number, or [[share, value], ...] of the updates."""
    if not isinstance(steps, list):
        return
    pairs = all(isinstance(step, list) and len(step) == 2 and all(map(is_number, step)) for step in steps)
    if not pairs or abs(sum(share for share, _ in steps) - 1) > 1e-6 or any(share <= 0 for share, _ in steps):
        raise ConfigError(f"{key}={text(steps)}: a number, or [[share of the updates, number], ...] with shares "
                          "above 0 that add up to 1, such as [[0.8,0.2],[0.2,0.1]]")  # fmt: skip
    for _, value in steps:
        if not SMOOTHING.holds(value):
            raise ConfigError(f"{key}={value}: must be {SMOOTHING.words}")


Warmup = Annotated[int, at_least(0), Unit("updates")]
Decay = Literal["inverse_sqrt", "linear", "constant"]
Smoothing = Annotated[float | list[Any], SMOOTHING, Unit("share"), Check(_steps)]
Betas = Annotated[tuple[float, float], PURE]
Clip = Positive | None
Select = Literal["last", "lowest"]
Images = Annotated[int, above(0), Unit("images")]


@dataclass(frozen=True, kw_only=True)
class Adam(Group):
    outputs: ClassVar[frozenset[str]] = frozenset({"text"})
    updates: Updates
    batch_tokens: Tokens
    accumulate: Count
    lr: Positive
    warmup: Warmup
    initial_lr: Weight
    decay: Decay
    weight_decay: Weight
    betas: Betas
    clip: Clip
    label_smoothing: Smoothing
    validate_every: Updates
    select: Select
    checkpoint_every: Updates


@dataclass(frozen=True, kw_only=True)
class Muon(Adam):
    momentum: Annotated[float, within(0, 1), PURE, Tells()]

    def agree(self, config: Whole) -> None:
        mode = config.finetuning
        rates = [{"others": 1.0, **stage.rates} for stage in mode.stages]
        if all(factor == 0 or part in OF_ADAM for stage in rates for part, factor in stage.items()):
            raise ConfigError(
                f"optim=muon is for the weight matrices of attention and feed-forward layers, of which none learns by "
                f"the rates of finetuning={mode.name}; use optim=adam"
            )


@dataclass(frozen=True, kw_only=True)
class DenoiserOfImages(Group):
    """Of pretraining=denoise_images."""

    updates: Updates
    batch_size: Images
    lr: Positive
    decay: Literal["constant", "linear"]
    betas: Betas
    clip: Clip
    validate_every: Updates
    select: Select
    checkpoint_every: Updates


@dataclass(frozen=True, kw_only=True)
class AdamImages(DenoiserOfImages):
    outputs: ClassVar[frozenset[str]] = frozenset({"image"})
    l2: Weight


@dataclass(frozen=True, kw_only=True)
class FullBatch(Group):
    outputs: ClassVar[frozenset[str]] = frozenset({"staircase"})
    updates: Updates
    lr: Positive
    l2: Weight
    record_every: Updates


def _select(node: Mapping[str, Any]) -> type:
    """By what it has: sizes of a task may have added keys of another class."""
    whole = (kind for kind in (Muon, Adam, AdamImages, FullBatch) if forms(kind).keys() <= node.keys())
    return next(whole, AdamImages if "batch_size" in node else FullBatch if "record_every" in node else Adam)


Optim = Annotated[Adam | Muon | AdamImages | FullBatch, Choice(_select)]
OptimOfText = Annotated[Adam | Muon, Choice(lambda node: Muon if "momentum" in node else Adam)]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A budget: what it has of the keys of `Adam` replaces them."""

    updates: Updates | LeftOut = LEFT_OUT
    lr: Positive | LeftOut = LEFT_OUT
    warmup: Warmup | LeftOut = LEFT_OUT
    initial_lr: Weight | LeftOut = LEFT_OUT
    label_smoothing: Smoothing | LeftOut = LEFT_OUT
    batch_tokens: Tokens | LeftOut = LEFT_OUT
    accumulate: Count | LeftOut = LEFT_OUT
    decay: Decay | LeftOut = LEFT_OUT
    weight_decay: Weight | LeftOut = LEFT_OUT
    betas: Betas | LeftOut = LEFT_OUT
    clip: Clip | LeftOut = LEFT_OUT
    validate_every: Updates | LeftOut = LEFT_OUT
    select: Select | LeftOut = LEFT_OUT
    checkpoint_every: Updates | LeftOut = LEFT_OUT


@dataclass(frozen=True, kw_only=True)
class Backtranslation:
    """The reverse model of finetuning.extra_pairs."""

    seed: Annotated[int, at_least(0), PURE]
    schedule: str
