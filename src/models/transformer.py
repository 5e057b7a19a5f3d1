"""A pre-norm encoder-decoder transformer that answers three questions: `nll`, `sample`, `predict`.

Positions are sinusoidal, one embedding serves source, target and output. Teacher forcing runs whole rows at once;
decoding keeps keys and values, encodes each source once and drops finished rows; autocast, whose casts cost more than
they save in its many small products, is off there. Left out: relative positions, sparse attention.
Letters: B rows, S source length, T target length, D width, H heads, V vocabulary, N positions that are not pads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Specials:
    """Ids with a meaning of their own; the same four lead every vocabulary."""

    pad: int = 0
    bos: int = 1
    eos: int = 2
    unk: int = 3


class Dropout(nn.Dropout):
    """Dropout whose mask comes from uniform numbers on the CPU: a third of the cost of torch's Bernoulli mask there."""

    def forward(self, states: Tensor) -> Tensor:
        if not self.training or self.p == 0.0:
            return states
        if states.device.type != "cpu":
            return F.dropout(states, self.p)
        keep = torch.rand(states.shape) >= self.p
        return states * keep * (1.0 / (1.0 - self.p))


class Attention(nn.Module):
    """Multi-head attention over keys and values that are projected apart, so that decoding can keep them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
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
        if queries.dtype == torch.bfloat16 and queries.device.type == "cpu":  # its CPU kernel is several times slower
            queries, keys, values = queries.float(), keys.float(), values.float()
        dropout = self.dropout if self.training else 0.0
        with torch.autocast(queries.device.type, enabled=False):
            mixed = F.scaled_dot_product_attention(queries, keys, values, mask, dropout, is_causal=causal)
        return self.out(mixed.transpose(1, 2).reshape(rows, length, width))


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

    def forward(self, states: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        normed = self.norms[0](states)
        states = states + self.dropout(self.attention(normed, *self.attention.project(normed), causal=True))
        return self._after(states, memory, mask)

    def step(
        self,
        states: Tensor,
        cache: tuple[Tensor, Tensor],
        memory: tuple[Tensor, Tensor],
        mask: Tensor | None,
        at: int,
    ) -> Tensor:
        """One position (B, 1, D); writes its key and value at `at` in the cache (B, H, T, D/H)."""
        normed = self.norms[0](states)
        key, value = self.attention.project(normed)
        cache[0][:, :, at : at + 1] = key
        cache[1][:, :, at : at + 1] = value
        states = states + self.attention(normed, cache[0][:, :, : at + 1], cache[1][:, :, : at + 1])
        return self._after(states, memory, mask)

    def _after(self, states: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        # All rows of a source ask its memory in one go: (B*k, T, D) as (B, k*T, D).
        asking = self.norms[1](states).view(len(memory[0]), -1, states.shape[-1])
        states = states + self.dropout(self.cross(asking, *memory, mask).view_as(states))
        return states + self.dropout(self.feed_forward(self.norms[2](states)))


class Transformer(nn.Module):
    """The model of f and of Pi alike. Rows of ids are padded on the right; sources and targets end in `eos`.

    Args:
        vocabulary: number of ids, specials included.
        width, layers, heads, feedforward: D, layers of encoder and of decoder each, H, inner width.
        dropout, attention_dropout, activation_dropout: after each sublayer and embedding; on attention
            weights; after the inner activation (facts of the paper's runs: 0.1 to 0.4, 0.2, 0.2).
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
        specials: Specials = Specials(),
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
        self.register_buffer("positions", sinusoids(512, width), persistent=False)
        self.positions: Tensor

    # -- teacher forcing ----------------------------------------------------------------------------------------

    def nll(self, source: Tensor, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """Negative log-likelihood of each target row, summed over its positions (nats).

        source (B, S), target (B, T) or (B*k, T): then row i of the source belongs to target rows i*k .. i*k+k-1 and
        is encoded once. Returns (rows of target,). With `label_smoothing` the loss of Szegedy et al. 2016 instead.
        A source may be soft, as in `encode`.
        """
        return self.token_nll(source, target, label_smoothing=label_smoothing).sum(1)

    def token_nll(self, source: Tensor, target: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
        """The terms that `nll` sums: (rows of target, T), zeros where the target is a pad."""
        hidden, real = self._decode(source, target)  # (N, D), (B, T)
        classes = target[real] - self.specials.eos
        losses = F.cross_entropy(
            self._logits(hidden), classes, reduction="none", label_smoothing=label_smoothing
        )  # (N,)
        return losses.new_zeros(target.shape).masked_scatter(real, losses)

    def logits(self, source: Tensor, target: Tensor) -> Tensor:
        """Teacher-forced scores (B, T, V-eos) of the ids from `eos` on; zeros where the target is a pad."""
        hidden, real = self._decode(source, target)
        scores = self._logits(hidden)
        return scores.new_zeros(*target.shape, scores.shape[-1]).masked_scatter(real[..., None], scores)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, S, D) of a source (B, S), and its attention mask (B, 1, 1, S), true where there is no pad.

        A soft source (B, S, V-eos) has weights of the ids from `eos` on, such as probabilities; zeros at a pad.
        """
        mask = (source.any(-1) if source.dim() == 3 else source != self.specials.pad)[:, None, None, :]
        states = self._embed(source)
        for layer in self.encoder:
            states = layer(states, mask)
        return self.encoder_norm(states), mask

    def _decode(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        memory, mask = self.encode(source)
        shifted = F.pad(target[:, :-1], (1, 0), value=self.specials.bos)
        states = self._embed(shifted)
        for layer in self.decoder:
            states = layer(states, layer.cross.project(memory), mask)  # (B, T, D)
        real = target != self.specials.pad
        return self.decoder_norm(states[real]), real

    def _embed(self, ids: Tensor, start: int = 0) -> Tensor:
        end = start + ids.shape[1]
        if end > len(self.positions):
            self.positions = sinusoids(2 * end, self.width).to(self.positions)
        if ids.dim() == 3:
            with torch.autocast(ids.device.type, enabled=False):
                embedded = ids @ self.embedding.weight[self.specials.eos :]
        else:
            embedded = self.embedding(ids)
        return self.dropout(embedded * math.sqrt(self.width) + self.positions[start:end])

    def _logits(self, hidden: Tensor) -> Tensor:
        """Scores of the ids from `eos` on: pad and bos, which lead every vocabulary, are no outputs."""
        with torch.autocast(hidden.device.type, enabled=False):  # rounded scores would be noise in the loss
            return F.linear(hidden.float(), self.embedding.weight[self.specials.eos :])

    # -- decoding -----------------------------------------------------------------------------------------------

    def sample(
        self, source: Tensor, count: int = 1, *, max_length: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Ancestral samples at temperature 1: (B*count, T), `count` rows per source in order, pads after `eos`.

        A row that reaches `max_length` has no `eos`. The log-probability of what was drawn is `-nll(source, samples)`
        in eval mode, exactly: the same ids compete in both.
        """

        def choose(scores: Tensor) -> Tensor:
            noise = torch.empty_like(scores, dtype=torch.float32).exponential_(generator=generator)
            return (scores.float().softmax(-1) / noise).argmax(-1)

        with torch.autocast(source.device.type, enabled=False):
            return self._generate(source, count, max_length, choose)

    def predict(self, source: Tensor, *, max_length: int, beams: int = 1) -> Tensor:
        """The likeliest row that greedy decoding (or beam search) finds: (B, T), pads after `eos`."""
        with torch.autocast(source.device.type, enabled=False):
            if beams == 1:
                return self._generate(source, 1, max_length, lambda scores: scores.argmax(-1))
            return self._beam_search(source, beams, max_length)

    def _generate(self, source: Tensor, count: int, max_length: int, choose: Callable[[Tensor], Tensor]) -> Tensor:
        rows = len(source) * count
        result = source.new_full((rows, max_length), self.specials.pad)
        if max_length == 0 or rows == 0:
            return result
        state = self._start(source, count, max_length)
        alive = torch.arange(rows, device=source.device)  # row of the result that each row of the state writes
        token = source.new_full((rows,), self.specials.bos)
        finished = torch.zeros_like(token, dtype=torch.bool)
        for at in range(max_length):
            token = choose(self._step(token, state, at)) + self.specials.eos
            token = token.masked_fill(finished, self.specials.pad)
            result[alive, at] = token
            finished = finished | (token == self.specials.eos)
            if at % 4 == 3 or at + 1 == max_length:
                sources = (~finished).view(-1, count).any(1).nonzero()[:, 0]  # that have an unfinished row
                if len(sources) == 0:
                    return _trim(result, self.specials.pad)
                if len(sources) * count <= 0.8 * len(alive):
                    left = _rows_of(sources, count)
                    alive, token, finished = alive[left], token[left], finished[left]
                    state = state.select(left, sources)
        return result

    def _beam_search(self, source: Tensor, beams: int, max_length: int) -> Tensor:
        """Beam search with scores divided by length (Wu et al. 2016 with alpha 1), finished rows compete."""
        batch, vocabulary = len(source), len(self.embedding.weight) - self.specials.eos
        rows = torch.arange(batch, device=source.device)[:, None]  # (B, 1)
        state = self._start(source, beams, max_length)
        tokens = source.new_full((batch, beams, max_length), self.specials.pad)
        total = torch.full((batch, beams), -torch.inf, device=source.device)
        total[:, 0] = 0.0  # all beams start equal: let only the first one branch
        done = torch.zeros(batch, beams, dtype=torch.bool, device=source.device)
        lengths = torch.zeros(batch, beams, device=source.device)
        token = source.new_full((batch * beams,), self.specials.bos)
        for at in range(max_length):
            scores = self._step(token, state, at).float().log_softmax(-1).view(batch, beams, vocabulary)
            scores = scores.masked_fill(done[..., None], -torch.inf)
            scores[..., 0] = scores[..., 0].masked_fill(done, 0.0)  # a finished beam goes on as itself
            grown = total[..., None] + scores  # (B, beams, V)
            size = lengths + (~done)
            ranked = (grown / size.clamp(min=1)[..., None]).flatten(1)
            best = ranked.topk(beams, 1).indices  # (B, beams)
            origin, choice = best // vocabulary, best % vocabulary + self.specials.eos
            total = grown.flatten(1).gather(1, best)
            tokens, lengths, was_done = tokens[rows, origin], size.gather(1, origin), done.gather(1, origin)
            tokens[:, :, at] = choice.masked_fill(was_done, self.specials.pad)
            done = was_done | (choice == self.specials.eos)
            if done.all():
                break
            token = choice.flatten()
            state = state.select((rows * beams + origin).flatten(), None)
        winner = (total / lengths.clamp(min=1)).argmax(1)
        return _trim(tokens[rows[:, 0], winner], self.specials.pad)

    def _start(self, source: Tensor, count: int, max_length: int) -> "_Decoding":
        memory, mask = self.encode(source)
        crosses = [layer.cross.project(memory) for layer in self.decoder]
        sources, heads, _, depth = crosses[0][0].shape
        caches = [tuple(k.new_empty(sources * count, heads, max_length, depth) for _ in range(2)) for k, _ in crosses]
        return _Decoding(caches, crosses, mask)

    def _step(self, token: Tensor, state: "_Decoding", at: int) -> Tensor:
        """Scores (B, V) of the ids from `eos` on, after `token` (B,) at position `at`."""
        states = self._embed(token[:, None], at)
        for layer, cache, cross in zip(self.decoder, state.caches, state.crosses, strict=True):
            states = layer.step(states, cache, cross, state.mask, at)
        return self._logits(self.decoder_norm(states[:, 0]))


@dataclass(slots=True)
class _Decoding:
    """What decoding keeps per layer: keys and values of rows (B*k, H, max, D/H) and of sources (B, H, S, D/H)."""

    caches: list
    crosses: list
    mask: Tensor

    def select(self, rows: Tensor, sources: Tensor | None) -> "_Decoding":
        """Only some rows, and only some sources (None: all of them)."""

        def pick(pairs: list, which: Tensor) -> list:
            return [(keys.index_select(0, which), values.index_select(0, which)) for keys, values in pairs]

        if sources is None:
            return _Decoding(pick(self.caches, rows), self.crosses, self.mask)
        return _Decoding(pick(self.caches, rows), pick(self.crosses, sources), self.mask.index_select(0, sources))


def _rows_of(sources: Tensor, count: int) -> Tensor:
    """The rows that belong to some sources, `count` each."""
    return (sources[:, None] * count + torch.arange(count, device=sources.device)).flatten()


def _trim(rows: Tensor, pad: int) -> Tensor:
    """Without the columns that are pads in every row."""
    return rows[:, : int((rows != pad).sum(1).max())]


def sinusoids(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width) of Vaswani et al. 2017, sines first."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], 1)
