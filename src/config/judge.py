"""How right and wrong are told: a judge, and what shapes its verdicts; how it runs shapes no number."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import yaml

from composed.config.groups import Group, setting
from composed.config.options import options, read_option
from composed.config.rules import Check, Choice, Rest, Silent, Unit, above
from composed.config.structure import plain, structure
from composed.config.whole import Whole
from composed.errors import ConfigError
from composed.judges import command, interface

OF_TEXT = frozenset({"text"})
TRAIN = "train"  # of judge.labels: those of the training pairs

Workers = Annotated[int, above(0), Unit("processes"), Silent()]
Seconds = Annotated[float, above(0), Unit("seconds")]
Memory = Annotated[int, above(0), Unit("MiB")]
Longest = Annotated[int, above(0), Unit("characters")]
Switch = Annotated[bool, Silent()]


@dataclass(frozen=True, kw_only=True)
class AnyJudge(Group):
    """What every judge says. `validity`: whether it can tell valid outputs from others without a target."""

    validity: ClassVar[bool] = True
    name: str

    def keys(self, targets: Sequence[str] = ()) -> dict[str, Any]:
        """What the class of the judge takes, where the training pairs have these targets."""
        return {key: value for key, value in plain(self).items() if key != "name"}

    @property
    def reads_targets(self) -> bool:
        """Whether the targets of the training pairs shape verdicts."""
        return False

    def running(self, **keys: Any) -> Self:
        """With others of the keys that say how it runs, of those that it has."""
        return dataclasses.replace(self, **{key: value for key, value in keys.items() if key in vars(self)})

    def containment(self) -> dict[str, Any]:
        """How programs of the data are run, for `composed.judges`, as far as this judge says so."""
        return {key: getattr(self, key) for key in ("workers", "unsafe", "shared") if key in vars(self)}

    def files(self) -> Iterator[tuple[str, list[Path]]]:
        """What shapes verdicts by its content: a dotted key, and the files that it names."""
        return iter(())


def opened(judge: AnyJudge, targets: Sequence[str] = (), *, workers: int | None = None) -> Any:
    """The judge itself, with as many workers where the config does not say. Raises JudgeError."""
    keys = judge.keys(targets)
    if keys.get("workers", 0) is None:
        keys["workers"] = workers
    return interface.open_judge(judge.name, keys)


def named(option: str, words: Sequence[str] = ()) -> AnyJudge:
    """The option of conf/judge with what the words KEY=VALUE say. Raises ConfigError for what there is not."""
    if option not in options("judge"):
        raise ConfigError(f"--judge {option}: valid values are {', '.join(options('judge'))}")
    node = read_option("judge", option)
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in node or key == "name":
            keys = ", ".join(f"{name}=VALUE" for name in node if name != "name")
            raise ConfigError(f"--set {word}: --judge {option} takes {keys or 'no settings'}")
        node[key] = yaml.safe_load(value)
    judge: AnyJudge = structure(Judge, node, "judge")  # type: ignore[arg-type]
    if not judge.outputs & OF_TEXT:
        raise ConfigError(f"--judge {option}: judges no lines of text")
    if judge.reads_targets:
        raise ConfigError("judge.labels=train: there is no training here; give --set labels=FILE, with a label a line")
    judge.agree(cast(Any, None))  # which asks nothing of the rest
    return judge


@dataclass(frozen=True, kw_only=True)
class Python(AnyJudge):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    compare: Literal["exact", "tokens"]
    seconds: Seconds
    memory: Memory
    workers: Workers | None
    unsafe: Switch
    reuse: Switch


@dataclass(frozen=True, kw_only=True)
class Programs(Python):
    """In C++, where several may be compiled together."""

    shared: Switch


@dataclass(frozen=True, kw_only=True)
class Sql(AnyJudge):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    compare: Literal["bag", "set"]
    seconds: Seconds
    memory: Memory
    longest: Longest
    rows: Annotated[int, above(0), Unit("rows")]
    workers: Workers | None


@dataclass(frozen=True, kw_only=True)
class Molecule(AnyJudge):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    longest: Longest
    seconds: Seconds
    workers: Workers | None


@dataclass(frozen=True, kw_only=True)
class Command(AnyJudge):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    program: str | None
    seconds: Seconds
    memory: Memory
    reads: Annotated[list[str], Silent()]
    workers: Workers | None
    unsafe: Switch
    reuse: Switch

    def files(self) -> Iterator[tuple[str, list[Path]]]:
        if self.program and (named := command.files(self.program)):
            yield "judge.program", named

    def agree(self, config: Whole) -> None:
        if not self.program:
            raise ConfigError(
                'judge.program=null: judge=command runs a program of yours; name it, as "python3 check.py"'
            )


@dataclass(frozen=True, kw_only=True)
class Match(AnyJudge):
    outputs: ClassVar[frozenset[str]] = OF_TEXT
    labels: str | None
    pattern: str | None
    seconds: Seconds
    workers: Workers | None

    @property
    def validity(self) -> bool:  # type: ignore[override]
        return self.labels is not None or self.pattern is not None

    @property
    def reads_targets(self) -> bool:
        return self.labels == TRAIN

    def keys(self, targets: Sequence[str] = ()) -> dict[str, Any]:
        return super().keys() | ({"labels": [*targets]} if self.reads_targets else {})

    def files(self) -> Iterator[tuple[str, list[Path]]]:
        if self.labels and not self.reads_targets:
            yield "judge.labels", [path for path in [Path(self.labels)] if path.is_file()]

    def agree(self, config: Whole) -> None:
        if self.labels and not self.reads_targets and not Path(self.labels).is_file():
            raise ConfigError(
                f"judge.labels={self.labels}: no such file. Valid values are null, {TRAIN} (the targets of the "
                "training pairs) and a file of valid outputs, one a line"
            )


@dataclass(frozen=True, kw_only=True)
class Images(AnyJudge):
    outputs: ClassVar[frozenset[str]] = frozenset({"image"})
    validity: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Numbers(AnyJudge):
    outputs: ClassVar[frozenset[str]] = frozenset({"staircase"})
    validity: ClassVar[bool] = False


def _check_own(key: str, name: str) -> None:
    if name not in SCHEMAS and interface.class_of(name) is None:
        raise ConfigError(
            f"{key}={name}: valid values are {', '.join(SCHEMAS)}, and a module src/judges/{name}.py of your own with "
            "a class Judge"
        )


@dataclass(frozen=True, kw_only=True)
class OwnJudge(AnyJudge):
    """A judge of a person's own: its class says what keys there are, not this package."""

    name: Annotated[str, Check(_check_own)]
    settings: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """A setting, by its name. Raises AttributeError where there is none."""
        return setting(self, name)

    @property
    def validity(self) -> bool:  # type: ignore[override]
        return hasattr(interface.class_of(self.name), "faults")

    def running(self, **keys: Any) -> Self:
        known = {key: value for key, value in keys.items() if key in self.settings}
        return dataclasses.replace(self, settings={**self.settings, **known})


SCHEMAS: dict[str, type[AnyJudge]] = {
    "programs": Programs,
    "python": Python,
    "sql": Sql,
    "molecule": Molecule,
    "command": Command,
    "match": Match,
    "images": Images,
    "numbers": Numbers,
}


def _select(node: Mapping[str, Any]) -> type:
    return SCHEMAS.get(str(node.get("name")), OwnJudge)


Judge = Annotated[Programs | Python | Sql | Molecule | Command | Match | Images | Numbers | OwnJudge, Choice(_select)]


def check_validity(config: Whole, asks: str) -> None:
    """Raises ConfigError where the judge cannot say which outputs are valid, which `asks` needs."""
    if not config.judge.validity:
        raise ConfigError(
            f"{asks}: judge={config.judge.name} tells no valid output from another; "
            + ("give it judge.labels or judge.pattern, or " if isinstance(config.judge, Match) else "")
            + f"choose another of judge={', '.join(options('judge'))}"
        )
