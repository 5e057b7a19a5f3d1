"""Fine-tuning modes: what f starts from, trains through and predicts through."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from composed.config.estimator import SCORE_FUNCTIONS, reads_soft_sources
from composed.config.groups import Group
from composed.config.options import options
from composed.config.pretraining import Denoise
from composed.config.rules import PURE, Check, Unit, Weight, at_least, within
from composed.config.structure import is_number, text
from composed.config.whole import Whole
from composed.errors import ConfigError

FRESH = "fresh"  # the key of rates that stands for the parts of finetuning.fresh


def _stages(_key: str, stages: list[Any]) -> None:
    for stage in stages:
        if not isinstance(stage, dict) or stage.keys() != {"share", "rates", "pairs"}:
            raise ConfigError(f"finetuning.stages: {stage} must have the keys share, rates and pairs")
        if stage["pairs"] not in ("all", "labeled"):
            raise ConfigError(f"finetuning.stages: pairs={stage['pairs']}: valid values are all and labeled")
        rates: dict[str, Any] = stage["rates"] if isinstance(stage["rates"], dict) else {"": None}
        if not all(is_number(number) for number in (stage["share"], *rates.values())):
            raise ConfigError(f"finetuning.stages: {stage}: the share and every rate must be a number")
        if stage["share"] <= 0 or any(factor < 0 for factor in rates.values()):
            raise ConfigError(f"finetuning.stages: {stage}: the share must be above 0, rates at least 0")
    if abs(sum(stage["share"] for stage in stages) - 1) > 1e-6:
        raise ConfigError("finetuning.stages: the shares must add up to 1")


@dataclass(frozen=True, kw_only=True)
class Stage:
    share: float
    rates: Mapping[str, float]
    pairs: Literal["all", "labeled"]


@dataclass(frozen=True, kw_only=True)
class FineTuning(Group):
    name: str
    schedule: str
    start_from: str
    fresh: list[str]
    train_through: Literal["denoiser", "identity"] | None
    predict_through: Literal["denoiser"] | None
    predict_above: Annotated[float, within(0, 1), Unit("probability")]
    base_weight: Weight
    base_weight_end: Weight | None
    composed_weight: Weight
    compose_after: Annotated[float, within(0, 1, words="a share of the updates, from 0 to below 1"), Unit("share")]
    depth: Annotated[int, at_least(1), PURE]
    extra_pairs: Literal["backtranslation"] | None
    denoising_weight: Weight
    anchor: Weight
    fisher: Annotated[int, at_least(0), Unit("examples")]
    lora: Annotated[int, at_least(0), PURE]
    adapters: Annotated[int, at_least(0), Unit("units")]
    stages: Annotated[list[Stage], Check(_stages)]

    @property
    def alone(self) -> str:
        """Why nothing reads how a denoiser is trained through, where none is."""
        return f"finetuning={self.name} does not train through a denoiser"

    @property
    def trains_with_denoiser(self) -> bool:
        """Whether f starts from the denoiser's weights or is trained through it."""
        return "denoiser" in (self.start_from, self.train_through)

    def agree(self, config: Whole) -> None:
        self._check_denoiser(config)
        self._check_weights(config)
        self._check_start(config)

    def _check_denoiser(self, config: Whole) -> None:
        needs = [key for key in ("start_from", "train_through", "predict_through") if getattr(self, key) == "denoiser"]
        if needs and config.pretraining.name == "none" and config.denoiser in ("auto", "store"):
            raise ConfigError(
                f"finetuning={self.name} needs a denoiser ({', '.join(f'finetuning.{key}' for key in needs)}), "
                "but pretraining=none makes none. Use pretraining=denoise, denoiser=PATH, or finetuning=baseline."
            )
        if self.train_through == "identity" and reads_soft_sources(config.estimator):
            raise ConfigError(
                f"finetuning.train_through=identity reads the tokens of f's samples; valid is "
                f"estimator={' or '.join(SCORE_FUNCTIONS)}"
            )

    def _check_weights(self, config: Whole) -> None:
        if self.train_through is None and self.composed_weight != 0:
            raise ConfigError(
                f"finetuning.composed_weight={self.composed_weight} has no effect with finetuning.train_through=null: "
                "set it to 0, or set finetuning.train_through=denoiser"
            )
        if not any((self.base_weight, self.base_weight_end, self.composed_weight, self.denoising_weight)):
            raise ConfigError("finetuning: every weight of the loss is 0, so there is nothing to learn; raise "
                              "base_weight")  # fmt: skip
        if self.predict_above and not (isinstance(config.pretraining, Denoise) and config.pretraining.classifier):
            raise ConfigError(
                f"finetuning.predict_above={self.predict_above} asks a classifier, but there is none: set "
                "pretraining.classifier to its updates, or predict_above to 0"
            )

    def _check_start(self, config: Whole) -> None:
        start = self.start_from
        modes = [name for name in options("finetuning") if name != self.name]
        if start not in ("scratch", "denoiser", *modes) and not Path(start).is_dir():
            raise ConfigError(
                f"finetuning.start_from={start}: valid values are scratch, denoiser, another mode ({', '.join(modes)}) "
                "and the folder of a finished run; there is no such folder"
            )
        for key in ("anchor", "lora", "adapters"):
            if getattr(self, key) and start == "scratch" and not getattr(config.model, "pretrained", False):
                raise ConfigError(
                    f"finetuning.{key}={getattr(self, key)} keeps what f starts from, but "
                    f"finetuning.start_from=scratch starts from nothing: set {key} to 0, or start_from to denoiser"
                )
        self._check_fresh(config)
        for key in ("denoising_weight", "fisher"):
            if getattr(self, key) and config.pretraining.name == "none":
                raise ConfigError(
                    f"finetuning.{key}={getattr(self, key)} denoises as pretraining does, but pretraining=none says "
                    "nothing of it: use pretraining=denoise"
                )
        if self.fisher and not self.anchor:
            raise ConfigError(
                f"finetuning.fisher={self.fisher} weighs a penalty that finetuning.anchor=0 switches off: "
                "set fisher to 0, or anchor above 0"
            )

    def _check_fresh(self, config: Whole) -> None:
        if not self.fresh:
            if any(FRESH in stage.rates for stage in self.stages):
                raise ConfigError(
                    "finetuning.stages: rates of the part fresh, but finetuning.fresh=[] names no parts that keep "
                    "random weights; name some, such as [decoder.-1.]"
                )
        elif self.start_from == "scratch":
            raise ConfigError(
                f"finetuning.fresh={text(self.fresh)} says which parts take no weights from what f starts from, but "
                "finetuning.start_from=scratch gives it none: set fresh to [], or start_from to denoiser"
            )
        elif getattr(config.model, "pretrained", False):
            raise ConfigError(
                f"finetuning.fresh={text(self.fresh)}: not for model.pretrained=true, whose library draws no random "
                "weights for parts of a model; set fresh to []"
            )
