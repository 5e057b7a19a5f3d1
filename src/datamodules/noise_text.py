"""Noise for text of any kind: words or characters that are lost, change places or give way to masks.

A word is a run of letters and digits, or of one other character, with the blanks before it; so `f(x)` has four. Blanks
side by side count as one. Left out: what knows the grammar of outputs (noise.py, noise_code.py).
"""

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from composed.datamodules.noise import MASK, check_probability, poisson
from composed.errors import ConfigError

Unit = Literal["word", "character"]

_WORD = re.compile(r" ?(?:\w+|([^\w\s])\1*)")


def units(text: str, unit: Unit) -> list[str]:
    """The words or characters of a line; `joined` gives the line back, with single blanks."""
    line = " ".join(text.split())
    return [*line] if unit == "character" else [match.group() for match in _WORD.finditer(line)]


def joined(parts: Sequence[str]) -> str:
    return " ".join("".join(parts).split())


@dataclass(frozen=True)
class _OfUnits(ABC):
    """An output stays as it is with probability `unchanged`; else `noised` makes others of its units."""

    unchanged: float = 0.1
    probability: float = 0.15
    unit: Unit = "word"

    def __post_init__(self) -> None:
        check_probability("unchanged", self.unchanged)
        check_probability("probability", self.probability)

    def __call__(self, output: str, rng: random.Random) -> str:
        parts = units(output, self.unit)
        return joined(parts if rng.random() < self.unchanged else self.noised(parts, rng))

    @abstractmethod
    def noised(self, parts: Sequence[str], rng: random.Random) -> Sequence[str]: ...


@dataclass(frozen=True)
class Deletion(_OfUnits):
    """Each unit is lost with `probability`."""

    def noised(self, parts: Sequence[str], rng: random.Random) -> Sequence[str]:
        return [part for part in parts if rng.random() >= self.probability]


@dataclass(frozen=True)
class Swap(_OfUnits):
    """Each unit, from left to right, changes places with the next one with `probability`, and no unit is moved twice.
    A word is moved without the blank before it.
    """

    probability: float = 0.1

    def noised(self, parts: Sequence[str], rng: random.Random) -> Sequence[str]:
        swapped, place = [*parts], 0
        while place + 1 < len(swapped):
            if rng.random() < self.probability:
                swapped[place : place + 2] = _exchanged(swapped[place], swapped[place + 1], self.unit)
                place += 1
            place += 1
        return swapped


@dataclass(frozen=True)
class Spans(_OfUnits):
    """Lost passages, of unknown length: spans of units become one mask each, and spans of none insert a mask.

    Spans of Poisson lengths with mean `span` are drawn until they cover `probability` of the units, at least one, and
    lie anywhere among the others, all places alike. Source: Lewis et al. 2020, "BART".
    """

    probability: float = 0.3
    span: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.span < 100:
            raise ConfigError(f"noise.span={self.span}: a mean number of units, must be from 1 to below 100")

    def noised(self, parts: Sequence[str], rng: random.Random) -> Sequence[str]:
        left = min(max(1, round(self.probability * len(parts))), len(parts)) if self.probability else 0
        spans: list[int | None] = [None] * (len(parts) - left)  # None: a unit that stays
        while left:
            spans.append(min(poisson(self.span, rng), left))
            left -= spans[-1] or 0
        rng.shuffle(spans)
        source = iter(parts)
        return [next(source) if span is None else _masked(source, span) for span in spans]


def _exchanged(first: str, second: str, unit: Unit) -> tuple[str, str]:
    if unit == "character":
        return second, first
    blanks = [" " if part.startswith(" ") else "" for part in (first, second)]
    return blanks[0] + second.removeprefix(" "), blanks[1] + first.removeprefix(" ")


def _masked(source: Iterator[str], span: int) -> str:
    """A mask for the next units, with the blank before the first of them; one between blanks where there are none."""
    lost = [next(source) for _ in range(span)]
    return MASK if lost and not lost[0].startswith(" ") else f" {MASK}"
