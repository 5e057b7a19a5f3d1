"""Mistakes in the Python of SansType's programs, drawn as those in its C++ are."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from composed.datamodules.noise import TemplateNoise
from composed.datamodules.python.translation import READ, VALUES_OF

INDENTATION = 0.25  # share of the drawn lines whose mistake is in their indentation

_V, _W, _F = r"(?P<v>\w+)", r"(?P<w>\w+)", r"(?P<f>max|min)"
_X = r'(?P<x>-?\d+|True|False|"[^"]*")'
_END = ' , end = ""'

# (pattern, equally likely corruptions); {reader} is one of the two ways to read that are not the line's, {other} a
# value of another type.
_Rule = tuple[str, tuple[str, ...]]
_ADD = ("{v} {o}= {x}", "{v} = {v} {o} {x}", "{v} {o} {x}", "{v} = {x}", "{v} {o}= {other}")
_LINES: tuple[_Rule, ...] = (
    (
        rf"{_V} = (?P<r>{'|'.join(map(re.escape, READ.values()))})",
        ("{v} = {reader}", "{v} = {reader}", "{reader}", "input ( {v} )"),
    ),
    (rf"{_V} = {_X}", ("{v} = {x}", "{v} = {other}", "{v} = = {x}")),
    (rf"{_V} (?P<o>[-+])= {_X}", _ADD),
    (rf"{_V} = (?P=v) (?P<o>[-+]) {_X}", _ADD),
    (rf"{_V} = (?P=v) and {_X}", ("{v} = {v} and {x}", "{v} and {x}", "{v} = and {x}", "{v} = {v} and {other}")),
    (rf"{_V} = {_X} \+ (?P=v)", ("{v} = {x} + {v}", "{v} = {v} + {x}", "{x} + {v}", "{v} = {other} + {v}")),
    (rf"{_V} = {_F} \( (?P=v) , {_W} \)", ("{v} = {f} ( {v} )", "{f} ( {v} , {w} )", "{v} = {f} {v} , {w}")),
    (
        rf"print \( {_V}{_END} \)",
        ("", f"print ( int ( {{v}} ){_END} )", "print ( {v} )", f"print {{v}}{_END}"),
    ),
    (
        rf"print \( int \( {_V} \){_END} \)",
        ("", f"print ( {{v}}{_END} )", "print ( int ( {v} ) )", f"print ( int {{v}}{_END} )"),
    ),
    (rf"if {_V} :", ("if {v}", "{v} :", "if {v} = True :")),
    (rf"{_V} , {_W} = (?P=w) , (?P=v)", ("{v} , {w} = {v} , {w}", "{v} = {w}", "{v} , {w} = {w}")),
    (r"def block \( \) :", ("def block :", "block ( ) :", "def block ( )")),
    (r"block \( \)", ("", "block", "( )")),
)


@dataclass(frozen=True)
class PythonTemplate(TemplateNoise):
    """Mistakes a writer makes: wrong or missing conversions and values, bad reads, lost prints, colons and levels of
    indentation. How many, and where, is drawn as for `TemplateNoise`.
    """

    framed: ClassVar[int] = 0

    def corrupted(self, statement: str, rng: random.Random) -> str:
        line = statement.lstrip("~ ")
        indent = statement[: len(statement) - len(line)]
        if rng.random() < INDENTATION:
            return f"{_indented_otherwise(indent, rng)}{line}"
        for pattern, corruptions in _LINES:
            if match := re.fullmatch(pattern, line):
                return f"{indent}{_filled(corruptions, match, rng)}".rstrip("~ ")
        return statement


def _indented_otherwise(indent: str, rng: random.Random) -> str:
    """By one level more or, where there is one, less."""
    return rng.choice([f"{indent}~ ", *([indent.removesuffix("~ ")] if indent else [])])


def _filled(corruptions: Sequence[str], match: re.Match[str], rng: random.Random) -> str:
    parts = match.groupdict()
    reader = rng.choice([way for way in READ.values() if way != parts.get("r")])
    others = [values for values in VALUES_OF.values() if parts.get("x") not in values]
    return rng.choice(corruptions).format(**parts, reader=reader, other=rng.choice(rng.choice(others)))
