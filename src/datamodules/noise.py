"""Ways to corrupt a program into the source of a denoising pair: of Xie, Ma and Liang 2021, of BART, and mixtures.

A program is one line, `$` between its segments; the first and the last (`int main () {`, `return 0; }`) stay.
A noise reads this line alone, so it fits generated, published and predicted programs alike.
Left out: noise drawn anew in every epoch; the published denoising data is drawn once.
"""

import math
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import ClassVar

from composed.errors import ConfigError

Noise = Callable[[str, random.Random], str]

TOO_FEW_FOR_PROCESSES = 50_000  # programs for which it does not pay to start processes
CHUNK = 2_000  # programs that a process gets at a time

MASK = "<unk>"  # which every vocabulary has and no program does: a mask is an unknown token

_TYPES = ("int", "bool", "string")
_T = r"(?P<t>int|bool|string)"
_V = r"(?P<v>\w+)"
_N = r"(?P<x>-?\d+)"
_B = r"(?P<x>true|false)"
_S = r'(?P<x>"[^"]*")'
_X = r'(?P<x>-?\d+|true|false|"[^"]*")'

# (pattern, equally likely corruptions); {wrong} is one of the two types that are not `t`, {any} one of three.
_Rule = tuple[str, tuple[str, ...]]
_DECLARE: _Rule = (
    rf"{_T} {_V} (?:; (?P=v) )?= {_X} ;",
    ("{wrong} {v} = {x} ;", "{v} = {x} ;", "{wrong} {v} ; {v} = {x} ;"),
)
_TEMPORARY: _Rule = (rf"{_T} temp = {_V} ;", ("temp = {v} ;", "{wrong} temp = {v} ;"))
_ADD = ("int {v} {o}= {x} ;", "int {v} = {v} {o} {x} ;", "{any} {v} {o}= {x} ;", "{any} {v} = {v} {o} {x} ;")
_APPEND = ("string {v} += {x} ;", "string {v} = {v} + {x} ;", "{any} {v} += {x} ;", "{any} {v} = {v} + {x} ;")
_STATEMENTS: tuple[_Rule, ...] = (
    _DECLARE,
    (rf"{_T} {_V} ;", ("{wrong} {v} ;",)),
    (rf"cin >> {_V} ;", ("cin {v} ;", "cin >> {v} ;", "cin << {v} ;")),
    (rf"{_V} = {_X} ;", ("{v} = {x} ;", "{any} {v} = {x} ;")),
    (rf"{_V} (?P<o>[-+])= {_N} ;", _ADD),
    (rf"{_V} = (?P=v) (?P<o>[-+]) {_N} ;", _ADD),
    (rf"{_V} = (?P=v) && {_B} ;", ("bool {v} = {v} && {x} ;", "{any} {v} = {v} && {x} ;")),
    (rf"{_V} \+= {_S} ;", _APPEND),
    (rf"{_V} = (?P=v) \+ {_S} ;", _APPEND),
    (rf"{_V} = {_S} \+ (?P=v) ;", ("string {v} = {x} + {v} ;", "{any} {v} = {x} + {v} ;")),
    (rf"{_V} = (?P<x>(?:max|min) \( \w+ , \w+ \)) ;", ("{any} {v} = {x} ;",)),
    (rf"cout << {_V} ;", ("",)),
)
_BLOCK = r"if \( \w+ \) \{ .* \}"

_TOKEN = re.compile(r'"[^"]*"|\S+')

# Where the blanks of a tokenized statement were before its tokenization: `min ( a , b ) ;` was `min(a, b);`.
_WRITTEN_BLANK = re.compile(r"(?<!\() (?![;,)])(?:(?<=if )|(?!\())")


@dataclass(frozen=True)
class TemplateNoise:
    """Mistakes a writer makes: wrong, missing or repeated types, bad reads, lost prints.

    A program stays as it is with probability `unchanged`; else 1..`max_draws` draws with replacement choose
    statements, and each becomes one of the corruptions of its kind, of which some are the statement itself.
    A statement of no known kind stays. `framed`: the segments at either end that are of every program.
    """

    unchanged: float = 0.1
    max_draws: int = 3

    framed: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_probability("unchanged", self.unchanged)
        if self.max_draws < 1:
            raise ConfigError(f"noise.max_draws={self.max_draws}: must be at least 1")

    def __call__(self, program: str, rng: random.Random) -> str:
        segments = _segments(program)
        slots = range(self.framed, len(segments) - self.framed)
        if slots and rng.random() >= self.unchanged:
            for i in sorted(set(rng.choices(slots, k=rng.randint(1, self.max_draws)))):
                segments[i] = self.corrupted(segments[i], rng)
        return _line(segments)

    def corrupted(self, statement: str, rng: random.Random) -> str:
        """A statement with a mistake of its kind."""
        return _corrupt(statement, rng)


@dataclass(frozen=True)
class RandomDeletion:
    """Lost words.

    A program stays as it is with probability `unchanged`; else each word of it is lost with `probability`.
    The words are those of the code before its tokenization, where `min(a, b);` and `if (c)` are two words
    each. So a token goes with the `(` before it and the `)`, `,` and `;` after it.
    """

    unchanged: float = 0.1
    probability: float = 0.15

    def __post_init__(self) -> None:
        check_probability("unchanged", self.unchanged)
        check_probability("probability", self.probability)

    def __call__(self, program: str, rng: random.Random) -> str:
        segments = _segments(program)
        if rng.random() >= self.unchanged:
            for i in range(1, len(segments) - 1):
                words = _WRITTEN_BLANK.split(segments[i])
                segments[i] = " ".join(word for word in words if rng.random() >= self.probability)
        return _line(segments)


@dataclass(frozen=True)
class Masking:
    """Hidden tokens: each between the first and the last segment becomes a mask with `probability`.

    A program stays as it is with probability `unchanged`. Source: Devlin et al. 2019, as Lewis et al. 2020 use it.
    """

    unchanged: float = 0.1
    probability: float = 0.15

    def __post_init__(self) -> None:
        check_probability("unchanged", self.unchanged)
        check_probability("probability", self.probability)

    def __call__(self, program: str, rng: random.Random) -> str:
        first, tokens, last = _body(program)
        if rng.random() >= self.unchanged:
            tokens = [MASK if rng.random() < self.probability else token for token in tokens]
        return " ".join([*first, *tokens, *last])


@dataclass(frozen=True)
class Infilling:
    """Lost passages, of unknown length: spans of tokens become one mask each, and spans of none insert a mask.

    A program stays as it is with probability `unchanged`; else spans of Poisson lengths with mean `span` are drawn
    until they cover `probability` of the tokens between the first and the last segment, and lie anywhere among the
    others, all places alike. They may cover a `$`. Source: Lewis et al. 2020, "BART".
    """

    unchanged: float = 0.1
    probability: float = 0.3
    span: float = 3.0

    def __post_init__(self) -> None:
        check_probability("unchanged", self.unchanged)
        check_probability("probability", self.probability)
        if not 1 <= self.span < 100:
            raise ConfigError(f"noise.span={self.span}: a mean number of tokens, must be from 1 to below 100")

    def __call__(self, program: str, rng: random.Random) -> str:
        first, tokens, last = _body(program)
        left = round(self.probability * len(tokens)) if rng.random() >= self.unchanged else 0
        spans: list[int | None] = [None] * (len(tokens) - left)  # None: a token that stays
        while left:
            spans.append(min(poisson(self.span, rng), left))
            left -= spans[-1] or 0
        rng.shuffle(spans)
        source = iter(tokens)
        body = [next(source) if span is None else _skip(source, span) for span in spans]
        return " ".join([*first, *body, *last])


@dataclass(frozen=True)
class Mixture:
    """One of several noises for each program, in proportion to their weights; a weight of 0 leaves its noise out."""

    parts: Mapping[str, Noise]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.parts.keys() != self.weights.keys() or min(self.weights.values(), default=0) < 0:
            raise ConfigError(
                f"noise.weights={dict(self.weights)}: one number, at least 0, for each of {[*self.parts]}"
            )
        if not sum(self.weights.values()) > 0:
            raise ConfigError(f"noise.weights={dict(self.weights)}: all are 0, so there is no noise")

    def __call__(self, program: str, rng: random.Random) -> str:
        name = rng.choices([*self.weights], [*self.weights.values()])[0]
        return self.parts[name](program, rng)


def corrupt(programs: Sequence[str], noise: Noise, seed: int) -> list[str]:
    """Corrupt each program with a random stream of its own, that depends on `seed` and its index alone.

    So all cores can share many programs, and the result is the same.
    """
    corrupted = partial(_nth, noise, seed)
    cores = len(os.sched_getaffinity(0))
    if cores == 1 or len(programs) <= TOO_FEW_FOR_PROCESSES:
        return [*map(corrupted, range(len(programs)), programs)]
    with ProcessPoolExecutor(cores, get_context("forkserver")) as pool:
        return [*pool.map(corrupted, range(len(programs)), programs, chunksize=CHUNK)]


def _nth(noise: Noise, seed: int, number: int, program: str) -> str:
    return noise(program, random.Random(f"noise/{seed}/{number}"))


def _corrupt(statement: str, rng: random.Random) -> str:
    if re.fullmatch(_BLOCK, statement):
        for pattern, corruptions in (_DECLARE, _TEMPORARY):
            statement = re.sub(pattern, partial(_fill, corruptions, rng), statement)
        return statement
    for pattern, corruptions in _STATEMENTS:
        if match := re.fullmatch(pattern, statement):
            return _fill(corruptions, rng, match)
    return statement


def _fill(corruptions: Sequence[str], rng: random.Random, match: re.Match[str]) -> str:
    parts = match.groupdict()
    wrong = rng.choice([type_ for type_ in _TYPES if type_ != parts.get("t")])
    return rng.choice(corruptions).format(**parts, wrong=wrong, any=rng.choice(_TYPES))


def _body(program: str) -> tuple[list[str], list[str], list[str]]:
    """The tokens of the first segment, of all between, and of the last; the separators are between."""
    segments = _segments(program)
    if len(segments) < 3:
        return _TOKEN.findall(program), [], []
    return segments[0].split(), _TOKEN.findall(f"$ {' $ '.join(segments[1:-1])} $"), segments[-1].split()


def poisson(mean: float, rng: random.Random) -> int:
    """Knuth 1969: how many uniform numbers it takes until their product is below exp(-mean), less one."""
    count, product, end = 0, rng.random(), math.exp(-mean)
    while product > end:
        count, product = count + 1, product * rng.random()
    return count


def _skip(tokens: Iterator[str], count: int) -> str:
    for _ in range(count):
        next(tokens)
    return MASK


def _segments(program: str) -> list[str]:
    return [" ".join(segment.split()) for segment in program.split("$")]


def _line(segments: Sequence[str]) -> str:
    return " ".join(" $ ".join(segments).split())


def check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"noise.{name}={value}: a probability, must be from 0 to 1")
