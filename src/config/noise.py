"""How outputs are corrupted to make denoising pairs. Staircases, whose denoiser is not trained, read no noise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from composed.config.groups import Group, Own, by_target
from composed.config.rules import PURE, Share, Unit, Weight, above, at_least, within
from composed.config.whole import Whole
from composed.errors import ConfigError

OF_TEXT = frozenset({"text", "staircase"})
OF_IMAGES = frozenset({"image", "staircase"})
ERRORS = "errors.jsonl"  # of a run: what its f writes for validation examples
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


TextUnit = Literal["word", "character"]  # what noise for text of any kind counts


@dataclass(frozen=True, kw_only=True)
class HiddenUnits(HiddenTokens):
    """deletion and swap."""

    unit: TextUnit


@dataclass(frozen=True, kw_only=True)
class Spans(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    unchanged: Share
    probability: Share
    span: Annotated[float, within(1, 100), Unit("words or characters")]
    unit: TextUnit


@dataclass(frozen=True, kw_only=True)
class Smiles(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    unchanged: Share
    most: Annotated[int, above(0), Unit("mistakes")]


@dataclass(frozen=True, kw_only=True)
class FromErrors(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    run: str
    unchanged: Share | None
    unit: TextUnit

    @property
    def file(self) -> Path:
        """What `composed-predict RUN --errors` writes."""
        return Path(self.run) / ERRORS

    def agree(self, config: Whole) -> None:
        if not (Path(self.run) / "config.yaml").is_file():
            raise ConfigError(f"noise.run={self.run}: no folder of a run; name one that was trained on the same data")
        if not self.file.is_file():
            raise ConfigError(
                f"noise.run={self.run}: there is no {ERRORS}, from which mistakes are learned; write it with\n"
                f"  composed-predict {self.run} --errors"
            )


@dataclass(frozen=True, kw_only=True)
class Mixture(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    parts: Mapping[str, "Noise"]
    _target_: str
    weights: Mapping[str, Weight]

    def agree(self, config: Whole) -> None:
        if not any(self.weights.values()):
            raise ConfigError(ALL_ZERO)
        for part in self.parts.values():
            part.agree(config)


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
    "composed.datamodules.python.noise.PythonTemplate": TemplateNoise,
    "composed.datamodules.noise.RandomDeletion": HiddenTokens,
    "composed.datamodules.noise.Masking": HiddenTokens,
    "composed.datamodules.noise.Infilling": Infilling,
    "composed.datamodules.noise.Mixture": Mixture,
    "composed.datamodules.noise_code.CodeErrors": CodeErrors,
    "composed.datamodules.noise_text.Deletion": HiddenUnits,
    "composed.datamodules.noise_text.Swap": HiddenUnits,
    "composed.datamodules.noise_text.Spans": Spans,
    "composed.datamodules.noise_errors.FromErrors": FromErrors,
    "composed.datamodules.molecules.noise.SmilesNoise": Smiles,
    "composed.datamodules.fonts.noise.Blur": Blur,
    "composed.datamodules.fonts.noise.Contrast": Contrast,
    "composed.datamodules.fonts.noise.Emboss": Emboss,
    "composed.datamodules.fonts.noise.Chain": Chain,
}


OfText = TemplateNoise | HiddenTokens | Infilling | CodeErrors | HiddenUnits | Spans | FromErrors | Smiles | Mixture
OfImages = Blur | Contrast | Emboss | Chain
Noise = Annotated[OfText | OfImages | Own, by_target(SCHEMAS)]


def error_files(noise: Any, key: str = "noise") -> Iterator[tuple[str, list[Path]]]:
    """The files that noises learn from, with the dotted keys that name their runs."""
    if isinstance(noise, FromErrors):
        yield f"{key}.run", [path for path in [noise.file] if path.is_file()]
    elif isinstance(noise, Mixture):
        for name, part in noise.parts.items():
            yield from error_files(part, f"{key}.parts.{name}")
