"""A pre-norm encoder-decoder transformer that answers three questions: `nll`, `sample`, `predict`.

Positions are sinusoidal, one embedding serves source, target and output. Teacher forcing runs whole rows at once;
one token after the other is `decoding.py`. Left out: relative positions, sparse attention.
Letters: B rows, S source length, T target length, D width, V vocabulary, N positions that are not pads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from composed.models import decoding, native
from composed.models.encoder_decoder import EncoderDecoder
from composed.models.layers import DecoderLayer, Dropout, EncoderLayer, fairseq_sinusoids, sinusoids
from composed.models.sequence import DEFAULT_SPECIALS, Specials, training_mode


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sources that the encoder has read: it may stand wherever the model asks for a source."""

    states: Tensor  # (B, S, D)
    mask: Tensor  # (B, 1, 1, S): true where there is no pad


class Transformer(EncoderDecoder):
    """Our own model of f and of Pi alike.

    Args:
        vocabulary: number of ids, specials included.
        width, layers, heads, feedforward: D, layers of encoder and of decoder each, H, inner width.
        dropout, attention_dropout, activation_dropout: after each sublayer and embedding; on attention
            weights; after the inner activation (facts of the paper's runs: 0.1 to 0.4, 0.2, 0.2).
        sinusoids: (length, D) -> the positions added to the embeddings, (length, D).
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        activation_dropout: float = 0.0,
        specials: Specials = DEFAULT_SPECIALS,
        sinusoids: Callable[[int, int], Tensor] = sinusoids,
    ) -> None:
        super().__init__()
        self.specials = specials
        self.width = width
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=specials.pad)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        with torch.no_grad():
            self.embedding.weight[specials.pad].zero_()
        dropouts = (dropout, attention_dropout, activation_dropout)
        self.encoder = nn.ModuleList([EncoderLayer(width, heads, feedforward, dropouts) for _ in range(layers)])
        decoder = nn.ModuleList([DecoderLayer(width, heads, feedforward, dropouts) for _ in range(layers)])
        self.decoder: Sequence[DecoderLayer] = decoder  # type: ignore[assignment]
        self.encoder_norm = nn.LayerNorm(width)
        self.decoder_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        self.sinusoids = sinusoids
        self.register_buffer("positions", sinusoids(512, width), persistent=False)
        self.positions: Tensor

    def encode(self, source: Tensor | Encoded) -> Encoded:
        """Sources (B, S), or soft ones (B, S, V-eos): weights of the ids from `eos` on, such as probabilities, and
        zeros at a pad. What is encoded already stays as it is.
        """
        if isinstance(source, Encoded):
            return source
        mask = (source.any(-1) if source.dim() == 3 else source != self.specials.pad)[:, None, None, :]
        states = self._embed(source)
        if not (self.training or torch.is_grad_enabled()) and states.numel() and native.applies(self):
            return Encoded(native.encode(self, states, mask), mask)
        for layer in self.encoder:
            states = self._run(layer, states, mask)
        return Encoded(self.encoder_norm(states), mask)

    def teacher_forced(self, source: Tensor | Encoded, target: Tensor, real: Tensor) -> Tensor:
        encoded = self.encode(source)
        shifted = F.pad(target[:, :-1], (1, 0), value=self.specials.bos)
        states = self._embed(shifted)
        for layer in self.decoder:
            states = self._run(layer, states, encoded.states, encoded.mask)  # (B*k, T, D)
        return self.decoder_norm(states[real])

    def begin(self, encoded: Encoded, count: int) -> decoding.Decoding:
        return decoding.Decoding.start(self, encoded, count)

    def engine(self) -> Any:
        return native if native.applies(self) else decoding

    def _run(self, layer: nn.Module, *inputs: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(_in_mode, layer, layer.training, *inputs, use_reentrant=False)
        return layer(*inputs)

    def _embed(self, ids: Tensor) -> Tensor:
        if ids.dim() == 3:
            with torch.autocast(ids.device.type, enabled=False):
                embedded = ids @ self.embedding.weight[self.specials.eos :]
        else:
            embedded = self.embedding(ids)
        return self.dropout(embedded * math.sqrt(self.width) + self.positions_to(ids.shape[1]))

    def positions_to(self, end: int) -> Tensor:
        """The first `end` positions, (end, D); the table grows with what is asked of it."""
        if end > len(self.positions):
            self.positions = self.sinusoids(2 * end, self.width).to(self.positions)
        return self.positions[:end]


def _in_mode(layer: nn.Module, training: bool, *inputs: Tensor) -> Tensor:
    """The layer in the mode of its first run, also when it runs again: by then the model may be in another."""
    with training_mode(layer, training):
        return layer(*inputs)


def with_fairseq_positions(vocabulary: int, **settings: Any) -> Transformer:
    """A `Transformer` that can hold the weights of a pre-norm transformer of fairseq."""
    return Transformer(vocabulary, sinusoids=fairseq_sinusoids, **settings)
