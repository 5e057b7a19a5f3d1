"""How the denoiser is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from composed.config.groups import Group
from composed.config.judge import check_validity
from composed.config.model import Model
from composed.config.optim import DenoiserOfImages, OptimOfText
from composed.config.rules import Choice, Dropout, Seed, Silent, Unit, at_least, within
from composed.config.structure import LEFT_OUT, LeftOut
from composed.config.whole import Whole
from composed.errors import ConfigError

Linewise = Annotated[float, within(0, 1), Unit("share")]
Classifier = Annotated[int, at_least(0), Unit("updates"), Silent("denoiser")]


@dataclass(frozen=True, kw_only=True)
class Denoise(Group):
    """denoise, denoise_huggingface and denoise_transformer."""

    outputs: ClassVar[frozenset[str]] = frozenset({"text"})
    name: str
    seed: Seed
    model: Model | None
    dropout: Dropout
    fresh: bool
    broken: bool
    linewise: Linewise
    classifier: Classifier
    optim: OptimOfText

    def agree(self, config: Whole) -> None:
        if self.broken and self.fresh:
            raise ConfigError(
                "pretraining.broken=true: outputs are checked once, but pretraining.fresh=true corrupts them in "
                "every update; set one of them to false"
            )
        if self.broken:
            check_validity(config, "pretraining.broken=true keeps invalid outputs of the noise")


@dataclass(frozen=True, kw_only=True)
class DenoiseImages(Group):
    outputs: ClassVar[frozenset[str]] = frozenset({"image"})
    dropout: ClassVar[None] = None  # that of the model
    fresh: ClassVar[bool] = False
    name: str
    seed: Seed
    optim: DenoiserOfImages


@dataclass(frozen=True, kw_only=True)
class NoPretraining(Group):
    """none: what a profile's sizes say of pretraining is there, and nothing reads it but a classifier's training."""

    outputs: ClassVar[frozenset[str]] = frozenset({"text", "image"})
    name: str
    dropout: Dropout | LeftOut = LEFT_OUT
    fresh: bool | LeftOut = LEFT_OUT
    linewise: Linewise | LeftOut = LEFT_OUT
    classifier: Classifier | LeftOut = LEFT_OUT
    optim: Mapping[str, Any] | LeftOut = LEFT_OUT


@dataclass(frozen=True, kw_only=True)
class Rounding(Group):
    outputs: ClassVar[frozenset[str]] = frozenset({"staircase"})
    name: str
    margin: Annotated[float, within(0, 1, low_open=True, high_open=False), Unit("share")]
    gradient: Literal["straight_through", "smooth"]


def _select(node: Mapping[str, Any]) -> type:
    """By what it has: sizes of a task may have added keys of another class."""
    if "margin" in node:
        return Rounding
    if node.get("name") == "none" or "optim" not in node:
        return NoPretraining
    of_images = "broken" not in node and isinstance(node["optim"], Mapping) and "batch_size" in node["optim"]
    return DenoiseImages if of_images else Denoise


Pretraining = Annotated[Denoise | DenoiseImages | NoPretraining | Rounding, Choice(_select)]
