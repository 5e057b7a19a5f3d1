"""What the groups of a config may ask of each other, in their cross-rules; `composed.config.Config` has all of it."""

from collections.abc import Mapping, Sequence, Set
from typing import Protocol


class Task(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...


class Judge(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def validity(self) -> bool: ...


class Stage(Protocol):
    @property
    def rates(self) -> Mapping[str, float]: ...


class Mode(Protocol):
    """The group finetuning."""

    @property
    def name(self) -> str: ...

    @property
    def alone(self) -> str: ...

    @property
    def start_from(self) -> str: ...

    @property
    def train_through(self) -> str | None: ...

    @property
    def predict_above(self) -> float: ...

    @property
    def compose_after(self) -> float: ...

    @property
    def depth(self) -> int: ...

    @property
    def lora(self) -> int: ...

    @property
    def adapters(self) -> int: ...

    @property
    def stages(self) -> Sequence[Stage]: ...


class Estimator(Protocol):
    @property
    def _target_(self) -> str: ...


class Pretraining(Protocol):
    @property
    def name(self) -> str: ...


class Noise(Protocol):
    @property
    def outputs(self) -> Set[str]: ...


class Model(Protocol):
    @property
    def abilities(self) -> Set[str]: ...


class Tokenizer(Protocol):
    @property
    def kind(self) -> str: ...

    @property
    def file(self) -> str | None: ...


class Decoding(Protocol):
    @property
    def outputs(self) -> Set[str]: ...


class Trainer(Protocol):
    @property
    def strategy(self) -> str: ...

    @property
    def gradient_checkpointing(self) -> bool: ...


class Whole(Protocol):
    @property
    def denoiser(self) -> str: ...

    @property
    def task(self) -> Task: ...

    @property
    def finetuning(self) -> Mode: ...

    @property
    def estimator(self) -> Estimator: ...

    @property
    def pretraining(self) -> Pretraining: ...

    @property
    def noise(self) -> Noise: ...

    @property
    def model(self) -> Model: ...

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def decoding(self) -> Decoding: ...

    @property
    def judge(self) -> Judge: ...

    @property
    def trainer(self) -> Trainer: ...
