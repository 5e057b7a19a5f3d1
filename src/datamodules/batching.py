"""Pairs of token rows, cut into batches of similar length under a token budget.

Which rows an update sees is a function of (seed, update) alone, so that a resumed run sees what the uninterrupted one
would have seen, and every rank of a distributed run knows the whole update. Left out: streaming from disk.
Letters: B rows of a batch, S and T the longest source and target in it.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

# Batch lengths are multiples of this. Kernels for bf16 are made for each shape they meet, so few shapes are faster than
# few pads: a quarter less CPU time per token here, and half the memory.
MULTIPLE = 8


class Batch(NamedTuple):
    """What a step sees; rows are padded on the right and end in the end-of-sequence id."""

    source: Tensor  # (B, S)
    target: Tensor  # (B, T)
    rows: Tensor  # (B,) positions in the data set
    tokens: int  # target tokens of the whole update, over all its micro-batches and ranks
    update: int  # which update of the training this belongs to, from 0
    part: int  # which micro-batch of the update, from 0
    weight: float = 1.0  # 0 for a padding batch: this rank had no row, but all ranks must run as many steps
    denoising: "Batch | None" = None  # the denoising batch of the same micro-batch
    places: list[int] | None = None  # of the rows among those of all ranks; null: there is one process
    whole: int = 0  # rows of all ranks


class Examples(Protocol):
    """What a training learns from, whatever an example is."""

    def __len__(self) -> int: ...

    def cost(self) -> np.ndarray:
        """(N,): what each row takes of a batch's budget."""

    def size(self, row: int) -> int:
        """What a row counts in the mean over an update."""

    def batch(self, rows: Sequence[int], tokens: int = 0, update: int = 0, part: int = 0) -> Batch:
        """These rows, as micro-batch `part` of an update whose rows count `tokens` together."""


@dataclass(frozen=True)
class Pairs:
    """Encoded examples; `sources[i]` belongs to `targets[i]`. Rows are int32 arrays that end in `eos`."""

    sources: list[np.ndarray]
    targets: list[np.ndarray]
    pad: int

    def __len__(self) -> int:
        return len(self.targets)

    def cost(self) -> np.ndarray:
        """Padded tokens that a row takes of a batch's budget: the longer of its two sides."""
        return np.array([max(len(s), len(t)) for s, t in zip(self.sources, self.targets, strict=True)])

    def size(self, row: int) -> int:
        """What a row counts in the mean over an update: its target tokens."""
        return len(self.targets[row])

    def batch(self, rows: Sequence[int], tokens: int = 0, update: int = 0, part: int = 0) -> Batch:
        return Batch(
            pad([self.sources[row] for row in rows], self.pad, MULTIPLE),
            pad([self.targets[row] for row in rows], self.pad, MULTIPLE),
            torch.tensor(rows, dtype=torch.long),
            tokens,
            update,
            part,
        )


@dataclass(frozen=True)
class Redrawn(Pairs):
    """Pairs whose sources are drawn anew in every update; `sources` have about the lengths of what is drawn."""

    draw: Callable[[int, int], np.ndarray]  # (row, update) -> source

    def batch(self, rows: Sequence[int], tokens: int = 0, update: int = 0, part: int = 0) -> Batch:
        drawn = pad([self.draw(row, update) for row in rows], self.pad, MULTIPLE)
        return super().batch(rows, tokens, update, part)._replace(source=drawn)


def encode(tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """Each text as ids that end in `eos`."""
    return [np.array([*tokenizer.encode(text), tokenizer.eos], dtype=np.int32) for text in texts]


def pad(rows: Sequence[np.ndarray], value: int, multiple: int = 1) -> Tensor:
    """Rows of different lengths as one (B, longest) tensor, the longest rounded up to a multiple."""
    length = -(-max(map(len, rows)) // multiple) * multiple
    padded = np.full((len(rows), length), value, dtype=np.int64)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(padded)


def plan(cost: np.ndarray, budget: int, rng: np.random.Generator | None) -> list[list[int]]:
    """Every row once, in batches of rows * longest cost <= budget (a longer row goes alone), shortest first.

    With `rng`, rows whose costs differ by a few hundredths mix freely and the batches come in random order.
    """
    keys = cost + (rng.uniform(-0.03, 0.03, len(cost)) * cost.mean() if rng is not None else 0.0)
    batches: list[list[int]] = []
    longest = 0
    for row in np.argsort(keys, kind="stable").tolist():
        longest = max(longest, int(cost[row]))
        if not batches or (len(batches[-1]) + 1) * longest > budget:
            batches.append([])
            longest = int(cost[row])
        batches[-1].append(row)
    if rng is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


class Updates:
    """The batches of a training, epoch after epoch; iterating yields those of the updates from `position` to `stop`.

    An update is `accumulate` micro-batches of budget/accumulate tokens. Set `position` to go on from there; of `world`
    ranks each takes every `world`-th row of every micro-batch. Updates are counted from `first`, and streams of one
    seed with another `first` differ.
    """

    def __init__(
        self,
        pairs: Examples,
        *,
        batch_tokens: int,
        accumulate: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        first: int = 0,
    ) -> None:
        self.pairs = pairs
        self.budget = max(1, batch_tokens // accumulate)
        self.accumulate = accumulate
        self.seed = seed
        self.rank, self.world = rank, world
        self.first = first
        self.position = first
        self.stop = first
        self._cost = pairs.cost()
        self._stream, self._drawn = self._epochs(), first

    def __len__(self) -> int:
        return (self.stop - self.position) * self.accumulate

    def __iter__(self) -> Iterator[Batch]:
        if self._drawn != self.position:  # start over, or go back
            self._stream, self._drawn = self._epochs(), self.first
        while self._drawn < self.stop:
            parts = [next(self._stream) for _ in range(self.accumulate)]
            update, self._drawn = self._drawn, self._drawn + 1
            if update < self.position:
                continue
            tokens = sum(self.pairs.size(row) for part in parts for row in part)
            for index, part in enumerate(parts):
                places = list(range(len(part)))[self.rank :: self.world]
                batch = self.pairs.batch([part[place] for place in places or [0]], tokens, update, index)
                if self.world > 1:
                    batch = batch._replace(places=places or [0], whole=len(part), weight=float(bool(places)))
                yield batch

    def _epochs(self) -> Iterator[list[int]]:
        for epoch in itertools.count():
            yield from plan(self._cost, self.budget, np.random.default_rng([self.seed, epoch, self.first]))
