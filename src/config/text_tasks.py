"""The tasks whose outputs are lines of text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from composed.config.any_task import AnyTask, Folder, MaxLength, Named, data_files
from composed.config.groups import Outputs
from composed.config.rules import Seed, Silent, Unit, above, within
from composed.config.whole import Whole
from composed.errors import ConfigError

Programs = Annotated[int, above(0), Unit("programs")]
Questions = Annotated[int, above(0), Unit("questions")]
Drawn = Annotated[int, above(0), Unit("molecules")]
Queries = Annotated[int, above(0), Unit("queries")]
Characters = Annotated[int, above(0), Unit("characters")]
Inputs = Annotated[int, above(0), Unit("inputs"), Silent("denoiser")]
# Noise that knows the statements of some tasks: its option, and these.
TEMPLATES = {
    "composed.datamodules.noise.TemplateNoise": ("template", ("sanstype", "spoc")),
    "composed.datamodules.python.noise.PythonTemplate": ("template_python", ("python",)),
}


def refuse_template(task: AnyTask, config: Whole) -> None:
    """Raises ConfigError for noise that knows the statements of other tasks alone."""
    option, tasks = TEMPLATES.get(getattr(config.noise, "_target_", ""), ("", (task.name,)))
    if task.name not in tasks:
        own = "".join(f"here is noise={name}, and " for name, others in TEMPLATES.values() if task.name in others)
        raise ConfigError(
            f"noise={option}: it knows the statements of task={tasks[0]}, and leaves what task={task.name} has as it "
            f"is; valid {own}for any text are noise=words, characters, deletion, swap and spans"
        )


@dataclass(frozen=True, kw_only=True)
class OfText(AnyTask):
    """What a text task of ours says, too."""

    kind: Outputs
    data: Folder
    folder: str | None
    seed: Seed
    max_length: MaxLength

    def agree(self, config: Whole) -> None:
        refuse_template(self, config)

    def files(self) -> Iterator[Named]:
        return data_files(self, self.folder)


@dataclass(frozen=True, kw_only=True)
class Grammar:
    max_variables: Annotated[int, above(0), Unit("variables")]
    max_rounds: Annotated[int, above(0), Unit("rounds")]


@dataclass(frozen=True, kw_only=True)
class SansTypeSizes:
    train: Annotated[Programs, Silent("denoiser")]
    val: Programs
    test: Programs
    ood: Programs
    unlabeled: Programs
    unlabeled_val: Programs


@dataclass(frozen=True, kw_only=True)
class SansType(OfText):
    grammar: Grammar
    sizes: SansTypeSizes
    inputs: Inputs

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        if self.folder:
            yield f"task.folder={self.folder} has data of its own", ("task.grammar", "task.sizes", "task.seed")


@dataclass(frozen=True, kw_only=True)
class InPython(AnyTask):
    """task=python."""

    kind: Outputs
    data: Folder
    seed: Seed
    max_length: MaxLength
    grammar: Grammar
    sizes: SansTypeSizes
    inputs: Inputs

    def agree(self, config: Whole) -> None:
        refuse_template(self, config)


@dataclass(frozen=True, kw_only=True)
class Longest:
    train: Characters | None
    val: Characters | None
    test: Characters | None


@dataclass(frozen=True, kw_only=True)
class AtMost:
    train: Programs | None
    val: Programs | None
    test: Programs | None


@dataclass(frozen=True, kw_only=True)
class Spoc(OfText):
    cases: Literal["hidden", "public", "all"]
    unannotated: Literal["code", "omit"]
    unlabeled: str | None
    skip_bad: bool
    longest: Longest
    at_most: AtMost

    def files(self) -> Iterator[Named]:
        yield from data_files(self, self.folder)
        if self.unlabeled:
            yield "task.unlabeled", sorted(Path(self.unlabeled).rglob("*.cpp"))


@dataclass(frozen=True, kw_only=True)
class OfFolder(AnyTask):
    """What a task says whose examples are lines of a person's own files."""

    kind: Outputs
    folder: str | None
    tests: list[str] | None
    seed: Seed
    max_length: MaxLength

    def files(self) -> Iterator[Named]:
        return data_files(self, self.folder)

    def agree(self, config: Whole) -> None:
        if self.folder is not None and not Path(self.folder).is_dir():
            raise ConfigError(f"task.folder={self.folder}: no such folder")
        if self.tests == []:
            raise ConfigError("task.tests=[]: nothing would be tested; name a test set, or null for all that are there")
        refuse_template(self, config)


@dataclass(frozen=True, kw_only=True)
class Files(OfFolder):
    def agree(self, config: Whole) -> None:
        if self.folder is None:
            raise ConfigError(
                "task=files has no data of its own: name a folder with train.src, train.tgt, test.src and test.tgt, or "
                "train.jsonl and test.jsonl, as task.folder=FOLDER"
            )
        super().agree(config)


@dataclass(frozen=True, kw_only=True)
class OfFolderOrGenerated(OfFolder):
    """As `OfFolder`, where examples are generated without a folder. `generator`: the keys that say which."""

    generator: ClassVar[tuple[str, ...]] = ("task.sizes",)

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        if self.folder:
            yield f"task.folder={self.folder} has data of its own", self.generator
        else:
            yield "task.folder=null generates the test sets id and ood", ("task.tests",)


@dataclass(frozen=True, kw_only=True)
class LabelsSizes:
    train: Questions
    val: Questions
    test: Questions
    ood: Questions


@dataclass(frozen=True, kw_only=True)
class Labels(OfFolderOrGenerated):
    labels: Literal["coarse", "fine"]
    sizes: LabelsSizes


@dataclass(frozen=True, kw_only=True)
class Nomenclature:
    chain: Annotated[int, within(1, 10, high_open=False), Unit("carbons")]
    substituted_chain: Annotated[int, within(1, 10, high_open=False), Unit("carbons")]
    prefixes: Annotated[int, within(0, 4, high_open=False), Unit("prefixes")]
    ood_prefixes: Annotated[int, within(0, 4, high_open=False), Unit("prefixes")]


@dataclass(frozen=True, kw_only=True)
class MoleculesSizes:
    train: Annotated[Drawn, Silent("denoiser")]
    val: Drawn
    test: Drawn
    ood: Drawn
    unlabeled: Drawn
    unlabeled_val: Drawn


@dataclass(frozen=True, kw_only=True)
class Molecules(OfFolderOrGenerated):
    generator: ClassVar[tuple[str, ...]] = ("task.grammar", "task.sizes", "task.order")
    order: Literal["parent", "any"]
    grammar: Nomenclature
    sizes: MoleculesSizes

    def agree(self, config: Whole) -> None:
        super().agree(config)
        if self.grammar.substituted_chain > self.grammar.chain:
            raise ConfigError(
                f"task.grammar.substituted_chain={self.grammar.substituted_chain}: no longer than "
                f"task.grammar.chain={self.grammar.chain}, which chains without prefixes may have"
            )


@dataclass(frozen=True, kw_only=True)
class Questioning:
    """The grammar of task=sql."""

    schemas: Annotated[int, within(1, 7, high_open=False), Unit("schemas")]
    conditions: Annotated[int, within(0, 3, high_open=False), Unit("conditions")]
    rows: Annotated[int, within(4, 20, high_open=False), Unit("rows")]


@dataclass(frozen=True, kw_only=True)
class SqlSizes:
    train: Annotated[Queries, Silent("denoiser")]
    val: Queries
    test: Queries
    ood_joins: Queries
    ood_wordings: Queries
    unlabeled: Queries
    unlabeled_val: Queries


@dataclass(frozen=True, kw_only=True)
class InSql(AnyTask):
    """task=sql."""

    kind: Outputs
    seed: Seed
    max_length: MaxLength
    grammar: Questioning
    sizes: SqlSizes

    def agree(self, config: Whole) -> None:
        refuse_template(self, config)
