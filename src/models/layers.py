"""The parts of a transformer: positions, dropout, attention, and the layers of encoder and decoder.

Where torch's CPU kernels are slow (dropout masks, attention in bf16 or with dropout) plainer ones stand in.
Letters: B rows, S source length, T target length, D width, H heads.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


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
