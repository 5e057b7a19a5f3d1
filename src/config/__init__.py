"""What may be asked for: the command line and the config, checked before any work. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from composed.config.beginnings import Beginnings
from composed.config.decoding import Decoding
from composed.config.estimator import Estimator
from composed.config.finetuning import FineTuning
from composed.config.groups import EVERY, Group
from composed.config.judge import Judge
from composed.config.logger import Logger
from composed.config.model import Model, check_abilities
from composed.config.names import check_folders, check_names
from composed.config.noise import Noise
from composed.config.optim import Backtranslation, Optim, Schedule
from composed.config.options import options as options_of
from composed.config.options import read_option
from composed.config.pretraining import Pretraining
from composed.config.rules import Seed, Silent
from composed.config.structure import LEFT_OUT, LeftOut, chosen, forms, plain
from composed.config.structure import structure as structured
from composed.config.targets import targets as targets_in
from composed.config.task import Task
from composed.config.tokenizer import Tokenizer
from composed.config.trainer import Trainer, check_arguments
from composed.errors import ConfigError

# Groups whose options are for a kind of outputs.
KINDED = ("decoding", "estimator", "judge", "model", "noise", "optim", "pretraining")


@dataclass(frozen=True, kw_only=True)
class Profile(Group):
    name: str


@dataclass(frozen=True, kw_only=True)
class Config:
    """All that a run is asked for: a field for each key and group of conf/."""

    replicate: Annotated[Seed, Silent()]  # beyond the seeds that follow it
    seed: Seed
    denoiser: str
    runs: Annotated[str, Silent()]
    store: Annotated[str, Silent()]
    redo: Annotated[bool, Silent()]
    beginnings: Annotated[Beginnings, Silent()]
    tokenizer: Tokenizer
    backtranslation: Backtranslation
    finetuning: FineTuning
    estimator: Estimator
    decoding: Annotated[Decoding, Silent("denoiser")]
    judge: Annotated[Judge, Silent("denoiser")]
    pretraining: Pretraining
    noise: Noise
    model: Model
    optim: Optim
    trainer: Trainer
    logger: Annotated[Logger, Silent()]
    profile: Profile
    task: Task
    schedules: Mapping[str, Schedule] | LeftOut = LEFT_OUT

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "Config":
        """A resolved config as a value, ready for a run.

        Raises ConfigError as `read` does, and for values that contradict each other or name what is not there.
        """
        config = cls.read(node)
        config._agree()
        return config

    @classmethod
    def read(cls, node: Mapping[str, Any]) -> "Config":
        """The same of what a run folder says, which nothing needs to be there for any more.

        Raises ConfigError for a key that there is not and a value of the wrong type or out of its range, with the
        remedy.
        """
        for _ in targets_in(dict(node)):  # refuses foreign names
            pass
        if isinstance(node.get("trainer"), Mapping):
            check_arguments(node["trainer"])
        if isinstance(node.get("task"), Mapping):
            _check_kind(node)
        return structured(cls, node)

    def plain(self) -> dict[str, Any]:
        """The mapping that `of` was given."""
        return plain(self)

    def _agree(self) -> None:
        check_names(self.plain())
        first: tuple[Group, ...] = (self.task, self.finetuning, self.pretraining)
        then: tuple[Group, ...] = (self.tokenizer, self.trainer, self.model, self.optim)
        for value in first:
            value.agree(self)
        self._check_denoiser()
        for value in then:
            value.agree(self)
        if self.finetuning.train_through:
            self.estimator.agree(self)
        check_abilities(self)
        self.decoding.agree(self)
        self.judge.agree(self)
        self.noise.agree(self)
        check_folders(runs=self.runs, store=self.store)

    def _check_denoiser(self) -> None:
        theirs = getattr(self.pretraining, "model", None) or self.model
        if self.denoiser == "model" and not getattr(theirs, "pretrained", False):
            raise ConfigError("denoiser=model takes the denoiser as its model is given, which is random weights here; "
                              "use model=huggingface with model.pretrained=true, or denoiser=auto")  # fmt: skip
        if self.denoiser not in ("auto", "store", "model") and not Path(self.denoiser).exists():
            raise ConfigError(
                f"denoiser={self.denoiser}: no such file or folder. Valid values are auto, store, model and a path to "
                "a denoiser; denoiser=auto trains one"
            )


def _check_kind(node: Mapping[str, Any]) -> None:
    """Every group is for the kind of the task's outputs; first of all, since sizes are those of the task."""
    kind = node["task"].get("kind")
    for group in KINDED if isinstance(kind, str) and kind in EVERY else ():
        settings = node.get(group)
        if isinstance(settings, Mapping) and kind not in _outputs(group, settings):
            option = f"pretraining={settings.get('name')}" if group == "pretraining" else f"this option of {group}"
            valid = [name for name in options_of(group) if kind in _outputs(group, read_option(group, name))]
            raise ConfigError(
                f"{option} is not for task={node['task'].get('name')}, whose outputs are of kind {kind}; valid is "
                f"{group}={' or '.join(valid)}"
            )


def _outputs(group: str, settings: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of outputs that an option is for."""
    [kind] = chosen(forms(Config)[group], settings).kinds
    return kind.outputs
