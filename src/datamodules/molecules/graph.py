"""Molecules as graphs of atoms, and what of SMILES the task needs: written in any order of the atoms, and read.

Left out: stereochemistry, isotopes, and whether a molecule can exist, which is the judge's (RDKit).
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(r"\[[^\]]*\]|Br|Cl|%\d\d|\S")
BONDS = {"-": 1, "=": 2, "#": 3}
Bond = tuple[int, int]


def tokens(smiles: str) -> list[str]:
    """Atoms, bonds, brackets and ring numbers; of any text, SMILES or not, everything but its blanks."""
    return TOKEN.findall("".join(smiles.split()))


@dataclass
class Graph:
    """`atoms[i]` as SMILES writes it, small if aromatic; `bonds` of pairs i < j: "-", "=", "#", or "" if aromatic."""

    atoms: list[str] = field(default_factory=list)
    bonds: dict[Bond, str] = field(default_factory=dict)

    def add(self, atom: str) -> int:
        self.atoms.append(atom)
        return len(self.atoms) - 1

    def join(self, first: int, second: int, bond: str = "-") -> None:
        self.bonds[min(first, second), max(first, second)] = bond

    def bond(self, first: int, second: int) -> str:
        return self.bonds[min(first, second), max(first, second)]

    def attach(self, part: "Graph", atom: int, bond: str = "-") -> None:
        """Joins the first atom of a part to an atom of this one."""
        start = len(self.atoms)
        self.atoms += part.atoms
        self.bonds |= {(i + start, j + start): kind for (i, j), kind in part.bonds.items()}
        self.join(atom, start, bond)

    def neighbours(self, atom: int) -> list[int]:
        return [i + j - atom for i, j in self.bonds if atom in (i, j)]

    def aromatic(self, atom: int) -> bool:
        return self.atoms[atom].strip("[")[0].islower()


@dataclass
class _Walk:
    """What is known once every atom was visited: the order, the branches, and the bonds that close rings."""

    children: dict[int, list[int]]
    closing: dict[int, list[int]]  # of each atom the ends of its bonds that no branch follows, in the order of the walk


def written(graph: Graph, start: int, order: Callable[[int, list[int]], list[int]]) -> list[str]:
    """The tokens of a SMILES that begins with an atom; `order` says in which order an atom's neighbours are visited,
    the last of which goes on without a bracket.
    """
    walk = _walk(graph, start, order)
    numbers: dict[Bond, int] = {}
    return [*_write(graph, walk, start, numbers)]


def shuffled(graph: Graph, rng: random.Random) -> list[str]:
    """The tokens of a SMILES with the atoms in any order."""

    def order(_atom: int, neighbours: list[int]) -> list[int]:
        return rng.sample(neighbours, len(neighbours))

    return written(graph, rng.randrange(len(graph.atoms)), order)


def _walk(graph: Graph, start: int, order: Callable[[int, list[int]], list[int]]) -> _Walk:
    walk = _Walk(defaultdict(list), defaultdict(list))
    seen, closed = {start}, set[Bond]()

    def visit(atom: int, before: int | None) -> None:
        for other in order(atom, [each for each in graph.neighbours(atom) if each != before]):
            bond = min(atom, other), max(atom, other)
            if other not in seen:
                seen.add(other)
                walk.children[atom].append(other)
                visit(other, atom)
            elif bond not in closed and other not in walk.children[atom]:
                closed.add(bond)
                walk.closing[other].append(atom)  # visited earlier: there the ring is opened
                walk.closing[atom].append(other)

    visit(start, None)
    return walk


def _write(graph: Graph, walk: _Walk, atom: int, numbers: dict[Bond, int]) -> Iterator[str]:
    yield graph.atoms[atom]
    for other in walk.closing[atom]:
        key = min(atom, other), max(atom, other)
        if key in numbers:
            yield _number(numbers.pop(key))
        else:
            numbers[key] = next(number for number in range(1, 100) if number not in numbers.values())
            yield from _shown(graph, atom, other)
            yield _number(numbers[key])
    for place, other in enumerate(walk.children[atom], 1):
        branch = [*_shown(graph, atom, other), *_write(graph, walk, other, numbers)]
        yield from branch if place == len(walk.children[atom]) else ["(", *branch, ")"]


def _shown(graph: Graph, first: int, second: int) -> Iterable[str]:
    """A bond that atoms side by side do not have by themselves."""
    bond = graph.bond(first, second)
    plain = bond == "" or (bond == "-" and not (graph.aromatic(first) and graph.aromatic(second)))
    return [] if plain else [bond]


def _number(number: int) -> str:
    return str(number) if number < 10 else f"%{number}"


def read(smiles: str) -> Graph:
    """The molecule of a SMILES of this part of the language. Raises ValueError for one that is none."""
    graph, last, bond = Graph(), -1, ""
    branches: list[int] = []
    rings: dict[str, tuple[int, str]] = {}
    for token in tokens(smiles):
        if token == "(":
            branches.append(last)
        elif token == ")":
            if not branches:
                raise ValueError(f"{smiles}: a bracket is closed that none opens")
            last = branches.pop()
        elif token in BONDS:
            bond = token
        elif token[0] in "%0123456789":
            last, bond = _ring(graph, rings, token, last, bond)
        else:
            atom = graph.add(token)
            if last >= 0:
                graph.join(last, atom, bond or _implied(graph, last, atom))
            last, bond = atom, ""
    if branches or rings or bond or not graph.atoms:
        raise ValueError(f"{smiles}: a bracket, a ring or a bond has no end")
    return graph


def _ring(graph: Graph, rings: dict[str, tuple[int, str]], token: str, last: int, bond: str) -> tuple[int, str]:
    if last < 0:
        raise ValueError(f"{token} before any atom")
    if token not in rings:
        rings[token] = last, bond
        return last, ""
    first, opened = rings.pop(token)
    if first == last or (min(first, last), max(first, last)) in graph.bonds:
        raise ValueError(f"{token} joins atoms that are joined")
    graph.join(first, last, bond or opened or _implied(graph, first, last))
    return last, ""


def _implied(graph: Graph, first: int, second: int) -> str:
    return "" if graph.aromatic(first) and graph.aromatic(second) else "-"
