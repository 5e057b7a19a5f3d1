"""Mistakes that programmers make, in any C++ in the line format: DrRepair's corruptions (Yasunaga and Liang 2020).

A line is corrupted by one of five families, drawn with the published probabilities; a family that has nothing to do in
a line gives way to another draw. Left out: to keep only what no longer compiles; `tasks/text.py` does, with the judge.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from composed.errors import ConfigError

TYPES = ("int", "long", "float", "double", "char", "string", "bool")
MARKS = ("(", ")", ",", ";", "{", "}", "[", "]", "+", "-", "=", "<", ">", "<<", ">>")
KEYWORDS = ("if", "else", "else if", "while", "for")
ATTEMPTS = 5  # draws of a family for a line

PUBLISHED = {"syntax": 0.3, "type": 0.15, "declaration": 0.2, "typo": 0.3, "keyword": 0.05}
_NO_VARIABLES = """
    auto bool break case char class const continue default define delete do double else enum false float for if include
    inline int long main new operator public private return short signed sizeof static struct switch template this true
    typedef typename unsigned using void while
    begin bitset cin clear cout deque end endl erase find first insert length make_pair map max min multiset pair pop
    pop_back printf push push_back queue rbegin rend resize reverse scanf second set size sort stack std string substr
    swap top vector
"""
_WORDS = frozenset(_NO_VARIABLES.split())
_DECLARING = (*TYPES, "const", "map", "pair", "queue", "set", "unsigned", "vector")
_BEFORE_NAMES = (*TYPES, ",", ">")
_DUMMIES = frozenset(("int main ( ) {", "return 0 ;", "{", "}", "} ;"))

_Corruption = Callable[[list[str], "_Program", random.Random], bool]


@dataclass(frozen=True)
class CodeErrors:
    """A program stays as it is with probability `unchanged`; else 1 to `max_lines` of its lines are corrupted.

    `weights` are those of the families syntax, type, declaration, typo and keyword. Lines without anything of the
    program's own, such as `}`, stay. Source: DrRepair, which corrupts one line of every program.
    """

    unchanged: float = 0.1
    max_lines: int = 3
    weights: Mapping[str, float] = field(default_factory=lambda: dict(PUBLISHED))

    def __post_init__(self) -> None:
        if not 0 <= self.unchanged <= 1:
            raise ConfigError(f"noise.unchanged={self.unchanged}: a probability, must be from 0 to 1")
        if self.max_lines < 1:
            raise ConfigError(f"noise.max_lines={self.max_lines}: must be at least 1")
        if self.weights.keys() != FAMILIES.keys() or min(self.weights.values()) < 0 or not any(self.weights.values()):
            raise ConfigError(f"noise.weights={dict(self.weights)}: one number, at least 0, for each of {[*FAMILIES]}")

    def __call__(self, program: str, rng: random.Random) -> str:
        lines = program.split(" $ ")
        places = [place for place, line in enumerate(lines) if line.lstrip("~ ") not in _DUMMIES]
        if not places or rng.random() < self.unchanged:
            return program
        names = _Program(lines)
        for place in rng.sample(places, min(rng.randint(1, self.max_lines), len(places))):
            lines[place] = self._corrupted(lines[place], names, rng)
        return " $ ".join(lines)

    def _corrupted(self, line: str, program: "_Program", rng: random.Random) -> str:
        words = line.split()
        indent = [words.pop(0)] if words and words[0].startswith("~") else []
        for family in rng.choices([*self.weights], [*self.weights.values()], k=ATTEMPTS):
            if FAMILIES[family](words, program, rng):
                break
        return " ".join([*indent, *words])


class _Program:
    """What a corruption may draw on: the names of the program that could be variables, each once."""

    def __init__(self, lines: Sequence[str]) -> None:
        words = dict.fromkeys(word for line in lines for word in line.split())
        self.names = [word for word in words if _is_name(word)]

    def other(self, name: str, rng: random.Random) -> str | None:
        """A name that is not this one, if there is any."""
        others = [candidate for candidate in self.names if candidate != name]
        return rng.choice(others) if others else None


# A corruption changes the words of a line in place; false if there is nothing for it to do.


def _syntax(words: list[str], _program: _Program, rng: random.Random) -> bool:
    """Deletes, doubles or replaces a mark, swaps `) ;`, or takes a quote of a literal away or doubles it."""
    places = [place for place, word in enumerate(words) if word in MARKS or word[0] in "\"'"]
    if not places:
        return False
    place = rng.choice(places)
    word, change = words[place], rng.random()
    if word[0] in "\"'":
        words[place] = rng.choice((word[1:], word[:-1], word[0] + word, word + word[-1]))
    elif change < 1 / 3:
        del words[place]
    elif change < 2 / 3:
        words.insert(place, word)
    elif word == ")" and words[place + 1 : place + 2] == [";"]:
        words[place : place + 2] = [";", ")"]
    elif word == ";":
        words[place] = rng.choice((",", "."))
    else:
        words[place] = rng.choice([mark for mark in MARKS if mark != word])
    return True


def _type(words: list[str], _program: _Program, rng: random.Random) -> bool:
    """Replaces or deletes a type, or puts one before an assignment."""
    places = [place for place, word in enumerate(words) if word in TYPES]
    if places:
        place = rng.choice(places)
        wrong = [rng.choice([type_ for type_ in TYPES if type_ != words[place]])]
        words[place : place + 1] = rng.choice((wrong, []))
    elif len(words) > 1 and _is_name(words[0]) and words[1] == "=":
        words.insert(0, rng.choice(TYPES))
    else:
        return False
    return True


def _declaration(words: list[str], program: _Program, rng: random.Random) -> bool:
    """Deletes, replaces or adds a variable that the line declares."""
    if not words or words[0] not in _DECLARING:
        return False
    places = [place for place in range(1, len(words)) if _is_name(words[place]) and words[place - 1] in _BEFORE_NAMES]
    if not places:
        return False
    place = rng.choice(places)
    kind, other = rng.choice(("delete", "replace", "add")), program.other(words[place], rng)
    if kind == "delete" or other is None:
        comma = place - (words[place - 1] == ",")
        del words[comma : place + 1]
    elif kind == "replace":
        words[place] = other
    else:
        words[place + 1 : place + 1] = [",", other]
    return True


def _typo(words: list[str], program: _Program, rng: random.Random) -> bool:
    """Replaces or deletes the use of a variable, where the line declares none."""
    places = [place for place, word in enumerate(words) if _is_name(word)]
    if not places or words[0] in TYPES:
        return False
    place = rng.choice(places)
    other = program.other(words[place], rng)
    words[place : place + 1] = [other] if other is not None and rng.random() < 0.5 else []
    return True


def _keyword(words: list[str], _program: _Program, rng: random.Random) -> bool:
    """Replaces or deletes a keyword, or deletes the name of what is called."""
    keywords = [place for place, word in enumerate(words) if word in KEYWORDS]
    calls = [
        place
        for place, (word, after) in enumerate(pairwise(words))
        if after == "(" and word in _WORDS and word not in KEYWORDS
    ]
    if not keywords and not calls:
        return False
    place = rng.choice(keywords + calls)
    length = 2 if words[place : place + 2] == ["else", "if"] else 1
    wrong = rng.choice([word for word in KEYWORDS if word != " ".join(words[place : place + length])]).split()
    words[place : place + length] = wrong if place in keywords and rng.random() < 0.5 else []
    return True


FAMILIES: dict[str, _Corruption] = {
    "syntax": _syntax,
    "type": _type,
    "declaration": _declaration,
    "typo": _typo,
    "keyword": _keyword,
}


def _is_name(word: str) -> bool:
    return word.isidentifier() and word not in _WORDS
