"""Architectures and sizes of f and Pi, and what each model class can do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar

from composed.config.estimator import SCORE_FUNCTIONS, Sampling, reads_soft_sources
from composed.config.groups import Group, Own, by_target, short
from composed.config.rules import Choice, Count, Dropout, Positive, Unit, above
from composed.config.whole import Whole
from composed.errors import ConfigError

OF_TEXT = frozenset({"text"})
Units = Annotated[int, above(0), Unit("units")]
Layers = Annotated[int, above(0), Unit("layers")]


@dataclass(frozen=True, kw_only=True)
class Transformer(Group):
    """`abilities`: what a model class offers beside answering as a `SequenceModel`: to read soft sources and score
    every id, to be as deep as finetuning.depth says, to take adapters, to be made a classifier."""

    outputs: ClassVar[frozenset[str]] = OF_TEXT
    abilities: ClassVar[frozenset[str]] = frozenset({"soft", "depth", "adapters", "classifier"})
    _target_: str
    width: Units
    layers: Layers
    heads: Count
    feedforward: Units
    dropout: Dropout
    attention_dropout: Dropout
    activation_dropout: Dropout

    def agree(self, config: Whole) -> None:
        _check_heads(self.width, self.heads)


@dataclass(frozen=True, kw_only=True)
class FairseqTransformer(Transformer):
    abilities: ClassVar[frozenset[str]] = frozenset({"soft", "depth"})

    def installed(self, key: str, _mode: Any) -> None:
        if find_spec("fairseq") is None:
            raise ConfigError(f"{key}: fairseq 0.12.2 is not installed; install it with:\n  make fairseq")


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    abilities: ClassVar[frozenset[str]] = frozenset()
    _target_: str
    name: str
    pretrained: bool
    own_tokenizer: bool
    settings: Mapping[str, Any] | None
    dropout: Dropout

    def installed(self, key: str, mode: Any) -> None:
        """Raises ConfigError where a package or the model is missing; `key` is where this stands."""
        for package in ("transformers", *(["peft"] if mode.lora else [])):
            if find_spec(package) is None:
                raise ConfigError(f"{key}: Hugging Face models need the package {package}: pip install 'composed[hf]'")
        if self.name == "???":
            raise ConfigError(f"{key}.name is missing: the folder or hub id of an encoder-decoder such as BART or T5")
        if not Path(self.name).is_dir() and not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", self.name):
            raise ConfigError(
                f"{key}.name={self.name}: no such folder, and no id of the hub, which is NAME or OWNER/NAME"
            )
        if self.pretrained and not self.own_tokenizer:
            raise ConfigError(
                f"{key}.own_tokenizer=false: weights know the ids of their own tokenizer alone; set "
                f"{key}.pretrained=false"
            )


@dataclass(frozen=True, kw_only=True)
class GlyphPredictor:
    _target_: str
    widths: Annotated[list[Annotated[int, above(0)]], Unit("units")]
    dropout: Dropout
    batch_norm_eps: Positive


@dataclass(frozen=True, kw_only=True)
class UNet:
    _target_: str
    width: Annotated[int, above(0), Unit("channels")]
    dropout: Dropout


@dataclass(frozen=True, kw_only=True)
class Glyphs(Group):
    outputs: ClassVar[frozenset[str]] = frozenset({"image"})
    abilities: ClassVar[frozenset[str]] = frozenset()
    predictor: Annotated[GlyphPredictor | Own, by_target({"composed.models.mlp.GlyphPredictor": GlyphPredictor})]
    denoiser: Annotated[UNet | Own, by_target({"composed.models.unet.UNet": UNet})]


@dataclass(frozen=True, kw_only=True)
class Networks(Group):
    outputs: ClassVar[frozenset[str]] = frozenset({"staircase"})
    abilities: ClassVar[frozenset[str]] = frozenset()
    _target_: str
    width: Units
    scale: Positive
    kinks: Positive


SCHEMAS: dict[str, type] = {
    "composed.models.transformer.Transformer": Transformer,
    "composed.models.transformer.with_fairseq_positions": Transformer,
    "composed.models.fairseq_transformer.FairseqTransformer": FairseqTransformer,
    "composed.models.huggingface.HuggingFace": HuggingFace,
    "composed.models.staircase.Networks": Networks,
}


def _select(node: Mapping[str, Any]) -> type:
    return Glyphs if "predictor" in node and "_target_" not in node else SCHEMAS.get(str(node.get("_target_")), Own)


Model = Annotated[Transformer | FairseqTransformer | HuggingFace | Glyphs | Networks | Own, Choice(_select)]


def _check_heads(width: int, heads: int) -> None:
    if width % (2 * heads):
        raise ConfigError(f"model.width={width}: must be a multiple of 2 * heads = {2 * heads}")


def models_of(config: Whole) -> dict[str, Any]:
    """That of f, and Pi's own where it has one, by their keys."""
    theirs = getattr(config.pretraining, "model", None) or None
    return {"model": config.model} | ({"pretraining.model": theirs} if theirs else {})


def check_abilities(config: Whole) -> None:
    """Refuses options that the model class of f, or Pi's own, does not support."""
    mode, estimator = config.finetuning, config.estimator
    for key, model in models_of(config).items():
        if isinstance(model, HuggingFace | FairseqTransformer):
            model.installed(key, mode)
    if "pretraining.model" in models_of(config):
        _check_own_model(config)
    for ability, wanted, option, instead in (
        ("soft", mode.train_through and reads_soft_sources(estimator),
         "soft sources and a score of every id, which this estimator asks for",
         f"valid is estimator={' or '.join(SCORE_FUNCTIONS)}, without published_quirks"),
        ("depth", mode.depth != 1, f"finetuning.depth={mode.depth}", "set it to 1"),
        ("adapters", mode.adapters, f"finetuning.adapters={mode.adapters}", "set it to 0; finetuning.lora works"),
        ("classifier", getattr(config.pretraining, "classifier", 0) or mode.predict_above,
         "a classifier made of it", "set pretraining.classifier=0 and finetuning.predict_above=0"),
    ):  # fmt: skip
        if wanted and ability not in config.model.abilities:
            name = short(getattr(config.model, "_target_", "Glyphs"))
            raise ConfigError(f"{name} does not offer {option}: {instead}, or use model=transformer")


def _check_own_model(config: Whole) -> None:
    """Pi has a model of its own, and so other weights than f and maybe another tokenizer."""
    why = f"pretraining={config.pretraining.name} gives Pi a model of its own"
    mode, estimator = config.finetuning, config.estimator
    if mode.start_from == "denoiser":
        raise ConfigError(f"finetuning.start_from=denoiser: {why}, whose weights are not for f; set it to scratch, "
                          "which is the weights that model= gives")  # fmt: skip
    if getattr(config.pretraining, "classifier", 0) or mode.predict_above:
        raise ConfigError(f"{why}: set pretraining.classifier=0 and finetuning.predict_above=0, which need that of f")
    if mode.train_through and short(estimator._target_) not in SCORE_FUNCTIONS:
        raise ConfigError(f"{why}, which reads the text of f's samples; valid is "
                          f"estimator={' or '.join(SCORE_FUNCTIONS)}")  # fmt: skip
    if mode.train_through and isinstance(estimator, Sampling) and estimator.reach:
        raise ConfigError(f"estimator.reach={estimator.reach} counts tokens of one tokenizer: {why}; set it to null")
