"""What f and Pi of text are asked, whoever built them: a transformer of ours, or one from another library.

Left out: what only an `EncoderDecoder` answers (`logits`, soft sources), which few estimators need.
Letters: B sources, k rows of each, S and T lengths of source and target.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids with a meaning of their own. Those of our tokenizers lead every vocabulary; another's may be anywhere."""

    pad: int = 0
    bos: int = 1
    eos: int = 2
    unk: int = 3


DEFAULT_SPECIALS = Specials()  # of every tokenizer that we train


@dataclass(frozen=True)
class Draws:
    """How samples are drawn.

    Args:
        max_length: of a row, in tokens.
        uniforms: (rows, max_length) float64 in [0, 1): the same draws give the same row, wherever it stands. A model
            that cannot leaves them aside.
        generator: makes the draws where there are none; null: torch's own.
    """

    max_length: int
    uniforms: Tensor | None = None
    generator: torch.Generator | None = None

    def of(self, rows: int, device: torch.device) -> Tensor:
        """The uniform draws for so many rows: (rows, max_length)."""
        if self.uniforms is not None:
            return self.uniforms
        return torch.rand((rows, self.max_length), dtype=torch.float64, device=device, generator=self.generator)


@contextmanager
def training_mode(model: nn.Module, on: bool) -> Iterator[None]:
    """`model` in train or eval mode; then again as it was."""
    before = model.training
    model.train(on)
    try:
        yield
    finally:
        model.train(before)


class SequenceModel(nn.Module, ABC):
    """A conditional distribution over rows of ids. Rows are padded on the right; sources and targets end in `eos`.

    A pad is no output, wherever a row could go on: it has probability 0 in all answers. What `encode` returns may stand
    wherever a source is asked for; nobody else looks into it.
    """

    specials: Specials
    checkpointing: bool = False  # with gradients: keep only what goes from layer to layer, work out the rest again

    def nll(self, source: Any, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Negative log-likelihood of each target row, summed over its positions (nats).

        source (B, S), target (B, T) or (B*k, T): then row i of the source belongs to target rows i*k .. i*k+k-1 and
        is encoded once. Returns (rows of target,). With `label_smoothing` the loss of Szegedy et al. 2016 instead.
        """
        return self.token_nll(source, target, label_smoothing=label_smoothing).sum(1)

    @abstractmethod
    def token_nll(self, source: Any, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """The terms that `nll` sums: (rows of target, T), zeros where the target is a pad."""

    @abstractmethod
    def encode(self, source: Any) -> Any:
        """Sources (B, S), read once for several questions. What is encoded already stays as it is."""

    @abstractmethod
    def sample(self, source: Any, count: int = 1, *, draws: Draws) -> Tensor:
        """Ancestral samples at temperature 1: (B*count, T), `count` rows per source in order, pads after `eos`.

        A row that reaches `draws.max_length` has no `eos`. The log-probability of what was drawn is
        `-nll(source, samples)` in eval mode: the same ids compete in both. Under bf16 autocast both round,
        each in its own way.
        """

    @abstractmethod
    def predict(self, source: Any, *, max_length: int, beams: int = 1) -> Tensor:
        """The likeliest row that greedy decoding (or beam search) finds: (B, T), pads after `eos`."""
