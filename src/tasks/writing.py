"""What f, and the composition, write for the sources of some pairs, as the rules of `models/decoders.py` ask for it.

The ranks share the batches, which are the same for any number of them, as are the numbers that samples are drawn by.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from composed.datamodules.batching import Pairs, plan
from composed.datamodules.tokenizers import Tokenizer
from composed.errors import ConfigError
from composed.models import decoding
from composed.models.composition import Composition
from composed.models.decoders import Sample, Texts
from composed.models.decoding import Guide
from composed.models.sequence import Draws
from composed.system import processes

ROWS = 128  # that a batch has, where rows are of mean length
OUTPUTS = ("base", "composition")

# Of some rows of pairs and their sources, for each output: ids (rows * k, T), and what else is told of each.
Decode = Callable[[Sequence[int], Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Writing:
    """A `Writer`. `seed`: of samples; `takes`: which texts of examples are valid; `guide`: what the grammar allows."""

    pairs: Pairs
    f: Any
    composition: Composition | None
    tokenizer: Tokenizer
    max_length: int
    seed: int
    takes: Callable[[Sequence[tuple[int, str]]], list[bool]]
    guide: Callable[[], Guide] | None = None

    @property
    def examples(self) -> Sequence[int]:
        return range(len(self.pairs))

    def likeliest(self, examples: Sequence[int], *, beams: int = 1, guided: bool = False) -> Texts:
        guide = self._guide() if guided else None
        how: dict[str, Any] = {"max_length": self.max_length}

        def decode(_rows: Sequence[int], source: Tensor) -> list[Tensor]:
            if guide:
                base = decoding.guided(self.f, source, self.max_length, guide)
            else:
                base = self.f.predict(source, beams=beams, **how)
            return [base] + (
                [self.composition.denoise(base, beams=beams, guide=guide, **how)] if self.composition else []
            )

        decoded = self._decoded(examples, decode)
        outputs = zip(OUTPUTS, decoded, strict=False)
        return {output: [self.tokenizer.decode(ids) for ids in rows] for output, rows in outputs}

    def samples(self, examples: Sequence[int], count: int, *, first: int = 0) -> dict[str, list[list[Sample]]]:
        def decode(rows: Sequence[int], source: Tensor) -> list[Tensor]:
            numbers = [uniforms(self.seed, row, first + k, self.max_length) for row in rows for k in range(count)]
            draws = Draws(self.max_length, torch.from_numpy(np.stack(numbers)).to(source.device))
            encoded = self.f.encode(source)
            base = self.f.sample(encoded, count, draws=draws)
            outputs = [base] + ([self._denoised(base)] if self.composition else [])
            nll = self.f.nll(encoded, base)
            return [part.unflatten(0, (-1, count)) for part in (nll, *outputs)]

        nll, *decoded = self._decoded(examples, decode, count)
        return {
            output: [
                [Sample(self.tokenizer.decode(ids), -loss) for ids, loss in zip(*row, strict=True)]
                for row in zip(rows, nll, strict=True)
            ]
            for output, rows in zip(OUTPUTS, decoded, strict=False)
        }

    def _guide(self) -> Guide:
        if self.guide is None:
            raise ConfigError("decoding=constrained: this task has no grammar to go by; it is for task=sanstype")
        return self.guide()

    def valid(self, outputs: Sequence[tuple[int, str]]) -> list[bool]:
        return processes.share(outputs, self.takes)

    def _denoised(self, rows: Tensor) -> Tensor:
        """What Pi reads in rows of f, each once: many samples are the same."""
        assert self.composition is not None
        different, places = torch.unique(rows, dim=0, return_inverse=True)
        return self.composition.denoise(different, max_length=self.max_length)[places]

    def _decoded(self, examples: Sequence[int], decode: Decode, count: int = 1) -> list[list[Any]]:
        """For each output the rows of the examples, in order; a batch holds 1/count of what it holds else."""
        few = replace(
            self.pairs,
            sources=[self.pairs.sources[example] for example in examples],
            targets=[self.pairs.targets[example] for example in examples],
        )
        device = next(self.f.parameters(), torch.empty(0)).device
        return decode_all(few, lambda rows, source: decode([examples[row] for row in rows], source), device, count)


def uniforms(seed: int, example: int, sample: int, length: int) -> np.ndarray:
    """What the tokens of a sample are drawn by, float64 in [0, 1): the same in every batch and on every rank."""
    return np.random.default_rng((seed, example, sample)).random(length)


def decode_all(pairs: Pairs, decode: Decode, device: torch.device, count: int = 1) -> list[list[Any]]:
    """What `decode` makes of every source of `pairs`, in order: a list per row, for each of its outputs."""
    costs = pairs.cost()
    batches = plan(costs, max(1, ROWS // count) * int(costs.mean()), None)

    @torch.inference_mode()
    def work(mine: Sequence[list[int]]) -> list[list[list[Any]]]:
        """For each batch and output what there is of each row."""
        return [[part.tolist() for part in decode(rows, pairs.batch(rows).source.to(device))] for rows in mine]

    decoded = processes.share(batches, work)
    outputs: list[list[Any]] = [[None] * len(pairs) for _ in decoded[0]]
    for rows, of_outputs in zip(batches, decoded, strict=True):
        for output, of_rows in zip(outputs, of_outputs, strict=True):
            for row, made in zip(rows, of_rows, strict=True):
                output[row] = made
    return outputs
