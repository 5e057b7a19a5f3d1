"""Inputs that a SansType program is judged on: what it was drawn with first, then such that its branches are taken.

Left out: `max` and `min`, which are branches of the library and not of the program.
"""

import random
from collections.abc import Sequence
from itertools import product
from math import prod

from composed.datamodules.sanstype.grammar import READ_VALUES

Values = tuple[str, ...]  # one for each variable that the program reads, in order, as standard input has them


def choose(target: str, first: Values, count: int) -> list[Values]:
    """At most `count` different inputs of the program, `first` among them; a program that reads nothing has one.

    Those that follow `first` take as many branches as possible that none before them took, then values are drawn at
    random: a function of the arguments alone.
    """
    types = _read_types(target)
    rng = random.Random(f"inputs/{target}")
    truths = product(*(("1", "0") if type_ == "bool" else ("",) for type_ in types))
    takes = {truth: {*enumerate(branches(target, truth))} for truth in truths}
    left = set().union(*takes.values()).difference(enumerate(branches(target, first)))
    chosen = [first]
    while left and len(chosen) < count:
        best = max(takes, key=lambda truth: len(left & takes[truth]))
        left -= takes[best]
        chosen.append(tuple(value or rng.choice(READ_VALUES[type_]) for value, type_ in zip(best, types, strict=True)))
    different = prod(len(READ_VALUES[type_]) for type_ in types)
    while len(chosen) < min(count, different):
        values = tuple(rng.choice(READ_VALUES[type_]) for type_ in types)
        if values not in chosen:
            chosen.append(values)
    return chosen


def branches(target: str, values: Sequence[str]) -> tuple[bool, ...]:
    """Of every `if` of the program, in order, whether it is taken on these values; only those of booleans matter."""
    truth: dict[str, bool] = {}
    taken: list[bool] = []
    unread = iter(values)
    for statement in _statements(target):
        match statement:
            case ["cin", ">>", name, ";"]:
                truth[name] = next(unread) == "1"
            case ["bool", name, "=", value, ";"] | ["bool", name, ";", _, "=", value, ";"]:
                truth[name] = value == "true"
            case [name, "=", ("true" | "false") as value, ";"]:
                truth[name] = value == "true"
            case [name, "=", _, "&&", value, ";"]:
                truth[name] = truth[name] and value == "true"
            case ["if", "(", name, ")", "{", *block]:
                taken.append(truth[name])
                match block:  # one with variables of its own (`~`) changes no others
                    case ["bool", "temp", "=", one, ";", _, "=", other, ";", *_] if truth[name]:
                        truth[one], truth[other] = truth[other], truth[one]
    return tuple(taken)


def _read_types(target: str) -> list[str]:
    declared = {}
    types = []
    for statement in _statements(target):
        match statement:
            case [type_, name, ";"]:
                declared[name] = type_
            case ["cin", ">>", name, ";"]:
                types.append(declared[name])
    return types


def _statements(target: str) -> list[list[str]]:
    return [segment.split() for segment in target.split(" $ ")[1:-1]]
