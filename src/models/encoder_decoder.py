"""An encoder and a decoder that share one embedding with the output: likelihoods and rows, told once for all of them.

Left out: what lies between embedding and hidden states, which is the model's.
Letters: B sources, k rows of each, T target length, D width, V ids from `eos` on, N target positions that are not pads.
"""

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from composed.models import decoding
from composed.models.sequence import Draws, SequenceModel


class EncoderDecoder(SequenceModel):
    """A model answers `encode`, `teacher_forced` and `begin`; scores are products with the embedding of each id.

    Ids below `eos`, which lead every vocabulary of ours, are no outputs. What is encoded has `states` (B, S, D).
    """

    embedding: nn.Embedding

    @abstractmethod
    def teacher_forced(self, source: Any, target: Tensor, real: Tensor) -> Tensor:
        """The decoder's states (N, D) where the target (B*k, T) is `real`, no pad; each has read what comes before."""

    @abstractmethod
    def begin(self, encoded: Any, count: int) -> Any:
        """`count` rows of each source before their first token, as `decoding.Decoding`."""

    def engine(self) -> Any:
        """What decodes: `decoding`, or a faster module with the same functions `generate` and `beam_search`."""
        return decoding

    def score(self, hidden: Tensor) -> Tensor:
        """Scores (..., V) of the ids from `eos` on, by states (..., D)."""
        with torch.autocast(hidden.device.type, enabled=False):  # rounded scores would be noise in the loss
            return F.linear(hidden.to(self.embedding.weight.dtype), self.embedding.weight[self.specials.eos :])

    # -- teacher forcing ----------------------------------------------------------------------------------------

    def token_nll(self, source: Any, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """As `SequenceModel` says; a source may be soft where `encode` takes it, here and in `nll`."""
        real = target != self.specials.pad  # (B*k, T)
        scores, classes = self.score(self.teacher_forced(source, target, real)), target[real] - self.specials.eos
        losses = F.cross_entropy(scores, classes, reduction="none", label_smoothing=label_smoothing)  # (N,)
        return losses.new_zeros(target.shape).masked_scatter(real, losses)

    def logits(self, source: Any, target: Tensor) -> Tensor:
        """Teacher-forced scores (B*k, T, V) of the ids from `eos` on; zeros where the target is a pad."""
        real = target != self.specials.pad
        scores = self.score(self.teacher_forced(source, target, real))
        return scores.new_zeros(*target.shape, scores.shape[-1]).masked_scatter(real[..., None], scores)

    # -- decoding -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, source: Any, count: int = 1, *, draws: Draws) -> Tensor:
        encoded = self.encode(source)
        uniforms = draws.of(len(encoded.states) * count, encoded.states.device)
        return self.decode(encoded, count, draws.max_length, uniforms)

    @torch.no_grad()
    def predict(self, source: Any, *, max_length: int, beams: int = 1) -> Tensor:
        encoded = self.encode(source)
        if beams == 1:
            return self.decode(encoded, 1, max_length)
        if max_length == 0 or len(encoded.states) == 0:
            return self._empty(encoded, 1, max_length)
        return decoding.trim(self.engine().beam_search(self, encoded, beams, max_length), self.specials.pad)

    def decode(
        self, source: Any, count: int, max_length: int, uniforms: Tensor | None = None, min_length: int = 0
    ) -> Tensor:
        """`decoding.generate`, without the columns that are pads in every row: (B*count, T)."""
        encoded = self.encode(source)
        if max_length == 0 or len(encoded.states) * count == 0:
            return self._empty(encoded, count, max_length)
        rows = self.engine().generate(self, encoded, count, max_length, uniforms, min_length)
        return decoding.trim(rows, self.specials.pad)

    def _empty(self, encoded: Any, count: int, max_length: int) -> Tensor:
        """Rows of no source, or of no token."""
        shape = (len(encoded.states) * count, max_length)
        return encoded.states.new_full(shape, self.specials.pad, dtype=torch.int64)
