"""A denoiser of another vocabulary, asked and answering in f's: rows go through text.

What one of the tokenizers cannot spell is lost on the way. Left out: gradients through Pi's input, which text has none.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from composed.models.sequence import Draws, SequenceModel, Specials

Translate = Callable[[Sequence[int]], Sequence[int]]  # ids without pads -> ids of the same text that end in `eos`


class Translated(SequenceModel):
    """`token_nll` has a column for each token of *its own* reading of the target, whose sum is what counts.

    Args:
        model: answers in its own ids.
        inward, outward: to the model's ids, and from them.
        specials: of the ids outside.
        max_length: of what the model decodes, in its own tokens; that of a call counts outside.
    """

    def __init__(
        self, model: SequenceModel, inward: Translate, outward: Translate, specials: Specials, max_length: int
    ):
        super().__init__()
        self.model = model
        self.specials = specials
        self.max_length = max_length
        self._inward = lru_cache(2**16)(lambda row: tuple(inward(row)))  # targets come again, epoch after epoch
        self._outward = lru_cache(2**12)(lambda row: tuple(outward(row)))

    def token_nll(self, source: Any, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        return self.model.token_nll(self._read(source), self._read(target), label_smoothing=label_smoothing)

    def encode(self, source: Any) -> Any:
        return self.model.encode(self._read(source))

    @torch.no_grad()
    def sample(self, source: Any, count: int = 1, *, draws: Draws) -> Tensor:
        """Of the model's ids: a text has several spellings. Uniform draws are left aside, being for rows outside."""
        inside = Draws(self.max_length, generator=draws.generator)
        return self._written(self.model.sample(self._read(source), count, draws=inside), draws.max_length)

    @torch.no_grad()
    def predict(self, source: Any, *, max_length: int, beams: int = 1) -> Tensor:
        return self._written(
            self.model.predict(self._read(source), max_length=self.max_length, beams=beams), max_length
        )

    def _read(self, rows: Any) -> Any:
        if not isinstance(rows, Tensor):
            return rows  # encoded already
        return _translated(rows, self._inward, self.specials.pad, self.model.specials.pad)

    def _written(self, rows: Tensor, max_length: int) -> Tensor:
        return _translated(rows, self._outward, self.model.specials.pad, self.specials.pad)[:, :max_length]


def _translated(rows: Tensor, translate: Translate, old_pad: int, new_pad: int) -> Tensor:
    texts = [translate(tuple(token for token in row if token != old_pad)) for row in rows.tolist()]
    padded = torch.full((len(texts), max(map(len, texts), default=0)), new_pad)
    for row, text in zip(padded, texts, strict=True):
        row[: len(text)] = torch.tensor(text, dtype=torch.long)
    return padded.to(rows.device)
