"""Which programs are compiled together, and when two outputs are the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from composed.judges.lexer import Shareable
from composed.judges.records import Compare

PROGRAMS_A_UNIT = 250
_WORD = re.compile(rb"\S+")


@dataclass(frozen=True, slots=True)
class Item:
    """A program: `shareable` is None where it must be compiled alone, `expected` is empty where any output is right."""

    number: int
    code: str
    shareable: Shareable | None
    inputs: list[bytes]
    expected: list[bytes]


def equal(printed: bytes, expected: bytes, compare: Compare) -> bool:
    if compare == "exact" or printed == expected:
        return printed == expected
    words = zip_longest(_WORD.finditer(printed), _WORD.finditer(expected))  # one at a time: outputs can be large
    return all(word and other and word[0] == other[0] for word, other in words)


def units(tasks: Sequence[Item], workers: int) -> tuple[list[list[Item]], list[Item]]:
    """Tasks that may share units; and those left over.

    Programs that are to print the same are never in one unit: what one holds could tell the other. Where that is one or
    two characters, which are guessed as easily, they may be, if no code of either can be in the other's memory. Where
    many are to print the same, units get more and smaller, down to four programs on average.
    """
    count = max(-(-len(tasks) // PROGRAMS_A_UNIT), min(workers, -(-len(tasks) // 10)))
    room = min(PROGRAMS_A_UNIT, -(-len(tasks) // max(count, 1)))
    most = max(count, len(tasks) // 4)
    made: list[list[Item]] = [[] for _ in range(most)]
    # Bit masks of units: those with room, and those with a program, or with one that is not confined, that is to print
    # these outputs.
    with_room = (1 << most) - 1
    printing: dict[tuple[bytes, ...], int] = defaultdict(int)
    unconfined: dict[tuple[bytes, ...], int] = defaultdict(int)
    left = []
    for task in tasks:
        outputs = tuple(b" ".join(output.split()) for output in task.expected)
        confined = task.shareable is not None and task.shareable.confined
        together = unconfined if confined and len(b"".join(outputs)) <= 2 else printing
        free = with_room & ~together[outputs] if outputs else with_room
        if not free:
            left.append(task)
            continue
        bit = free & -free
        unit = made[bit.bit_length() - 1]
        unit.append(task)
        if len(unit) == room:
            with_room ^= bit
        printing[outputs] |= bit
        unconfined[outputs] |= 0 if confined else bit
    left += [unit[0] for unit in made if len(unit) == 1]
    return [unit for unit in made if len(unit) > 1], left
