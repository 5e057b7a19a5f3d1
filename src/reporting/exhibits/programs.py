"""Programs in C++, which a line of the data holds: pseudocode, and outputs indented by their braces.

Leaves out the gold program: its style is one of many right ones, so the verdict judges, not the likeness.
"""

import re
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from composed.reporting.exhibits import text
from composed.reporting.exhibits.text import Piece


class Line(NamedTuple):
    """A line of a program: the number of braces open around it or, outside all, of marks before it; and its tokens."""

    depth: int
    tokens: list[str]


class Exhibit(text.Exhibit):
    given: ClassVar[str] = "pseudocode x"
    gold: ClassVar[bool] = False

    def source(self, text: str) -> list[str]:
        return pseudocode(text)

    def lines(self, text: str) -> list[list[Piece]]:
        return [[*spaced(line)] for line in code_lines(text)]


def spaced(line: Line) -> Iterator[Piece]:
    for place, (before, token) in enumerate(zip(["(", *line.tokens], line.tokens, strict=False)):
        glued = before.endswith("(") or token in {";", ",", ")"}
        yield Piece("" if glued and place else "    " * line.depth if not place else " ", token)


def pseudocode(source: str) -> list[str]:
    """One statement per line; what belongs to an if stands indented under it."""
    lines = []
    for statement in source.split("$"):
        parts = [part.strip() for part in re.split(r"\bTAB\b|(?<=;)\s", statement)]
        lines += ["    " * (place > 0) + part for place, part in enumerate(filter(None, parts))]
    return lines


def code_lines(text: str) -> list[Line]:
    """Tokens of C++ or Python as lines, broken at `$`, at braces and at semicolons outside parentheses; never fails.

    `~` before a statement indents it where no brace does.
    """
    statements: list[tuple[int, list[str]]] = []
    for slot in text.split("$"):
        marks = slot[: len(slot) - len(slot.lstrip("~ "))].count("~")
        statements.append((marks, []))
        parentheses = 0
        for token in slot.replace("~", " ").split():
            parentheses += token.count("(") - token.count(")")
            if token.startswith("}"):
                statements.append((marks, []))
            statements[-1][1].append(token)
            if token[-1] in "{}" or (token[-1] == ";" and parentheses <= 0):
                statements.append((marks, []))
    lines = []
    depth = 0
    for marks, tokens in statements:
        if tokens:
            depth = max(depth - tokens[0].startswith("}"), 0)
            lines.append(Line(depth or marks, tokens))
            depth += tokens[-1].endswith("{")
    return lines
