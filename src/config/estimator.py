"""How the gradient of the composed loss passes the denoiser."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from composed.config.groups import Group, Own, by_target, short
from composed.config.rules import Count, Positive, Unit, Weight, above
from composed.config.whole import Whole
from composed.errors import ConfigError

OF_TEXT = frozenset({"text"})
SCORE_FUNCTIONS = ("rloo", "self_critical", "reinforce", "vimco", "posterior")  # which read the text of f's samples
COMPARING = ("rloo", "vimco", "posterior")  # the estimators that weigh a pair's samples against each other
RELAXATIONS = "composed.models.relaxations."
Cap = Annotated[float, above(0), Unit("nats")] | None
Reach = Annotated[float, above(0), Unit("tokens")] | None


@dataclass(frozen=True, kw_only=True)
class Weighing(Group):
    """posterior and vimco."""

    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    samples: Count
    cap: Cap
    entropy: Weight
    normalize: bool
    dropout: bool

    def agree(self, config: Whole) -> None:
        _check_samples(self)


@dataclass(frozen=True, kw_only=True)
class Sampling(Weighing):
    """rloo and self_critical."""

    reach: Reach


@dataclass(frozen=True, kw_only=True)
class Reinforce(Sampling):
    published_quirks: bool

    def agree(self, config: Whole) -> None:
        _check_samples(self)
        knobs = [knob for knob in ("cap", "reach", "entropy", "normalize", "dropout") if getattr(self, knob)]
        if self.published_quirks and knobs:
            raise ConfigError(
                f"estimator.published_quirks=true: the published term has no estimator.{knobs[0]}; leave it as it was, "
                "or set published_quirks=false"
            )


@dataclass(frozen=True, kw_only=True)
class Relaxation(Group):
    """expected_embedding and straight_through."""

    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    samples: Count
    greedy: bool
    temperature: Positive
    dropout: bool

    def agree(self, config: Whole) -> None:
        if self.greedy and self.samples > 1:
            raise ConfigError(
                f"estimator.samples={self.samples}: with estimator.greedy=true there is one output; set samples=1"
            )


@dataclass(frozen=True, kw_only=True)
class Gumbel(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    samples: Count
    temperature: Positive
    hard: bool
    dropout: bool


@dataclass(frozen=True, kw_only=True)
class Pathwise(Group):
    outputs: ClassVar[frozenset[str]] = frozenset({"image", "staircase"})
    _target_: str


def _check_samples(estimator: Weighing) -> None:
    name, samples = short(estimator._target_), estimator.samples
    if name in COMPARING and samples < 2:
        raise ConfigError(
            f"estimator.samples={samples}: estimator={name} compares samples with each other and needs at least 2; "
            "estimator=reinforce and estimator=self_critical take 1"
        )
    if estimator.normalize and samples < 2:
        raise ConfigError(
            f"estimator.samples={samples}: estimator.normalize=true divides by what the samples of a pair have in "
            "common and needs at least 2"
        )


def reads_soft_sources(estimator: Any) -> bool:
    """Whether Pi has to read soft sources and score every id."""
    return estimator._target_.startswith(RELAXATIONS) or bool(getattr(estimator, "published_quirks", False))


SCHEMAS: dict[str, type] = {
    "composed.models.estimators.posterior": Weighing,
    "composed.models.estimators.vimco": Weighing,
    "composed.models.estimators.rloo": Sampling,
    "composed.models.estimators.self_critical": Sampling,
    "composed.models.estimators.reinforce": Reinforce,
    "composed.models.relaxations.expected_embedding": Relaxation,
    "composed.models.relaxations.straight_through": Relaxation,
    "composed.models.relaxations.gumbel": Gumbel,
    "composed.models.pathwise.Pathwise": Pathwise,
}


Estimator = Annotated[
    Weighing | Sampling | Reinforce | Relaxation | Gumbel | Pathwise | Own,
    by_target(SCHEMAS),
]
