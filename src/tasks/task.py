"""What a kind of output answers: its data, how f and Pi are made, what they predict. The page to read first.

A kind is a module of this package with one class below `Task`; `open_task` finds it by its name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from torch import nn

from composed.config import Config
from composed.datamodules.batching import Examples
from composed.errors import ConfigError
from composed.runs.folder import RunFolder
from composed.tasks.loss import Loss, Penalty
from composed.tasks.module import Optim, Training


@dataclass(frozen=True)
class Trained:
    """What a training leaves: f with its best weights, and what training.json says of it.

    elsewhere: the seconds that another run spent on the beginning that both share, less those spent waiting for it.
    """

    f: nn.Module
    updates: int
    best: dict[str, float]  # update, selection
    resumed: bool = False
    elsewhere: float = 0.0


@dataclass(frozen=True)
class Request:
    """What composed-predict is asked: lines of input, or a text to write in a face."""

    lines: Sequence[str] = ()
    text: str = ""
    face: int = 0


class Task(ABC):
    """The data of a config, read, and everything that its kind of output decides.

    Attributes:
        config: resolved and checked.
        signature: what weights must agree with, such as the hash of a vocabulary; "" where nothing has to.
        tests: the names of the test sets, any number.
        max_length: of an output that is decoded, in tokens; 0 where none is.

    `optim`, `examples`, `denoising` and `identity_of_denoiser` are asked by the shared training loop alone: a kind that
    trains itself and whose denoiser has no weights (staircases) leaves them out.
    """

    loss: ClassVar[Loss]
    takes: ClassVar[Literal["lines", "text", ""]] = ""  # what composed-predict is given
    learns_denoiser: ClassVar[bool] = True  # whether Pi has weights

    config: Config
    signature: str
    tests: Sequence[str]
    max_length: int = 0

    @classmethod
    @abstractmethod
    def open(cls, config: Config) -> Self:
        """Reads the data, and makes what is missing of it. Raises DataError."""

    # -- models -------------------------------------------------------------------------------------------------

    @abstractmethod
    def predictor(self, *, seed: int) -> nn.Module:
        """f with random weights of `seed`."""

    @abstractmethod
    def denoiser(self, *, seed: int, dropout: float | None = None) -> nn.Module:
        """Pi with random weights of `seed`, and another dropout than in fine-tuning where one is given."""

    def identity(self) -> nn.Module:
        """A denoiser that repairs nothing. Raises ConfigError where the composed loss has no use for one."""
        raise ConfigError("finetuning.train_through=identity: not for this kind of output; set it to denoiser or null")

    def as_denoiser_sees(self) -> Self:
        """The same data with the model and the tokenizer of Pi, where it has its own."""
        return self

    def reading(self, pi: nn.Module, seen: Self) -> nn.Module:
        """Pi, such that it reads what f writes; `seen` is the task as Pi sees it."""
        return pi

    def composition(self, f: nn.Module, pi: nn.Module | None, classifier: nn.Module | None) -> Any:
        """What predicts Pi(f(x)), on the device of f; None where there is no Pi."""
        return None if pi is None else pi.to(next(f.parameters()).device)

    # -- training -----------------------------------------------------------------------------------------------

    def optim(self, settings: Any) -> Optim:
        """The optimiser's settings, of the options of the group optim, or of pretraining.optim."""
        raise NotImplementedError

    def examples(self, split: Literal["train", "val"]) -> Examples:
        """(input, output) pairs."""
        raise NotImplementedError

    def denoising(self, split: Literal["unlabeled", "unlabeled_val"], *, seed: int, fresh: bool = False) -> Examples:
        """(noised output, output) pairs; with `fresh`, noised anew in every update."""
        raise NotImplementedError

    def denoising_stages(self, *, seed: int, fresh: bool) -> list[tuple[float, Examples]]:
        """What Pi learns from, one after the other: shares of its updates, and pairs."""
        return [(1.0, self.denoising("unlabeled", seed=seed, fresh=fresh))]

    def check_unlabeled(self) -> None:
        """Raises DataError where there is nothing to train a denoiser on."""
        return

    def identity_of_denoiser(self) -> dict[str, Any]:
        """All that shapes the weights of Pi: the key of the store."""
        raise NotImplementedError

    def penalties(self) -> list[Penalty]:
        """What joins the loss of f, by the group optim."""
        return []

    def teller(
        self, examples: Examples, pi: nn.Module | None, names: Sequence[str]
    ) -> Callable[[Training], str] | None:
        """Says in words, a line for each of `names`, what the trained model and Pi make of a typical example."""
        return None

    def train_itself(self, folder: RunFolder, loggers: Sequence[Any]) -> Trained | None:
        """For a kind whose training takes seconds and has its own loop; the others return None."""
        return None

    # -- predictions --------------------------------------------------------------------------------------------

    @abstractmethod
    def predict(self, folder: RunFolder, f: nn.Module, composition: Any) -> None:
        """Writes what f, and Pi(f) where there is a composition, say on every test example.

        The ranks of a distributed training share the work; all of them have to call.
        """

    @abstractmethod
    def facts(self, f: nn.Module) -> dict[str, Any]:
        """What the judging of a run asks of its training: `splits`, the test sets, and what the kind adds."""

    def quality(self, pi: nn.Module) -> dict[str, float]:
        """How good Pi is: on noised validation outputs, and on gold outputs of the tests, which it should leave alone.
        By names that say the unit. The ranks share the work; all of them have to call.
        """
        return {}

    def kept(self, f: nn.Module, pi: nn.Module) -> dict[str, float]:
        """What f still knows of what Pi knows, and how far it has moved, by names that say the unit; nothing where f is
        no denoiser. The ranks share the work; all of them have to call.
        """
        return {}

    def show(self, folder: RunFolder, f: nn.Module, pi: nn.Module | None) -> None:
        """Draws pictures for a person, from what was predicted; none by default."""
        return

    def answer(self, f: nn.Module, composition: Any, request: Request) -> Any:
        """What f and the composition say of something new. Raises DataError for what f does not know."""
        raise ConfigError(f"task={self.config.task.name}: composed-predict does not take it")
