"""How predictions are decoded: it shapes what a run predicts, and no weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import yaml

from composed.config.groups import Group, Own, by_target, short
from composed.config.judge import check_validity
from composed.config.model import HuggingFace
from composed.config.options import options, read_option
from composed.config.rules import Unit, above
from composed.config.structure import structure
from composed.config.whole import Whole
from composed.errors import ConfigError

OF_TEXT = frozenset({"text"})


@dataclass(frozen=True, kw_only=True)
class Greedy(Group):
    _target_: str

    @property
    def word(self) -> str:
        """What follows a mode's name in reports."""
        return ""


@dataclass(frozen=True, kw_only=True)
class Beam(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    beams: Annotated[int, above(0), Unit("hypotheses")]

    @property
    def word(self) -> str:
        return f"beam {self.beams}"


@dataclass(frozen=True, kw_only=True)
class SampleVote(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    samples: Annotated[int, above(0), Unit("samples")]

    @property
    def word(self) -> str:
        return f"vote {self.samples}"


@dataclass(frozen=True, kw_only=True)
class Resample(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str
    draws: Annotated[int, above(1), Unit("outputs")]

    @property
    def word(self) -> str:
        return f"resample {self.draws}"

    def agree(self, config: Whole) -> None:
        check_validity(config, "decoding=resample draws invalid outputs again")


@dataclass(frozen=True, kw_only=True)
class Constrained(Group):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    _target_: str

    @property
    def word(self) -> str:
        return "constrained"

    def agree(self, config: Whole) -> None:
        where = "decoding=constrained"
        if config.task.name != "sanstype":
            raise ConfigError(
                f"{where}: it knows the grammar of task=sanstype, not that of task={config.task.name}; valid are "
                "decoding=greedy, beam, sample_vote and resample"
            )
        if config.tokenizer.kind != "word" and config.tokenizer.file is None:
            raise ConfigError(
                f"{where}: tokenizer.kind={config.tokenizer.kind} cuts words into pieces, and this says which "
                "words may follow; use tokenizer.kind=word"
            )
        theirs = getattr(config.pretraining, "model", None)
        if theirs or isinstance(config.model, HuggingFace):
            key = "pretraining.model" if theirs else "model=huggingface"
            raise ConfigError(
                f"{where}: {key} decodes by itself and takes no mask; use model=transformer for f and Pi alike"
            )


SCHEMAS: dict[str, type] = {
    "composed.models.decoders.Greedy": Greedy,
    "composed.models.decoders.Beam": Beam,
    "composed.models.decoders.SampleVote": SampleVote,
    "composed.models.decoders.Resample": Resample,
    "composed.models.decoders.Constrained": Constrained,
}


Decoding = Annotated[Greedy | Beam | SampleVote | Resample | Constrained | Own, by_target(SCHEMAS)]


def named(option: str, words: Sequence[str] = ()) -> Any:
    """The option with what the words decoding.KEY=VALUE say. Raises ConfigError for what there is not."""
    if option not in options("decoding"):
        raise ConfigError(f"--decoding {option}: valid values are {', '.join(options('decoding'))}")
    node = read_option("decoding", option)
    for word in words:
        key, equals, value = word.partition("=")
        name = key.removeprefix("decoding.")
        if not equals or name == key or name not in node:
            keys = [f"decoding.{name}=VALUE" for name in node if name != "_target_"]
            raise ConfigError(f"{word}: decoding={option} takes {' and '.join(keys) or 'no settings'}")
        node[name] = yaml.safe_load(value)
    return structure(Decoding, node, "decoding")  # type: ignore[arg-type]


def decoding_word(node: Mapping[str, Any]) -> str:
    """What follows a mode's name in reports: "" of greedy decoding, else such as "beam 4". Of a class of one's own its
    name and settings. Raises ConfigError for what is no such group.
    """
    decoding: Any = structure(Decoding, node, "decoding")  # type: ignore[arg-type]
    if isinstance(decoding, Own):
        settings = (f"{key} {value}" for key, value in decoding.settings.items())
        return ", ".join([short(decoding._target_), *settings])
    return decoding.word
