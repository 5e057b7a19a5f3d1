"""What is learned: data, splits, and what modes can ask of a kind of outputs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from composed.config.groups import EVERY, Group, Outputs, is_kind, setting
from composed.config.options import options, read_option
from composed.config.rules import Choice, Rest, Seed, Silent, Tokens, Unit, above, within
from composed.config.structure import LEFT_OUT, LeftOut, plain, text
from composed.config.whole import Whole
from composed.errors import ConfigError
from composed.system.files import plain_files

Programs = Annotated[int, above(0), Unit("programs")]
Questions = Annotated[int, above(0), Unit("questions")]
Drawn = Annotated[int, above(0), Unit("molecules")]
Images = Annotated[int, above(0), Unit("images")]
Faces = Annotated[int, above(0), Unit("faces")]
Characters = Annotated[int, above(0), Unit("characters")]
Folder = Annotated[str, Silent()]  # where data are kept: what they are, other keys say
Title = Annotated[str, Silent("denoiser")]
MaxLength = Annotated[Tokens | None, Silent("denoiser")]
Named = tuple[str, list[Path]]  # a dotted key that names files, and these
Inputs = Annotated[int, above(0), Unit("inputs"), Silent("denoiser")]
TEMPLATE = "composed.datamodules.noise.TemplateNoise"
FONTS = (".ttf", ".otf", ".pfb", ".ttc", ".woff", ".woff2", ".t1")
OF_STAIRCASES = ("threads",)  # what of the trainer they read
# What a mode may be about where outputs are no text; the rest has to be as in finetuning=baseline.
MODE_KEYS = (
    "name",
    "start_from",
    "train_through",
    "predict_through",
    "base_weight",
    "composed_weight",
    "compose_after",
)


@dataclass(frozen=True, kw_only=True)
class AnyTask(Group):
    """What every task says."""

    name: str
    kind: str
    title: Title

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        """Reasons why keys or groups of the config have no effect beside this task, each with these."""
        return iter(())

    def files(self) -> Iterator[Named]:
        """What shapes numbers by its content."""
        return iter(())


@dataclass(frozen=True, kw_only=True)
class OfText(AnyTask):
    """What a text task of ours says, too."""

    kind: Outputs
    data: Folder
    folder: str | None
    seed: Seed
    max_length: MaxLength

    def files(self) -> Iterator[Named]:
        return _data(self, self.folder)


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
        yield from _data(self, self.folder)
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
        return _data(self, self.folder)

    def agree(self, config: Whole) -> None:
        if self.folder is not None and not Path(self.folder).is_dir():
            raise ConfigError(f"task.folder={self.folder}: no such folder")
        if self.tests == []:
            raise ConfigError("task.tests=[]: nothing would be tested; name a test set, or null for all that are there")
        if getattr(config.noise, "_target_", "") == TEMPLATE:
            raise ConfigError(
                f"noise=template: it knows the statements of task=sanstype, and leaves what task={self.name} has as it "
                "is; valid for any text are noise=words, characters, deletion, swap and spans"
            )


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
class LabelsSizes:
    train: Questions
    val: Questions
    test: Questions
    ood: Questions


@dataclass(frozen=True, kw_only=True)
class Labels(OfFolder):
    labels: Literal["coarse", "fine"]
    sizes: LabelsSizes

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        if self.folder:
            yield f"task.folder={self.folder} has data of its own", ("task.sizes",)
        else:
            yield "task.folder=null generates the test sets id and ood", ("task.tests",)


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
class Molecules(OfFolder):
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

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        if self.folder:
            yield f"task.folder={self.folder} has data of its own", ("task.grammar", "task.sizes", "task.order")
        else:
            yield "task.folder=null generates the test sets id and ood", ("task.tests",)


@dataclass(frozen=True, kw_only=True)
class FontsSizes:
    faces: Faces
    families: Annotated[int, above(0), Unit("families")]
    train: Images
    val: Images
    test: Images
    unlabeled: Faces
    unlabeled_val: Faces


@dataclass(frozen=True, kw_only=True)
class Fonts(AnyTask):
    kind: Outputs
    data: Folder
    faces: str
    count: Faces
    characters: str
    size: Annotated[int, above(0), Unit("pixels")]
    seed: Seed
    sizes: FontsSizes

    def agree(self, config: Whole) -> None:
        _check_mode(self, config)
        if len(set(self.characters)) < max(len(self.characters), 1):
            raise ConfigError(f"task.characters={self.characters}: at least one, none of them twice")
        if self.size % 8 or self.size < 16:
            raise ConfigError(
                f"task.size={self.size}: must be a multiple of 8, and at least 16, for the denoiser's three halvings"
            )
        if config.finetuning.start_from in options("finetuning"):
            raise ConfigError(
                f"finetuning.start_from={config.finetuning.start_from}: of fonts, valid values are scratch and the "
                "folder of a finished run"
            )

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        if self.faces != "bundled":
            yield f"task.faces={self.faces} has faces of its own", ("task.count",)

    def files(self) -> Iterator[Named]:
        if self.faces != "bundled":
            yield "task.faces", _fonts(Path(self.faces))


@dataclass(frozen=True, kw_only=True)
class Staircase(AnyTask):
    kind: Outputs
    staircases: list[tuple[int, float, float]]
    points: Annotated[int, above(0), Unit("points")]
    beyond: Annotated[int, above(0), Unit("steps")]

    def agree(self, config: Whole) -> None:
        _check_mode(self, config)
        mode = config.finetuning
        if mode.start_from != "scratch":
            raise ConfigError(
                f"finetuning.start_from={mode.start_from}: not for task=staircase, where f starts from random weights; "
                "set it to scratch"
            )
        if mode.compose_after:
            raise ConfigError(
                f"finetuning.compose_after={mode.compose_after}: not for task=staircase; it has to be 0, since the "
                "loss of Pi(f(x)) is there from the start"
            )
        for steps, width, gap in self.staircases:
            if steps < 2 or width <= 0 or gap <= 0:
                raise ConfigError(
                    f"task.staircases: [{steps}, {width}, {gap}]: at least 2 steps, width and gap above 0"
                )
            if self.points % steps or self.points < 2 * steps:
                raise ConfigError(
                    f"task.points={self.points}: must be a multiple of the {steps} steps, at least 2 on each"
                )

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        yield f"the denoiser of task={self.name} rounds and is not trained", ("noise", "denoiser")
        yield (
            f"task={self.name} is trained by threads of the CPU",
            [f"trainer.{key}" for key in plain(config.trainer) if key not in OF_STAIRCASES],
        )
        if not config.finetuning.train_through:
            yield config.finetuning.alone, ("pretraining.margin", "pretraining.gradient")


@dataclass(frozen=True, kw_only=True)
class OwnTask(AnyTask):
    """A task of a person's own: what it has beside the keys that trainings read, it reads itself."""

    data: Folder | LeftOut = LEFT_OUT
    max_length: MaxLength | LeftOut = LEFT_OUT
    settings: Annotated[Mapping[str, Any], Rest()] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        """A setting, by its name. Raises AttributeError where there is none."""
        return setting(self, name)

    def agree(self, config: Whole) -> None:
        if not is_kind(self.kind):
            raise ConfigError(
                f"task.kind={self.kind}: there is no such kind of output; valid are {', '.join(sorted(EVERY))}, and "
                f"that of a module src/tasks/{self.kind}.py"
            )
        if self.kind != "text":
            _check_mode(self, config)

    def files(self) -> Iterator[Named]:
        return _data(self, self.settings.get("folder"))


SCHEMAS: dict[str, type] = {
    "sanstype": SansType,
    "spoc": Spoc,
    "files": Files,
    "labels": Labels,
    "molecules": Molecules,
    "fonts": Fonts,
    "staircase": Staircase,
}


def _select(node: Mapping[str, Any]) -> type:
    return SCHEMAS.get(str(node.get("name")), OwnTask)


Task = Annotated[SansType | Spoc | Files | Labels | Molecules | Fonts | Staircase | OwnTask, Choice(_select)]


def _check_mode(task: Fonts | Staircase | OwnTask, config: Whole) -> None:
    """Only what outputs that are no text can do."""
    mode, where = config.finetuning, f"task={task.name}"
    if mode.start_from == "denoiser":
        raise ConfigError(
            f"finetuning={mode.name}: f cannot start from the denoiser in {where}, where its inputs are no outputs; "
            "finetuning=baseline and finetuning=composed_pathwise start from random weights"
        )
    if mode.train_through == "identity":
        raise ConfigError(
            f"finetuning.train_through=identity: not for {where}, which is no text: there the loss of f(x) is that of "
            "the identity; set it to denoiser or null"
        )
    if config.trainer.gradient_checkpointing:
        raise ConfigError(f"trainer.gradient_checkpointing=true: {where} has no transformer; set it to false")
    if config.trainer.strategy == "fsdp":
        raise ConfigError(f"trainer.strategy=fsdp: {where} has no layers to share out; use trainer=ddp")
    if config.decoding.outputs == {"text"}:
        raise ConfigError(f"decoding: this option is for text alone; {where} takes decoding=greedy")
    baseline = read_option("finetuning", "baseline")
    for key, value in plain(mode).items():
        if key not in MODE_KEYS and value != baseline[key]:
            raise ConfigError(
                f"finetuning.{key}={text(value)}: not for {where}, where it has to be {text(baseline[key])}"
            )


def _data(task: AnyTask, folder: Any) -> Iterator[Named]:
    """The files of task.folder that the task reads, by its own word where it has one."""
    if not (isinstance(folder, str) and folder and Path(folder).is_dir()):
        return
    package = f"composed.datamodules.{task.name}"
    try:
        files = getattr(import_module(package), "files", None)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        files = None  # there is no such task, as whoever reads its data will say
    yield "task.folder", files(plain(task)) if files else plain_files(Path(folder))


def _fonts(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.rglob("*") if path.suffix.lower() in FONTS and path.is_file())
    return [source] if source.is_file() else []
