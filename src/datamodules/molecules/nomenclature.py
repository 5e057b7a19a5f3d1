"""Systematic names of small organic molecules, drawn with the molecule that they name.

A small nomenclature of its own, after IUPAC's rules: a chain or a ring is the parent, its principal group a suffix, all
else prefixes in alphabetical order, and of all numberings the one with the lowest locants counts (suffix, multiple
bond, prefixes). Every name of it names one molecule. Left out: trivial names (phenol is benzenol), fused rings,
stereochemistry, several suffixes.
"""

import itertools
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from composed.datamodules.molecules.graph import BONDS, Graph, read

STEMS = ("", "meth", "eth", "prop", "but", "pent", "hex", "hept", "oct", "non", "dec")
MULTIPLES = ("", "", "di", "tri", "tetra")
OF_COMPLEX = ("", "", "bis", "tris", "tetrakis")  # in front of names in brackets

RINGS = {  # atoms by their locants, from 1 on
    "benzene": ("c", "c", "c", "c", "c", "c"),
    "pyridine": ("n", "c", "c", "c", "c", "c"),
    "pyrimidine": ("n", "c", "n", "c", "c", "c"),
    "pyrazine": ("n", "c", "c", "n", "c", "c"),
    "furan": ("o", "c", "c", "c", "c"),
    "thiophene": ("s", "c", "c", "c", "c"),
    "cyclopropane": ("C", "C", "C"),
    "cyclopentane": ("C", "C", "C", "C", "C"),
    "cyclohexane": ("C", "C", "C", "C", "C", "C"),
    "piperidine": ("N", "C", "C", "C", "C", "C"),
    "morpholine": ("O", "C", "C", "N", "C", "C"),
    "oxane": ("O", "C", "C", "C", "C", "C"),
}
ALKYLS = {"methyl": 1, "ethyl": 2, "propyl": 3}  # carbons of a chain
CARBONS = {**ALKYLS, "propan-2-yl": 2, "trifluoromethyl": 1}  # by which a prefix might make a chain longer
PREFIXES = {  # the part that is joined to the parent by its first atom
    **{name: "C" * length for name, length in ALKYLS.items()},
    "propan-2-yl": "C(C)C",
    "trifluoromethyl": "C(F)(F)F",
    "fluoro": "F",
    "chloro": "Cl",
    "bromo": "Br",
    "iodo": "I",
    "nitro": "[N+](=O)[O-]",
    "methoxy": "OC",
    "ethoxy": "OCC",
    "phenyl": "c1ccccc1",
    "hydroxy": "O",
    "amino": "N",
    "cyano": "C#N",
}
GROUPS = {"hydroxy": 5, "amino": 6, "cyano": 2}  # prefixes that are suffixes where nothing goes before; their rank


@dataclass(frozen=True)
class Suffix:
    """A principal group. `rank`: of several, the lowest names the molecule.

    chain, ring: its words behind each; part: what is joined to a ring, or to a chain where `inside`; else the first
    carbon of the chain is its own, and `rest` are what it bears: bonds and parts.
    """

    rank: int
    chain: str
    ring: str
    part: str
    bond: str = "-"
    inside: bool = False
    rest: tuple[tuple[str, str], ...] = ()
    ester: str = ""  # the alkyl in front of the name


def _ester(alkyl: str) -> Suffix:
    oxygen = f"O{'C' * ALKYLS[alkyl]}"
    return Suffix(1, "oate", "carboxylate", f"C(=O){oxygen}", rest=(("=", "O"), ("-", oxygen)), ester=alkyl)


SUFFIXES = {
    "": Suffix(9, "", "", ""),
    "acid": Suffix(0, "oic acid", "carboxylic acid", "C(=O)O", rest=(("=", "O"), ("-", "O"))),
    "methyl ester": _ester("methyl"),
    "ethyl ester": _ester("ethyl"),
    "amide": Suffix(1, "amide", "carboxamide", "C(=O)N", rest=(("=", "O"), ("-", "N"))),
    "nitrile": Suffix(2, "nitrile", "carbonitrile", "C#N", rest=(("#", "N"),)),
    "aldehyde": Suffix(3, "al", "carbaldehyde", "C=O", rest=(("=", "O"),)),
    "ketone": Suffix(4, "one", "one", "O", bond="=", inside=True),
    "alcohol": Suffix(5, "ol", "ol", "O", inside=True),
    "amine": Suffix(6, "amine", "amine", "N", inside=True),
}
VALENCE = {"C": 4, "N": 3, "O": 2, "c": 3, "n": 2, "o": 2, "s": 2}  # single bonds; of aromatic atoms besides the ring's


@dataclass(frozen=True)
class Structure:
    """A molecule in words. Locants count from 1.

    parent: a name of RINGS, or "" for a chain of `length` carbons; multiple: "", "en" or "yn" from the carbon `at` on;
    suffix: a key of SUFFIXES, at the locant `place`; prefixes: (locant, name), in any order.
    """

    parent: str
    length: int
    suffix: str = ""
    place: int = 1
    multiple: str = ""
    at: int = 0
    prefixes: tuple[tuple[int, str], ...] = field(default=())

    @property
    def atoms(self) -> Sequence[str]:
        return RINGS[self.parent] if self.parent else ("C",) * self.length

    @property
    def terminal(self) -> bool:
        """Whether the suffix is the first carbon of the chain."""
        return bool(self.suffix) and not self.parent and not SUFFIXES[self.suffix].inside

    # -- the molecule -------------------------------------------------------------------------------------------

    def graph(self) -> Graph:
        """The parent's atoms come first, in the order of their locants."""
        graph, suffix = Graph([*self.atoms]), SUFFIXES[self.suffix]
        for locant in range(1, len(self.atoms)):
            graph.join(locant - 1, locant, self._bond(locant))
        if self.parent:
            graph.join(0, len(self.atoms) - 1, self._bond(0))
        if self.terminal:
            for bond, part in suffix.rest:
                graph.attach(read(part), 0, bond)
        elif self.suffix:
            graph.attach(read(suffix.part), self.place - 1, suffix.bond)
        for locant, name in self.prefixes:
            graph.attach(read(PREFIXES[name]), locant - 1)
        return graph

    def _bond(self, locant: int) -> str:
        """Between the atom of a locant and the next."""
        if self.parent:
            return "" if "c" in self.atoms else "-"
        return {"": "-", "en": "=", "yn": "#"}[self.multiple] if locant == self.at else "-"

    def room(self) -> Counter[int]:
        """How many prefixes each locant has room for."""
        room = Counter({locant: VALENCE[atom] for locant, atom in enumerate(self.atoms, 1)})
        for (first, second), bond in self.graph().bonds.items():
            for atom in (first, second):
                if atom < len(self.atoms):
                    room[atom + 1] -= BONDS.get(bond, 1)
        return room

    def fits(self, locant: int, name: str) -> bool:
        """Whether a prefix may stand where there is room: its group is below the suffix, no chain gets longer."""
        if self.terminal and locant == 1:
            return False  # another group would name it
        if GROUPS.get(name, 99) <= SUFFIXES[self.suffix].rank:
            return False
        if self.atoms[locant - 1] == "N":
            return name in ALKYLS
        if name == "phenyl" and not self.suffix and {*self.atoms} <= {"C", "c"}:
            return False  # benzene would be the parent
        if self.parent:
            return True
        if self.length == 1 and (name == "ethoxy" or any(other != name for _, other in self.prefixes)):
            return False  # several names without locants run into each other; ethoxymethane is methoxyethane
        return name != "cyano" and self._longest(locant, CARBONS.get(name, 0))

    def _longest(self, locant: int, carbons: int) -> bool:
        """Whether no other chain through the suffix is longer, were there so many carbons at a locant."""
        needed = {*([self.place] if self.suffix else []), *([self.at, self.at + 1] if self.multiple else [])}
        left = all(place <= locant for place in needed) and locant + carbons > self.length
        right = all(place >= locant for place in needed) and self.length - locant + 1 + carbons > self.length
        return not (carbons and (left or right))

    # -- the name -----------------------------------------------------------------------------------------------

    def canonical(self) -> "Structure":
        """The same molecule with the lowest locants."""
        return min((self._numbered(places) for places in self._numberings()), key=Structure._rank)

    def _numberings(self) -> Iterator[Sequence[int]]:
        """Every way to number the parent: `places[i]` is the new locant of i + 1."""
        count = len(self.atoms)
        yield range(1, count + 1)
        if not self.parent and not self.terminal:
            yield range(count, 0, -1)
        for shift, step in itertools.product(range(count), (1, -1)) if self.parent else ():
            places = [(shift + step * index) % count + 1 for index in range(count)]
            if all(self.atoms[place - 1] == atom for place, atom in zip(places, self.atoms, strict=True)):
                yield places

    def _numbered(self, places: Sequence[int]) -> "Structure":
        at = min(places[self.at - 1], places[self.at]) if self.at else 0
        prefixes = tuple(sorted((places[locant - 1], name) for locant, name in self.prefixes))
        return replace(self, place=places[self.place - 1] if self.suffix else 1, at=at, prefixes=prefixes)

    def _rank(self) -> tuple[object, ...]:
        cited = sorted(self.prefixes, key=lambda prefix: (prefix[1], prefix[0]))
        return self.place, self.at, [locant for locant, _ in self.prefixes], [locant for locant, _ in cited]

    def name(self) -> str:
        """Of a canonical structure."""
        suffix = SUFFIXES[self.suffix]
        ester = f"{suffix.ester} " if suffix.ester else ""
        return f"{ester}{self._prefixes()}{self._parent()}{self._ending()}"

    @property
    def _even(self) -> bool:
        """Whether all locants of the parent are alike, so that the only group needs none."""
        return len(self.atoms) == 1 or (bool(self.parent) and len({*self.atoms}) == 1)

    def _prefixes(self) -> str:
        by_name: dict[str, list[int]] = {}
        for locant, name in sorted(self.prefixes, key=lambda prefix: (prefix[1], prefix[0])):
            by_name.setdefault(name, []).append(locant)
        single = not self.suffix and len(self.prefixes) == 1 and (self._even or (not self.parent and self.length == 2))
        if single or len(self.atoms) == 1:
            return "".join(_prefix(name, len(locants)) for name, locants in by_name.items())
        return "-".join(
            f"{','.join(map(str, locants))}-{_prefix(name, len(locants))}" for name, locants in by_name.items()
        )

    def _parent(self) -> str:
        if self.parent:
            return self.parent.removesuffix("e")
        if not self.multiple:
            return f"{STEMS[self.length]}an"
        return STEMS[self.length] + (f"-{self.at}-" if self.length > 2 else "") + self.multiple

    def _ending(self) -> str:
        suffix = SUFFIXES[self.suffix]
        word = suffix.ring if self.parent else suffix.chain
        e = "e" if (self.parent.endswith("e") or not self.parent) and word[:1] not in ("a", "o") else ""
        plain = not self.prefixes and (self._even or (self.length == 2 and not self.parent and not self.multiple))
        if not self.suffix or self.terminal or plain or len(self.atoms) == 1:
            return f"{e}{word}"
        return f"{e}-{self.place}-{word}"


def _prefix(name: str, count: int) -> str:
    """As chloro, dichloro, bis(trifluoromethyl)."""
    in_brackets = "-" in name or name == "trifluoromethyl"
    return f"{OF_COMPLEX[count]}({name})" if in_brackets else f"{MULTIPLES[count]}{name}"


@dataclass(frozen=True)
class Limits:
    """How large molecules are: carbons of a chain, prefixes of any molecule, and carbons of a chain with prefixes."""

    chain: int = 8
    prefixes: int = 2
    substituted_chain: int = 5


def draw(rng: random.Random, limits: Limits) -> Structure:
    """A molecule within limits, in canonical numbering."""
    while True:
        bare = _ring(rng) if rng.random() < 0.6 else _chain(rng, limits)
        structure = _substituted(rng, bare, limits)
        if structure is not None:
            return structure.canonical()


def _ring(rng: random.Random) -> Structure:
    parent = rng.choice([*RINGS])
    atoms = RINGS[parent]
    suffixes = [name for name in SUFFIXES if name != "ketone" or "c" not in atoms]
    suffix = rng.choice(suffixes)
    places = [locant for locant, atom in enumerate(atoms, 1) if atom in "cC"]
    return Structure(parent, len(atoms), suffix, rng.choice(places) if suffix else 1)


def _chain(rng: random.Random, limits: Limits) -> Structure:
    length = rng.randint(1, limits.chain)
    suffix = rng.choice([*SUFFIXES])
    first = 1 if not suffix or not SUFFIXES[suffix].inside else rng.randint(1, length)
    bare = Structure("", length, suffix, first)
    if suffix == "ketone" and not 1 < first < length:
        return replace(bare, suffix="", place=1)
    multiple = rng.choice(("", "", "", "en", "yn"))
    if multiple and length > 1:
        at = rng.randint(1, length - 1)
        if at == 1 and bare.terminal:
            return bare
        closed = Structure("", length, suffix, first, multiple, at)
        if min(closed.room().values()) >= 0 and not (SUFFIXES[suffix].inside and first in (at, at + 1)):
            return closed
    return bare


def _substituted(rng: random.Random, bare: Structure, limits: Limits) -> Structure | None:
    """With some prefixes; None where too many were asked for, or the chain is too long for them."""
    for _ in range(rng.randint(0, limits.prefixes)):
        if not bare.parent and bare.length > limits.substituted_chain:
            return None
        choices = [(locant, name) for locant, free in bare.room().items() if free > 0 for name in PREFIXES]
        fitting = next((choice for choice in rng.sample(choices, len(choices)) if bare.fits(*choice)), None)
        if fitting is None:
            return None
        bare = replace(bare, prefixes=(*bare.prefixes, fitting))
    return bare


def _parts() -> list[str]:
    """What names are made of beside locants, longer ones first."""
    suffixes = {word for suffix in SUFFIXES.values() for word in (*suffix.chain.split(), *suffix.ring.split())}
    rings = {name.removesuffix("e") for name in RINGS}
    words = {*STEMS, *MULTIPLES, *OF_COMPLEX, *PREFIXES, *suffixes, *rings, "an", "en", "yn", "e"}
    return sorted(filter(None, words), key=lambda word: (-len(word), word))


PART = re.compile("|".join(["e(?=nitrile)", *map(re.escape, _parts()), r"\d+", "[a-z]+", r"\S"]))
ALL_PARTS = " ".join([*_parts(), *map(str, range(1, len(STEMS))), "-", ",", "(", ")"])


def parts(name: str) -> str:
    """A name as the parts that it is made of, between blanks."""
    return " ".join(PART.findall(name.lower()))
