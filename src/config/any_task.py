"""What the config of every task says, and what one may ask of outputs that are no text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from composed.config.groups import Group
from composed.config.options import read_option
from composed.config.rules import Silent, Tokens
from composed.config.structure import plain, text
from composed.config.whole import Whole
from composed.errors import ConfigError
from composed.system.files import plain_files

Folder = Annotated[str, Silent()]  # where data are kept: what they are, other keys say
Title = Annotated[str, Silent("denoiser")]
MaxLength = Annotated[Tokens | None, Silent("denoiser")]
Named = tuple[str, list[Path]]  # a dotted key that names files, and these
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
class NoText(AnyTask):
    """What is to be said of every task whose outputs are no text."""

    def agree(self, config: Whole) -> None:
        """Refuses what text alone can do."""
        mode, where = config.finetuning, f"task={self.name}"
        if mode.start_from == "denoiser":
            raise ConfigError(
                f"finetuning={mode.name}: f cannot start from the denoiser in {where}, where its inputs are no "
                "outputs; finetuning=baseline and finetuning=composed_pathwise start from random weights"
            )
        if mode.train_through == "identity":
            raise ConfigError(
                f"finetuning.train_through=identity: not for {where}, which is no text: there the loss of f(x) is that "
                "of the identity; set it to denoiser or null"
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

    def unread(self, config: Whole) -> Iterator[tuple[str, Iterable[str]]]:
        yield f"task={self.name} has no text", ("tokenizer", "backtranslation", "schedules", "decoding")


def data_files(task: AnyTask, folder: Any) -> Iterator[Named]:
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
