"""Ways to corrupt a program into the source of a denoising pair (Xie et al. 2021, section 4.1).

A program is one line of segments between `$`; the first and the last (`int main () {`, `return 0; }`) are never touched.
A noise reads that line alone, so it fits generated, published and predicted programs alike.
Left out: noise drawn anew in every epoch; the published denoising data is drawn once.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from composed.errors import ConfigError

Noise = Callable[[str, random.Random], str]

_TYPES = ("int", "bool", "string")
_T = r"(?P<t>int|bool|string)"
_V = r"(?P<v>\w+)"
_N = r"(?P<x>-?\d+)"
_B = r"(?P<x>true|false)"
_S = r'(?P<x>"[^"]*")'
_X = r'(?P<x>-?\d+|true|false|"[^"]*")'

# (statement, its equally likely corruptions), where {wrong} is one of the two types other than `t`, {any} one of the three.
_DECLARE = (
    re.compile(rf"{_T} {_V} (?:; (?P=v) )?= {_X} ;"),
    ("{wrong} {v} = {x} ;", "{v} = {x} ;", "{wrong} {v} ; {v} = {x} ;"),
)
_TEMPORARY = (re.compile(rf"{_T} temp = {_V} ;"), ("temp = {v} ;", "{wrong} temp = {v} ;"))
_ADD = ("int {v} {o}= {x} ;", "int {v} = {v} {o} {x} ;", "{any} {v} {o}= {x} ;", "{any} {v} = {v} {o} {x} ;")
_APPEND = ("string {v} += {x} ;", "string {v} = {v} + {x} ;", "{any} {v} += {x} ;", "{any} {v} = {v} + {x} ;")
_STATEMENTS = (
    _DECLARE,
    (re.compile(rf"{_T} {_V} ;"), ("{wrong} {v} ;",)),
    (re.compile(rf"cin >> {_V} ;"), ("cin {v} ;", "cin >> {v} ;", "cin << {v} ;")),
    (re.compile(rf"{_V} = {_X} ;"), ("{v} = {x} ;", "{any} {v} = {x} ;")),
    (re.compile(rf"{_V} (?P<o>[-+])= {_N} ;"), _ADD),
    (re.compile(rf"{_V} = (?P=v) (?P<o>[-+]) {_N} ;"), _ADD),
    (re.compile(rf"{_V} = (?P=v) && {_B} ;"), ("bool {v} = {v} && {x} ;", "{any} {v} = {v} && {x} ;")),
    (re.compile(rf"{_V} \+= {_S} ;"), _APPEND),
    (re.compile(rf"{_V} = (?P=v) \+ {_S} ;"), _APPEND),
    (re.compile(rf"{_V} = {_S} \+ (?P=v) ;"), ("string {v} = {x} + {v} ;", "{any} {v} = {x} + {v} ;")),
    (re.compile(rf"{_V} = (?P<x>(?:max|min) \( \w+ , \w+ \)) ;"), ("{any} {v} = {x} ;",)),
    (re.compile(rf"cout << {_V} ;"), ("",)),
)
_BLOCK = re.compile(r"if \( \w+ \) \{ .* \}")

# Where the blanks of a tokenized statement were before its tokenization: `min ( a , b ) ;` was `min(a, b);`.
_WRITTEN_BLANK = re.compile(r"(?<!\() (?![;,)])(?:(?<=if )|(?!\())")


@dataclass(frozen=True)
class TemplateNoise:
    """Mistakes a writer makes: wrong, missing or repeated types, bad reads, lost prints.

    Leaves a program as it is with probability `unchanged`; else 1..`max_draws` draws with replacement choose the
    statements that become a corruption of their kind, some of which change nothing. Statements of no known kind stay.
    """

    unchanged: float = 0.1
    max_draws: int = 3

    def __post_init__(self) -> None:
        _check_probability("unchanged", self.unchanged)
        if self.max_draws < 1:
            raise ConfigError(f"noise.max_draws={self.max_draws}: must be at least 1")

    def __call__(self, program: str, rng: random.Random) -> str:
        segments = _segments(program)
        slots = range(1, len(segments) - 1)
        if slots and rng.random() >= self.unchanged:
            for i in sorted(set(rng.choices(slots, k=rng.randint(1, self.max_draws)))):
                segments[i] = _corrupt(segments[i], rng)
        return _line(segments)


@dataclass(frozen=True)
class RandomDeletion:
    """Leaves a program as it is with probability `unchanged`; else each word of it vanishes with `probability`.

    Words are what blanks separate in code as written by hand, before tokenization: `int`, `var_1;`, `(var_1)`,
    `min(var_1,`. In a tokenized line a word is a token with the `(` before it and the `)`, `,` and `;` behind it.
    """

    unchanged: float = 0.1
    probability: float = 0.15

    def __post_init__(self) -> None:
        _check_probability("unchanged", self.unchanged)
        _check_probability("probability", self.probability)

    def __call__(self, program: str, rng: random.Random) -> str:
        segments = _segments(program)
        if rng.random() >= self.unchanged:
            for i in range(1, len(segments) - 1):
                words = _WRITTEN_BLANK.split(segments[i])
                segments[i] = " ".join(word for word in words if rng.random() >= self.probability)
        return _line(segments)


def corrupt(programs: Sequence[str], noise: Noise, seed: int) -> list[str]:
    """Corrupt each program with a random stream of its own, that depends on `seed` and its index alone."""
    return [noise(program, random.Random(f"noise/{seed}/{i}")) for i, program in enumerate(programs)]


def _corrupt(statement: str, rng: random.Random) -> str:
    if _BLOCK.fullmatch(statement):
        for pattern, corruptions in (_DECLARE, _TEMPORARY):
            statement = pattern.sub(lambda match, c=corruptions: _fill(rng.choice(c), match, rng), statement)
        return statement
    for pattern, corruptions in _STATEMENTS:
        if match := pattern.fullmatch(statement):
            return _fill(rng.choice(corruptions), match, rng)
    return statement


def _fill(corruption: str, match: re.Match[str], rng: random.Random) -> str:
    parts = match.groupdict()
    wrong = rng.choice([type_ for type_ in _TYPES if type_ != parts.get("t")])
    return corruption.format(**parts, wrong=wrong, any=rng.choice(_TYPES))


def _segments(program: str) -> list[str]:
    return [" ".join(segment.split()) for segment in program.split("$")]


def _line(segments: Sequence[str]) -> str:
    return " ".join(" $ ".join(segments).split())


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"noise.{name}={value}: a probability, must be from 0 to 1")
