"""How outputs are corrupted to make denoising pairs. Staircases, whose denoiser is not trained, read no noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from composed.config.groups import Group, Own, by_target
from composed.config.rules import PURE, Share, Unit, Weight, above, at_least, within
from composed.config.whole import Whole
from composed.errors import ConfigError

OF_TEXT = frozenset({"text", "staircase"})
OF_IMAGES = frozenset({"image", "staircase"})
ALL_ZERO = "noise.weights: all are 0, so there is no noise; raise one, or choose another noise="


@dataclass(frozen=True, kw_only=True)
class TemplateNoise(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    unchanged: Share
    max_draws: Annotated[int, above(0), Unit("statements")]


Probability = Annotated[float, within(0, 1, high_open=False), Unit("probability")]


@dataclass(frozen=True, kw_only=True)
class HiddenTokens(Group):
    """masking and random_deletion."""

    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    unchanged: Share
    probability: Probability


@dataclass(frozen=True, kw_only=True)
class Infilling(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    unchanged: Share
    probability: Share
    span: Annotated[float, within(1, 100), Unit("tokens")]


@dataclass(frozen=True, kw_only=True)
class Mixture(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    parts: Mapping[str, "Noise"]
    _target_: str
    weights: Mapping[str, Weight]

    def agree(self, config: Whole) -> None:
        if not any(self.weights.values()):
            raise ConfigError(ALL_ZERO)


@dataclass(frozen=True, kw_only=True)
class Families:
    """Weights of the families of mistakes."""

    syntax: Weight
    type: Weight
    declaration: Weight
    typo: Weight
    keyword: Weight


@dataclass(frozen=True, kw_only=True)
class CodeErrors(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    unchanged: Share
    max_lines: Annotated[int, above(0), Unit("lines")]
    weights: Families

    def agree(self, config: Whole) -> None:
        if not any(vars(self.weights).values()):
            raise ConfigError(ALL_ZERO)


@dataclass(frozen=True, kw_only=True)
class Blur(Group):
    outputs: ClassVar[frozenset[str]] = OF_IMAGES
    _target_: str
    radius: Annotated[float, at_least(0), Unit("pixels")]


@dataclass(frozen=True, kw_only=True)
class Contrast(Group):
    outputs: ClassVar[frozenset[str]] = OF_IMAGES
    _target_: str
    factor: Annotated[float, at_least(0), PURE]


@dataclass(frozen=True, kw_only=True)
class Emboss(Group):
    outputs: ClassVar[frozenset[str]] = OF_IMAGES
    _target_: str


@dataclass(frozen=True, kw_only=True)
class Chain(Group):
    outputs: ClassVar[frozenset[str]] = OF_IMAGES
    _target_: str
    noises: list[str]


SCHEMAS: dict[str, type] = {
    "composed.datamodules.noise.TemplateNoise": TemplateNoise,
    "composed.datamodules.noise.RandomDeletion": HiddenTokens,
    "composed.datamodules.noise.Masking": HiddenTokens,
    "composed.datamodules.noise.Infilling": Infilling,
    "composed.datamodules.noise.Mixture": Mixture,
    "composed.datamodules.noise_code.CodeErrors": CodeErrors,
    "composed.datamodules.fonts.noise.Blur": Blur,
    "composed.datamodules.fonts.noise.Contrast": Contrast,
    "composed.datamodules.fonts.noise.Emboss": Emboss,
    "composed.datamodules.fonts.noise.Chain": Chain,
}


Noise = Annotated[
    TemplateNoise | HiddenTokens | Infilling | Mixture | CodeErrors | Blur | Contrast | Emboss | Chain | Own,
    by_target(SCHEMAS),
]
