"""Noise that makes the mistakes of a trained f: edits between gold outputs and what it wrote for the same inputs.

Of an output, as large a share of its units is edited as of one of f's, drawn at random. Where: in proportion to how
often f went wrong on that unit after the one before it, less so where that was seen more seldom. How: by one of the
edits that f made there, else of that unit anywhere, else of any. Left out: dependence of an edit on others, and on the
input.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from composed.config.noise import ERRORS
from composed.datamodules.noise_text import Unit, joined, units
from composed.errors import ConfigError, DataError
from composed.system.files import read_lines

MARGIN = "|"  # a unit of its own that no text begins with here
START, END = "<s>", "</s>"  # around the units of an output, which have more than one character or none of these


class Edit(NamedTuple):
    """What f wrote in the place of a unit: further units before it, and then it, another one, or nothing."""

    before: tuple[str, ...]
    instead: str | None  # None: as it was; "": nothing


KEPT = Edit((), None)


def edits(gold: Sequence[str], written: Sequence[str]) -> list[Edit]:
    """An edit for each unit of `gold`, and one for its end: the fewest that make `written` of it (Levenshtein 1966).

    Of several such ways it takes substitutions before deletions before insertions, from the end.
    """
    costs = _distances(gold, written)
    made: list[Edit] = []
    i, j = len(gold), len(written)
    before: list[str] = []
    instead: str | None = None  # of the unit at i, or of the end
    while i or j:
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (gold[i - 1] != written[j - 1]):
            made.append(Edit(tuple(reversed(before)), instead))
            instead = None if gold[i - 1] == written[j - 1] else written[j - 1]
            before, i, j = [], i - 1, j - 1
        elif i and costs[i, j] == costs[i - 1, j] + 1:
            made.append(Edit(tuple(reversed(before)), instead))
            before, instead, i = [], "", i - 1
        else:
            before.append(written[j - 1])
            j -= 1
    made.append(Edit(tuple(reversed(before)), instead))
    return made[::-1]


def _distances(gold: Sequence[str], written: Sequence[str]) -> np.ndarray:
    """Between all beginnings of both: (len(gold) + 1, len(written) + 1)."""
    numbers: dict[str, int] = {}
    rows, columns = (
        np.array([numbers.setdefault(unit, len(numbers)) for unit in side], np.int64) for side in (gold, written)
    )
    steps = np.arange(len(columns) + 1)
    costs = np.empty((len(rows) + 1, len(columns) + 1), np.int64)
    costs[0] = steps
    for number, row in enumerate(rows, 1):
        above = costs[number - 1]
        best = np.concatenate([[number], np.minimum(above[1:] + 1, above[:-1] + (columns != row))])
        costs[number] = np.minimum.accumulate(best - steps) + steps  # what is inserted after it
    return costs


@dataclass(frozen=True)
class Model:
    """Counts of what f did.

    shares: of each output, how many edits it had for each of its units.
    seen, wrong: how often a place was there, and was edited. A place is a unit, a unit after another, or any (None).
    edited: with which edits.
    """

    shares: Sequence[float]
    seen: Counter[Any]
    wrong: Counter[Any]
    edited: Mapping[Any, Counter[Edit]]

    @classmethod
    def of(cls, pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> "Model":
        """`pairs`: the units of gold outputs and of what was written for them."""
        shares: list[float] = []
        seen, wrong, edited = Counter[Any](), Counter[Any](), dict[Any, Counter[Edit]]()
        for gold, written in pairs:
            made = edits(gold, written)
            shares.append(sum(edit != KEPT for edit in made) / len(made))
            for before, unit, edit in zip([START, *gold], [*gold, END], made, strict=True):
                for place in (None, unit, (before, unit)):
                    seen[place] += 1
                    if edit != KEPT:
                        wrong[place] += 1
                        edited.setdefault(place, Counter())[edit] += 1
        return cls(shares, seen, wrong, edited)

    def rate(self, before: str, unit: str) -> float:
        """How often it is edited there: what was seen, drawn towards what is so of that unit, and of any, by a weight
        of one more sight of it.
        """
        rate = self.wrong[None] / self.seen[None]
        for place in (unit, (before, unit)):
            rate = (self.wrong[place] + rate) / (self.seen[place] + 1)
        return rate

    def draw(self, before: str, unit: str, rng: random.Random) -> Edit:
        counts = self.edited.get((before, unit)) or self.edited.get(unit) or self.edited[None]
        return rng.choices([*counts], [*counts.values()])[0]


@dataclass(frozen=True)
class FromErrors:
    """Noise from the file that `composed-predict RUN --errors` writes into the folder of a run: first whose outputs
    these are, then a row with `target` and `text` for each.

    unchanged: share of outputs left as they are; None: as many as f had right.
    Raises DataError for a file that is none, or has no mistake to learn from.
    """

    run: str
    unchanged: float | None = None
    unit: Unit = "word"

    def __post_init__(self) -> None:
        if self.unchanged is not None and not 0 <= self.unchanged <= 1:
            raise ConfigError(f"noise.unchanged={self.unchanged}: a share, must be from 0 to 1")

    def __call__(self, output: str, rng: random.Random) -> str:
        parts = self._parts(output)
        if self.unchanged is None:
            share = rng.choice(self.model.shares)
        else:
            share = 0.0 if rng.random() < self.unchanged else rng.choice(self._wrong)
        if not share:
            return joined(parts)
        places = [*zip([START, *parts], parts, strict=False)]
        if self.model.wrong[END] or not parts:  # whose edits are of its own alone: it cannot be lost
            places.append((parts[-1] if parts else START, END))
        # The places where it happens first: each by its rate, none twice.
        times = [rng.expovariate(self.model.rate(*place)) for place in places]
        first = sorted(range(len(places)), key=times.__getitem__)
        chosen = {*first[: max(1, round(share * len(places)))]}
        written: list[str] = []
        for number, (before, unit) in enumerate(places):
            edit = self.model.draw(before, unit, rng) if number in chosen else KEPT
            written += [*edit.before, unit if edit.instead is None else edit.instead]
        return joined([unit for unit in written if unit is not END])

    def _parts(self, text: str) -> list[str]:
        """The units, a blank before the first as before others, so that a word is the same wherever it stands."""
        return units(text, self.unit) if self.unit == "character" else units(f"{MARGIN} {text}", self.unit)[1:]

    @cached_property
    def model(self) -> Model:
        return Model.of([(self._parts(gold), self._parts(text)) for gold, text in self.pairs])

    @cached_property
    def _wrong(self) -> list[float]:
        return [share for share in self.model.shares if share]

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Gold outputs, and what f wrote."""
        try:
            pairs = [(str(row["target"]), str(row["text"])) for row in self._rows[1:]]
        except (KeyError, TypeError) as error:
            raise DataError(f"{self.run}/{ERRORS}: a line has no target and text ({error!r}); {self._again}") from error
        if all(gold == text for gold, text in pairs):
            raise DataError(
                f"{self.run}/{ERRORS}: f has all {len(pairs)} right, so there is no mistake to learn from; take the "
                "run of a weaker f, or another noise="
            )
        return pairs

    @property
    def head(self) -> Mapping[str, Any]:
        """Whose outputs they are: the task, and hashes of its data and of the vocabulary. Raises DataError."""
        head: Mapping[str, Any] = self._rows[0]
        return head

    @cached_property
    def _rows(self) -> list[Any]:
        path = Path(self.run) / ERRORS
        rows = [*read_lines(path)] if path.is_file() else []
        if len(rows) < 2 or not isinstance(rows[0], dict):
            raise DataError(f"{path}: no outputs of f; {self._again}")
        return rows

    @property
    def _again(self) -> str:
        return f"write them with\n  composed-predict {self.run} --errors"
