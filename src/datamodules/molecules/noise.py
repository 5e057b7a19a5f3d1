"""Mistakes in SMILES: brackets, rings, bonds and atoms, as a writer makes them."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from composed.datamodules.molecules.graph import tokens
from composed.datamodules.noise import check_probability
from composed.errors import ConfigError

BRACKETS = ("(", ")")
BONDS = ("=", "#")
RING = re.compile(r"\d|%\d\d")


@dataclass(frozen=True)
class SmilesNoise:
    """A SMILES stays as it is with probability `unchanged`; else 1 to `most` mistakes are made in it.

    Each is one of: a bracket is lost, or stands somewhere else; a ring number is lost, or another; a bond is lost, or
    stands where none was; an atom is lost, written twice, or aromatic where it was not, and the reverse.
    """

    unchanged: float = 0.1
    most: int = 3

    def __post_init__(self) -> None:
        check_probability("unchanged", self.unchanged)
        if self.most < 1:
            raise ConfigError(f"noise.most={self.most}: must be at least 1")

    def __call__(self, line: str, rng: random.Random) -> str:
        written = tokens(line)
        if rng.random() >= self.unchanged:
            for _ in range(rng.randint(1, self.most)):
                written = rng.choice((_bracket, _ring, _bond, _atom))(written, rng) or written
        return " ".join(written)


def _bracket(written: Sequence[str], rng: random.Random) -> list[str]:
    return _lost_or_moved(written, [at for at, token in enumerate(written) if token in BRACKETS], rng)


def _ring(written: Sequence[str], rng: random.Random) -> list[str]:
    places = [at for at, token in enumerate(written) if RING.fullmatch(token)]
    if not places:
        return [*written]
    at = rng.choice(places)
    another = [] if rng.random() < 0.5 else [str(rng.choice([n for n in range(1, 5) if str(n) != written[at]]))]
    return [*written[:at], *another, *written[at + 1 :]]


def _bond(written: Sequence[str], rng: random.Random) -> list[str]:
    places = [at for at, token in enumerate(written) if token in BONDS]
    if places and rng.random() < 0.5:
        return _lost_or_moved(written, places, rng)
    at = rng.randint(1, len(written)) if written else 0
    return [*written[:at], rng.choice(BONDS), *written[at:]]


def _atom(written: Sequence[str], rng: random.Random) -> list[str]:
    places = [at for at, token in enumerate(written) if token[-1].isalpha() or token[0] == "["]
    if not places:
        return [*written]
    at = rng.choice(places)
    atom = written[at]
    other = atom.swapcase() if len(atom) == 1 and atom in "CNOScnos" else atom
    changed = rng.choice(([], [atom, atom], [other]))
    return [*written[:at], *changed, *written[at + 1 :]]


def _lost_or_moved(written: Sequence[str], places: Sequence[int], rng: random.Random) -> list[str]:
    if not places:
        return [*written]
    at = rng.choice(places)
    rest = [*written[:at], *written[at + 1 :]]
    if rng.random() < 0.5 and rest:
        to = rng.randint(1, len(rest))
        return [*rest[:to], written[at], *rest[to:]]
    return rest
