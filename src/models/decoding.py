"""One token after the other: samples, greedy rows and beams from a decoder whose keys and values are kept.

On a CPU, decoding is bound by calls and by memory: weights are joined and cast once per call, keys of the source are
kept transposed, dtypes are explicit instead of autocast's, finished rows leave the batch. On a GPU nothing waits for
the host but one look in sixteen tokens whether all rows are finished. Left out: CUDA graphs, paged caches.
Letters: B sources, k rows of each, S source length, T the longest row, D width, H heads, d = D/H, V outputs.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from composed.errors import ConfigError

ROOM = 32  # positions that the caches grow by


class Weights(NamedTuple):
    """What one decoder layer multiplies with, in the dtype of decoding; norms stay in float32."""

    norms: Sequence[tuple[Tensor, Tensor]]
    query_key_value: tuple[Tensor, Tensor]  # (3D, D) and (3D,): queries are scaled already
    out: tuple[Tensor, Tensor]
    cross_query: tuple[Tensor, Tensor]
    cross_out: tuple[Tensor, Tensor]
    feed_forward: nn.Module  # a copy, whatever is in it

    @classmethod
    def of(cls, layer: Any, dtype: torch.dtype) -> "Weights":
        """Of a `DecoderLayer`."""
        attention, cross = layer.attention, layer.cross
        scale = (attention.query.in_features // attention.heads) ** -0.5

        def pair(linear: Any, factor: float = 1.0) -> tuple[Tensor, Tensor]:
            return (linear.weight * factor).to(dtype), (linear.bias * factor).to(dtype)

        first, rest = pair(attention.query, scale), pair(attention.key_value)
        return cls(
            [(norm.weight, norm.bias) for norm in layer.norms],
            (torch.cat([first[0], rest[0]]), torch.cat([first[1], rest[1]])),
            pair(attention.out),
            pair(cross.query, scale),
            pair(cross.out),
            copy.deepcopy(layer.feed_forward).to(dtype).eval(),
        )


@dataclass(slots=True)
class Decoding:
    """A decoder in the middle of B*k rows; `step` takes them all one token further."""

    specials: Any  # ids: pad, bos, eos
    heads: int
    layers: list[Weights]
    caches: list[tuple[Tensor, Tensor]]  # of each layer: keys and values of the rows, (B*k*H, room, d)
    ahead: Tensor  # (room,): 0 up to the position that is decoded, minus infinity after it
    crosses: list[tuple[Tensor, Tensor]]  # of each layer: keys (B*H, d, S) and values (B*H, S, d) of the sources
    bias: Tensor  # (B*H, 1, S): 0, and minus infinity on pads
    table: Tensor  # (ids, D): embeddings, scaled
    positions: Callable[[int], Tensor]  # length -> (length, D)
    norm: tuple[Tensor, Tensor]
    output: Tensor  # (V, D)

    @property
    def outputs(self) -> int:
        """V."""
        return len(self.output)

    @classmethod
    def start(cls, model: Any, encoded: Any, count: int) -> "Decoding":
        """Before the first token of `count` rows for each of the B sources that a `Transformer` has `Encoded`.

        The dtype is autocast's where it is on, else that of the weights.
        """
        device, weight = model.embedding.weight.device.type, model.embedding.weight
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        memory, mask = encoded.states, encoded.mask
        crosses = []
        for layer in model.decoder:
            keys, values = layer.cross.project(memory)  # (B, H, S, d)
            crosses.append(
                (keys.to(dtype).transpose(2, 3).flatten(0, 1).contiguous(), values.to(dtype).flatten(0, 1).contiguous())
            )
        heads, depth = values.shape[1], values.shape[3]
        empty = memory.new_empty(len(memory) * count * heads, 0, depth, dtype=dtype)
        bias = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)  # (B, 1, 1, S)
        return cls(
            model.specials,
            heads,
            [Weights.of(layer, dtype) for layer in model.decoder],
            [(empty, empty) for _ in crosses],
            memory.new_empty(0, dtype=dtype),
            crosses,
            bias.expand(-1, heads, -1, -1).flatten(0, 1),
            weight * math.sqrt(model.width),
            model.positions_to,
            (model.decoder_norm.weight, model.decoder_norm.bias),
            weight[model.specials.eos :],
        )

    def step(self, token: Tensor, at: int) -> Tensor:
        """Scores (B*k, V) of the ids from `eos` on, after `token` (B*k,) at position `at`: 0, 1, 2, ... in turn."""
        if at == len(self.ahead):  # room grows in steps: few shapes, which bf16 kernels are made for one by one
            self.ahead = F.pad(self.ahead, (0, ROOM), value=-torch.inf)
            more = (0, 0, 0, ROOM)
            self.caches = [(F.pad(keys, more), F.pad(values, more)) for keys, values in self.caches]
        self.ahead[at] = 0.0
        with torch.autocast(token.device.type, enabled=False):
            states = F.embedding(token, self.table) + self.positions(at + 1)[at]  # (B*k, D)
            for weights, cache, cross in zip(self.layers, self.caches, self.crosses, strict=True):
                states = self._layer(states, weights, cache, cross, at)
            return F.linear(F.layer_norm(states, self.norm[0].shape, *self.norm), self.output)

    def _layer(
        self, states: Tensor, weights: Weights, cache: tuple[Tensor, Tensor], cross: tuple[Tensor, Tensor], at: int
    ) -> Tensor:
        rows, width = states.shape
        sources, depth = len(self.bias) // self.heads, width // self.heads

        def normed(index: int) -> Tensor:
            return F.layer_norm(states, (width,), *weights.norms[index]).to(self.bias.dtype)

        query, key, value = F.linear(normed(0), *weights.query_key_value).view(rows, 3, self.heads, depth).unbind(1)
        cache[0][:, at] = key.reshape(-1, depth)
        cache[1][:, at] = value.reshape(-1, depth)
        scores = torch.bmm(cache[0], query.reshape(-1, depth, 1)).transpose(1, 2) + self.ahead  # (B*k*H, 1, room)
        mixed = torch.bmm(scores.softmax(-1), cache[1]).view(rows, width)
        states = states + F.linear(mixed, *weights.out)

        # All rows of a source ask its memory in one go.
        asking = F.linear(normed(1), *weights.cross_query).view(sources, -1, self.heads, depth).transpose(1, 2)
        scores = torch.baddbmm(self.bias, asking.reshape(len(self.bias), -1, depth), cross[0])  # (B*H, k, S)
        mixed = torch.bmm(scores.softmax(-1), cross[1]).view(sources, self.heads, -1, depth).transpose(1, 2)
        states = states + F.linear(mixed.reshape(rows, width), *weights.cross_out)

        return states + weights.feed_forward(normed(2))

    def select(self, rows: Tensor, sources: Tensor | None = None) -> None:
        """Goes on with these rows alone, and these sources (None: all of them)."""

        def pick(kept: Tensor, rows: Tensor) -> Tensor:
            return kept.unflatten(0, (-1, self.heads)).index_select(0, rows).flatten(0, 1)

        self.caches = [(pick(keys, rows), pick(values, rows)) for keys, values in self.caches]
        if sources is not None:
            self.crosses = [(pick(keys, sources), pick(values, sources)) for keys, values in self.crosses]
            self.bias = pick(self.bias, sources)


def draw(scores: Tensor, number: Tensor) -> Tensor:
    """One id of each row, (rows,), with the probabilities of its scores (rows, V): where their sum passes the number.

    number (rows,): float64, uniform in [0, 1).
    """
    passed = scores.softmax(-1, dtype=torch.float64).cumsum(-1)
    return torch.searchsorted(passed, number[:, None] * passed[:, -1:], right=True)[:, 0].clamp_(
        max=scores.shape[-1] - 1
    )


class Guide(Protocol):
    """Says which ids may follow those of a row so far, of which a state holds what matters."""

    @property
    def start(self) -> Any:
        """The state of a row without ids."""

    def allowed(self, state: Any, left: int) -> Sequence[int]:
        """At least one id, where `left` tokens are left, an `eos` among them."""

    def after(self, state: Any, token: int) -> Any:
        """The state after an allowed id."""


def generate(
    model: Any,
    encoded: Any,
    count: int,
    max_length: int,
    uniforms: Tensor | None = None,
    min_length: int = 0,
    guide: Guide | None = None,
) -> Tensor:
    """Rows (B*count, max_length) of ids, `count` for each of the B sources in order, pads after `eos`.

    Each id is the likeliest one, or with uniforms (B*count, max_length) is drawn by them; with a `guide` among those
    that it allows. A row ends after `min_length` tokens at the earliest; one that reaches `max_length` has no `eos`.
    """
    state = model.begin(encoded, count)
    pad, bos, eos = state.specials.pad, state.specials.bos, state.specials.eos
    device, rows = encoded.states.device, len(encoded.states) * count
    result = torch.full((rows, max_length), pad, device=device)
    alive = torch.arange(rows, device=device)  # row of the result that each row of the state writes
    token = torch.full((rows,), bos, device=device)
    finished = torch.zeros_like(token, dtype=torch.bool)
    states = [guide.start] * rows if guide else []
    every = 4 if device.type == "cpu" else 16  # to look at the rows is to wait for a GPU
    for at in range(max_length):
        scores = state.step(token, at)
        if at < min_length:
            scores[:, 0] = -torch.inf
        if guide:
            scores = scores.masked_fill(~_allowed(guide, states, finished, scores, eos, max_length - at), -torch.inf)
        chosen = scores.argmax(-1) if uniforms is None else draw(scores, uniforms[alive, at])
        token = (chosen + eos).masked_fill(finished, pad)
        result[alive, at] = token
        finished = finished | (token == eos)
        if guide:
            given = zip(states, token.tolist(), finished.tolist(), strict=True)
            states = [state if over else guide.after(state, taken) for state, taken, over in given]
        if (at + 1) % every == 0 or at + 1 == max_length:
            sources = (~finished).view(-1, count).any(1).nonzero()[:, 0]  # that have an unfinished row
            if len(sources) == 0:
                break
            if len(sources) * count <= 0.8 * len(alive):
                left = (sources[:, None] * count + torch.arange(count, device=device)).flatten()
                alive, token, finished = alive[left], token[left], finished[left]
                states = [states[row] for row in left.tolist()] if guide else []
                state.select(left, sources)
    return result


def _allowed(guide: Guide, states: Sequence[Any], finished: Tensor, scores: Tensor, first: int, left: int) -> Tensor:
    """Which of the scores (rows, V), of the ids from `first` on, may be taken; of a finished row all of them."""
    allowed = finished[:, None].expand_as(scores).clone().cpu()
    for row, (state, over) in enumerate(zip(states, finished.tolist(), strict=True)):
        if not over:
            allowed[row, torch.tensor(guide.allowed(state, left)) - first] = True
    return allowed.to(scores.device)


def guided(model: Any, source: Tensor, max_length: int, guide: Guide) -> Tensor:
    """The likeliest row that greedy decoding finds among those that the guide allows: (B, T), pads after `eos`.

    Raises ConfigError for a model that does not decode by `begin`, and as the guide does.
    """
    if not hasattr(model, "begin"):
        raise ConfigError(
            f"decoding=constrained: {type(model).__name__} decodes by itself and takes no mask; use model=transformer, "
            "or give it a method begin"
        )
    rows = generate(model, model.encode(source), 1, max_length, guide=guide)
    return trim(rows, model.specials.pad)


def beam_search(model: Any, encoded: Any, beams: int, max_length: int) -> Tensor:
    """Beam search with scores divided by length (Wu et al. 2016 with alpha 1), finished rows compete: (B, max_length).

    Of equals the first is taken, in the order of beams and ids. Pads after `eos`.
    """
    state = model.begin(encoded, beams)
    pad, bos, eos = state.specials.pad, state.specials.bos, state.specials.eos
    device, batch, vocabulary = encoded.states.device, len(encoded.states), state.outputs
    rows = torch.arange(batch, device=device)[:, None]  # (B, 1)
    tokens = torch.full((batch, beams, max_length), pad, device=device)
    total = torch.full((batch, beams), -torch.inf, device=device)
    total[:, 0] = 0.0  # all beams start equal: let only the first one branch
    done = torch.zeros(batch, beams, dtype=torch.bool, device=device)
    lengths = torch.zeros(batch, beams, device=device)
    token = torch.full((batch * beams,), bos, device=device)
    for at in range(max_length):
        scores = state.step(token, at).log_softmax(-1).view(batch, beams, vocabulary)
        scores = scores.masked_fill(done[..., None], -torch.inf)
        scores[..., 0] = scores[..., 0].masked_fill(done, 0.0)  # a finished beam goes on as itself
        grown = total[..., None] + scores  # (B, beams, V)
        size = lengths + (~done)
        best = _first_best((grown / size.clamp(min=1)[..., None]).flatten(1), beams)  # (B, beams)
        origin, choice = best // vocabulary, best % vocabulary + eos
        total = grown.flatten(1).gather(1, best)
        tokens, lengths, was_done = tokens[rows, origin], size.gather(1, origin), done.gather(1, origin)
        tokens[:, :, at] = choice.masked_fill(was_done, pad)
        done = was_done | (choice == eos)
        if done.all():
            break
        token = choice.flatten()
        state.select((rows * beams + origin).flatten())
    return tokens[:, 0]  # beams are in order, the best one first


def _first_best(values: Tensor, count: int) -> Tensor:
    """Columns (B, count) of the greatest values (B, N) in order, of equals the first; what is no number is least."""
    values = values.masked_fill(values.isnan(), -torch.inf)
    least = values.topk(count, 1).values[:, -1:]  # which of equals topk takes, it does not say
    more, equal = values > least, values == least
    taken = more | (equal & (equal.cumsum(1) <= count - more.sum(1, keepdim=True)))
    columns = taken.nonzero()[:, 1].view(-1, count)
    order = values.gather(1, columns).sort(stable=True, dim=1, descending=True).indices
    return columns.gather(1, order)


def trim(rows: Tensor, pad: int) -> Tensor:
    """Without the columns that are pads in every row."""
    return rows[:, : int((rows != pad).sum(1).max())]
