"""A pre-norm encoder-decoder transformer that answers three questions: `nll`, `sample`, `predict`.

Positions are sinusoidal, one embedding serves source, target and output. Teacher forcing runs whole rows at once;
one token after the other is `decoding.py`. Where torch's CPU kernels are slow (dropout masks, attention in bf16 or with
dropout) plainer ones stand in. Left out: relative positions, sparse attention.
Letters: B rows, S source length, T target length, D width, H heads, V vocabulary, N positions that are not pads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from composed.models import decoding, native
from composed.models.sequence import DEFAULT_SPECIALS, SequenceModel, Specials, training_mode


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sources that the encoder has read: it may stand wherever the model asks for a source."""

    states: Tensor  # (B, S, D)
    mask: Tensor  # (B, 1, 1, S): true where there is no pad


def sinusoids(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width) of Vaswani et al. 2017, sines first."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def fairseq_sinusoids(length: int, width: int) -> Tensor:
    """fairseq's positions (length, width): the rates end at 1/10000, and a row's first position is 2, after its pad."""
    rates = torch.exp(torch.arange(width // 2, dtype=torch.float) * -(math.log(10_000) / (width // 2 - 1)))
    angles = torch.arange(2, length + 2, dtype=torch.float)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


class _Drop(torch.autograd.Function):
    """Inverted dropout of a CPU tensor by bit masks: 15 random bits an element, no comparison, no branch.

    Torch's own draws a Bernoulli number per element one by one, several times the cost of all else in a dropout.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, kept: int) -> Tensor:
        """Of 2**15 elements, `kept` are kept on average."""
        size = states.numel()
        bits = torch.empty(-(-size // 4), dtype=torch.int64).random_().view(torch.int16)[:size].view(states.shape)
        mask = bits.bitwise_and_(2**15 - 1).sub_(kept).bitwise_right_shift_(15)  # -1: all bits set, or 0
        ctx.save_for_backward(mask)
        ctx.scale = 2**15 / kept
        return _masked(states, mask, ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return _masked(gradient, mask, ctx.scale), None


def _masked(states: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Scaled states, but zeros where the mask is 0: its other value, -1, has all bits set."""
    word = {2: torch.int16, 4: torch.int32, 8: torch.int64}[states.element_size()]
    scaled = states * scale
    scaled.view(word).bitwise_and_(mask.to(word))
    return scaled


class Dropout(nn.Dropout):
    """Dropout that is cheap on the CPU."""

    def forward(self, states: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return states
        if states.device.type != "cpu":
            return F.dropout(states, self.p)
        return _Drop.apply(states, min(max(round((1 - self.p) * 2**15), 1), 2**15 - 1))


class Attention(nn.Module):
    """Multi-head attention over keys and values that are projected apart, so that decoding can keep them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = Dropout(dropout)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        for weight in (self.query.weight, *self.key_value.weight.chunk(2), self.out.weight):
            nn.init.xavier_uniform_(weight)
        for layer in (self.query, self.key_value, self.out):
            nn.init.zeros_(layer.bias)

    def project(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, each (B, H, T, D/H), of states (B, T, D)."""
        rows, length, _ = states.shape
        both = self.key_value(states).view(rows, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return both[0], both[1]

    def forward(
        self, states: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        rows, length, width = states.shape
        queries = self.query(states).view(rows, length, self.heads, -1).transpose(1, 2)  # (B, H, T, D/H)
        with torch.autocast(queries.device.type, enabled=False):
            mixed = self._mix(queries, keys, values, mask, causal)
        return self.out(mixed.transpose(1, 2).reshape(rows, length, width))

    def _mix(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """softmax(q k / sqrt(D/H)) v, in plain products where torch's kernel is slower: bf16 and dropout on the CPU."""
        dropout = self.dropout.p if self.dropout.training else 0.0
        if queries.device.type != "cpu" or (dropout == 0.0 and queries.dtype == torch.float32):
            return F.scaled_dot_product_attention(queries, keys, values, mask, dropout, is_causal=causal)
        if causal:
            mask = torch.ones(queries.shape[-2], keys.shape[-2], dtype=torch.bool).tril()
        scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-2, -1)  # (B, H, T, S)
        if mask is not None:
            low = torch.finfo(scores.dtype).min / 2
            scores += torch.zeros(mask.shape, dtype=scores.dtype).masked_fill_(~mask, low)
        return self.dropout(scores.softmax(-1)) @ values


class FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int, activation_dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)
        self.dropout = Dropout(activation_dropout)
        for layer in (self.inner, self.outer):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, states: Tensor) -> Tensor:
        return self.outer(self.dropout(F.relu(self.inner(states))))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, dropouts: tuple[float, float, float]) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropouts[1])
        self.feed_forward = FeedForward(width, hidden, dropouts[2])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.dropout = Dropout(dropouts[0])

    def forward(self, states: Tensor, mask: Tensor | None) -> Tensor:
        normed = self.norms[0](states)
        states = states + self.dropout(self.attention(normed, *self.attention.project(normed), mask))
        return states + self.dropout(self.feed_forward(self.norms[1](states)))


class DecoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, dropouts: tuple[float, float, float]) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropouts[1])
        self.cross = Attention(width, heads, dropouts[1])
        self.feed_forward = FeedForward(width, hidden, dropouts[2])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.dropout = Dropout(dropouts[0])

    def forward(self, states: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """states (B*k, T, D), memory (B, S, D): rows of a source stand side by side."""
        normed = self.norms[0](states)
        states = states + self.dropout(self.attention(normed, *self.attention.project(normed), causal=True))
        # All rows of a source ask its memory in one go: (B*k, T, D) as (B, k*T, D).
        asking = self.norms[1](states).view(len(memory), -1, states.shape[-1])
        states = states + self.dropout(self.cross(asking, *self.cross.project(memory), mask).view_as(states))
        return states + self.dropout(self.feed_forward(self.norms[2](states)))


class Transformer(SequenceModel):
    """Our own model of f and of Pi alike. Ids below `eos`, which lead every vocabulary of ours, are no outputs.

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

    # -- teacher forcing ----------------------------------------------------------------------------------------

    def token_nll(self, source: Tensor | Encoded, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """As `SequenceModel` says; a source may be soft, as in `encode`, here and in `nll`."""
        hidden, real = self._decode(source, target)  # (N, D), (B, T)
        classes = target[real] - self.specials.eos
        losses = F.cross_entropy(
            self._logits(hidden), classes, reduction="none", label_smoothing=label_smoothing
        )  # (N,)
        return losses.new_zeros(target.shape).masked_scatter(real, losses)

    def logits(self, source: Tensor | Encoded, target: Tensor) -> Tensor:
        """Teacher-forced scores (B, T, V-eos) of the ids from `eos` on; zeros where the target is a pad."""
        hidden, real = self._decode(source, target)
        scores = self._logits(hidden)
        return scores.new_zeros(*target.shape, scores.shape[-1]).masked_scatter(real[..., None], scores)

    def encode(self, source: Tensor | Encoded) -> Encoded:
        """Sources (B, S), or soft ones (B, S, V-eos): weights of the ids from `eos` on, such as probabilities, and
        zeros at a pad. What is encoded already stays as it is.
        """
        if isinstance(source, Encoded):
            return source
        mask = (source.any(-1) if source.dim() == 3 else source != self.specials.pad)[:, None, None, :]
        states = self._embed(source)
        for layer in self.encoder:
            states = self._run(layer, states, mask)
        return Encoded(self.encoder_norm(states), mask)

    def _decode(self, source: Tensor | Encoded, target: Tensor) -> tuple[Tensor, Tensor]:
        encoded = self.encode(source)
        shifted = F.pad(target[:, :-1], (1, 0), value=self.specials.bos)
        states = self._embed(shifted)
        for layer in self.decoder:
            states = self._run(layer, states, encoded.states, encoded.mask)  # (B, T, D)
        real = target != self.specials.pad
        return self.decoder_norm(states[real]), real

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

    def _logits(self, hidden: Tensor) -> Tensor:
        """Scores of the ids from `eos` on: pad and bos, which lead every vocabulary, are no outputs."""
        with torch.autocast(hidden.device.type, enabled=False):  # rounded scores would be noise in the loss
            return F.linear(hidden.to(self.embedding.weight.dtype), self.embedding.weight[self.specials.eos :])

    # -- decoding -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(
        self,
        source: Tensor | Encoded,
        count: int = 1,
        *,
        max_length: int,
        generator: torch.Generator | None = None,
        uniforms: Tensor | None = None,
    ) -> Tensor:
        encoded = self.encode(source)
        if uniforms is None:
            shape = (len(encoded.states) * count, max_length)
            uniforms = torch.rand(shape, dtype=torch.float64, device=encoded.states.device, generator=generator)
        return self.decode(encoded, count, max_length, uniforms)

    @torch.no_grad()
    def predict(self, source: Tensor | Encoded, *, max_length: int, beams: int = 1) -> Tensor:
        if beams == 1:
            return self.decode(source, 1, max_length)
        return decoding.beam_search(self, self.encode(source), beams, max_length)

    def begin(self, encoded: Encoded, count: int) -> decoding.Decoding:
        """`count` rows of each source before their first token."""
        return decoding.Decoding.start(self, encoded, count)

    def decode(
        self,
        source: Tensor | Encoded,
        count: int,
        max_length: int,
        uniforms: Tensor | None = None,
        min_length: int = 0,
    ) -> Tensor:
        """`decoding.generate`, without the columns that are pads in every row: (B*count, T)."""
        encoded = self.encode(source)
        if max_length == 0 or len(encoded.states) * count == 0:
            return encoded.mask.new_full(
                (len(encoded.states) * count, max_length), self.specials.pad, dtype=torch.int64
            )
        generate = native.generate if native.applies(self) else decoding.generate
        return decoding.trim(generate(self, encoded, count, max_length, uniforms, min_length), self.specials.pad)


def _in_mode(layer: nn.Module, training: bool, *inputs: Tensor) -> Tensor:
    """The layer in the mode of its first run, also when it runs again: by then the model may be in another."""
    with training_mode(layer, training):
        return layer(*inputs)


def with_fairseq_positions(vocabulary: int, **settings: Any) -> Transformer:
    """A `Transformer` that can hold the weights of a pre-norm transformer of fairseq."""
    return Transformer(vocabulary, sinusoids=fairseq_sinusoids, **settings)
