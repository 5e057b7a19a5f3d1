"""Which rows of a table are compared with which, and the order of modes: as conf/compare.yaml says, or a table's file.

Leaves out what the rows are (table.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Compare:
    """Names of rows, without what tells the variants of a mode apart.

    pairs: (row, reference), in the order in which they are shown.
    order: modes that stand before all others.
    others: of a mode that is not in `order`, by how its name begins (the last that fits), the reference.
    """

    pairs: Pairs
    order: Sequence[str] = ()
    others: Mapping[str, str] = field(default_factory=dict)

    def place(self, mode: str) -> tuple[int, int, str]:
        """What to sort modes by: those of `order`, then the kinds of `others`, by name."""
        place = self.order.index(mode) if mode in self.order else len(self.order)
        return place, self._kind(mode), mode

    def of(self, rows: Iterable[str]) -> list[tuple[str, str]]:
        """The pairs, and of each further mode among the names of `rows` that with its reference."""
        further = [name for name in rows if name not in self.order and " " not in name and self._kind(name) >= 0]
        references = [*self.others.values()]
        return [*self.pairs, *((name, references[self._kind(name)]) for name in further)]

    def _kind(self, mode: str) -> int:
        return max((place for place, start in enumerate(self.others) if mode.startswith(start)), default=-1)


@cache
def default() -> Compare:
    entries: dict[str, Any] = yaml.safe_load(
        resources.files("composed.conf").joinpath("compare.yaml").read_text("utf-8")
    )
    return Compare(pairs_of(entries["pairs"]), entries["order"], entries["others"])


def pairs_of(entries: Any) -> list[tuple[str, str]]:
    """What a file says, as pairs. Raises ValueError where it is no list of [row, reference]."""
    if not isinstance(entries, list) or not all(isinstance(entry, list) and len(entry) == 2 for entry in entries):
        raise ValueError("has to be a list of [row, reference]")
    return [(str(row), str(reference)) for row, reference in entries]
