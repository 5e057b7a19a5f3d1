"""What an update of a training minimises: one `Loss` for each kind of output, each with and without the denoiser."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from composed.datamodules.batching import Batch
from composed.models.composition import as_source
from composed.models.pathwise import squared_error
from composed.models.sequence import Draws


@dataclass(frozen=True)
class ComposedTerm:
    """How f is trained through the denoiser.

    Args:
        denoiser: Pi, frozen.
        estimator: of the gradient of the loss of Pi(f(x)).
        weight: of the term.
        after: updates before it joins.
        max_length: of an output that is drawn from f, in tokens; 0 where none is drawn.
    """

    denoiser: Any
    estimator: Any
    weight: float
    after: int = 0
    max_length: int = field(kw_only=True, default=0)


class Terms(NamedTuple):
    """The losses of the B rows of a batch, and what both are to be a mean over: target tokens, or images."""

    base: Tensor  # (B,) of f(x)
    composed: Tensor | None  # (B,) of Pi(f(x)), by the estimator
    amount: Tensor | float


class Loss(Protocol):
    """Of one kind of output. Without a `term`, the composed loss is left out."""

    unit: str  # what `amount`, and so the speed, counts
    remedy: str  # for a loss that is not finite

    def terms(
        self, f: Any, batch: Batch, term: ComposedTerm | None, *, smoothing: float, uniforms: Callable[[], Tensor]
    ) -> Terms:
        """In train mode, with gradients. `uniforms` (rows of samples, max_length): what outputs are drawn by."""

    def sums(self, f: Any, batch: Batch, term: ComposedTerm | None) -> Tensor:
        """Of a validation batch, in eval mode: (3,) float64 on the CPU, the summed losses of f(x) and of Pi(f(x)), and
        the amount.
        """


class TextLoss:
    """Negative log-likelihood of the target rows, in nats; of Pi(f(x)), that of Pi given what f writes."""

    unit = "tokens"
    remedy = "Try a smaller optim.lr, a longer optim.warmup or optim.clip=1."

    def terms(
        self, f: Any, batch: Batch, term: ComposedTerm | None, *, smoothing: float, uniforms: Callable[[], Tensor]
    ) -> Terms:
        base = f.nll(batch.source, batch.target, label_smoothing=smoothing)
        tokens = (batch.target != f.specials.pad).sum()
        if term is None:
            return Terms(base, None, tokens)
        draws = Draws(term.max_length, uniforms())
        return Terms(base, term.estimator.surrogate(f, term.denoiser, batch.source, batch.target, draws=draws), tokens)

    def sums(self, f: Any, batch: Batch, term: ComposedTerm | None) -> Tensor:
        """Pi reads f's greedy output."""
        base = f.nll(batch.source, batch.target).double().sum()
        tokens, composed = (batch.target != f.specials.pad).sum(), torch.zeros(())
        if term is not None:
            greedy = f.predict(batch.source, max_length=term.max_length)
            read = as_source(greedy, f.specials.pad, f.specials.eos)
            composed = term.denoiser.nll(read, batch.target).double().sum()
        return torch.stack([base.cpu(), composed.cpu().double(), tokens.cpu().double()])


class ImageLoss:
    """Squared error, a mean over pixels; Pi reads f's image, and the gradient flows through it."""

    unit = "images"
    remedy = "Try a smaller optim.lr."

    def terms(
        self, f: Any, batch: Batch, term: ComposedTerm | None, *, smoothing: float, uniforms: Callable[[], Tensor]
    ) -> Terms:
        output = f(batch.source)
        base = squared_error(output, batch.target)
        if term is None:
            return Terms(base, None, len(base))
        composed = term.estimator.surrogate(lambda _: output, term.denoiser, batch.source, batch.target)
        return Terms(base, composed, len(base))

    def sums(self, f: Any, batch: Batch, term: ComposedTerm | None) -> Tensor:
        output = f(batch.source)
        images = [output] if term is None else [output, term.denoiser(output)]
        sums = [squared_error(image, batch.target).sum().cpu().double() for image in images]
        return torch.tensor([*sums, *[0.0] * (2 - len(sums)), len(batch.target)], dtype=torch.float64)


TEXT, IMAGES = TextLoss(), ImageLoss()


class Penalty(Protocol):
    """What joins the loss of every update, whatever its batch: weight * value(f), a scalar in the unit of the loss."""

    @property
    def name(self) -> str:
        """Of its metric, which has the value alone."""

    @property
    def weight(self) -> float: ...
    def value(self, f: nn.Module) -> Tensor: ...


@dataclass(frozen=True)
class SumOfSquares:
    """Of weights, embeddings and the scales of normalisations, no biases, as published for fonts."""

    name: ClassVar[str] = "penalty"
    weight: float

    def value(self, f: nn.Module) -> Tensor:
        return torch.stack([value.square().sum() for name, value in f.named_parameters() if "bias" not in name]).sum()
