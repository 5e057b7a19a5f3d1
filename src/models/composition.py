"""The frozen denoiser, and the composition Pi(f(x)), which predicts like any model."""

import hashlib
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from composed.models.classifier import Classifier
from composed.models.decoding import Guide, guided
from composed.models.sequence import SequenceModel


def freeze(model: nn.Module) -> nn.Module:
    """Makes `model` constant for good: no gradients for its parameters, and `train(True)` leaves it in eval mode.

    Gradients still flow *through* it to its inputs where those are continuous. In place; returns the model.
    """
    model.requires_grad_(False).eval()
    model.train = lambda mode=True: model  # type: ignore[method-assign]
    return model


def as_source(rows: Tensor, pad: int, eos: int) -> Tensor:
    """Outputs (B, T) of one model as sources (B, T or T+1) of the next: every row ends in exactly one `eos`."""
    if bool((rows == eos).any(1).all()):
        return rows
    rows = F.pad(rows, (0, 1), value=pad)
    lengths = (rows != pad).sum(1)
    unfinished = ((rows == eos).sum(1) == 0).nonzero()[:, 0]
    rows[unfinished, lengths[unfinished]] = eos
    return rows


class Composition:
    """Pi(f(x)): greedy f, then greedy Pi on its output.

    With a `classifier`, f(x) stays where the probability that it needs the denoiser is not above `above`.
    """

    def __init__(
        self, base: SequenceModel, denoiser: SequenceModel, classifier: Classifier | None = None, above: float = 0.0
    ) -> None:
        self.base = base
        self.denoiser = denoiser
        self.classifier = classifier
        self.above = above

    @torch.no_grad()
    def predict(self, source: Tensor, *, max_length: int, beams: int = 1) -> Tensor:
        """(B, S) -> (B, T), as `SequenceModel.predict`."""
        return self.denoise(
            self.base.predict(source, max_length=max_length, beams=beams), max_length=max_length, beams=beams
        )

    @torch.no_grad()
    def denoise(self, rows: Tensor, *, max_length: int, beams: int = 1, guide: Guide | None = None) -> Tensor:
        """Pi on outputs (B, T) of f; with a `guide`, greedily among what it allows."""
        special = self.base.specials
        source = as_source(rows, special.pad, special.eos)
        if guide:
            denoised = guided(self.denoiser, source, max_length, guide)
        else:
            denoised = self.denoiser.predict(source, max_length=max_length, beams=beams)
        if self.classifier is None:
            return denoised
        needed = self.classifier(source).sigmoid() > self.above
        length = max(rows.shape[1], denoised.shape[1])
        rows, denoised = (F.pad(side, (0, length - side.shape[1]), value=special.pad) for side in (rows, denoised))
        return torch.where(needed[:, None], denoised, rows)


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """A digest of the exact bits of some tensors: equal exactly when no weight moved."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
