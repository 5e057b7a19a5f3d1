"""Text of any kind: input, gold output, f's and Pi(f)'s output, line by line as code, with what Pi changed marked."""

import itertools
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import ClassVar, NamedTuple

from composed.datamodules.marks import from_line
from composed.judges.scores import OUTPUTS
from composed.reporting.background import Configuration
from composed.reporting.exhibits import interface
from composed.reporting.exhibits.examples import Example
from composed.reporting.exhibits.interface import Section
from composed.reporting.exhibits.samples import Read, Samples, Shown, Token, read_runs, samples

_WORD = re.compile(r"(\s*)(\w+|[^\w\s])")


class Piece(NamedTuple):
    """The least that is compared of an output, and the blanks before it."""

    gap: str
    text: str


class Exhibit(interface.Exhibit):
    """given: what the inputs are, for a heading; gold: whether the gold output is worth showing beside them."""

    given: ClassVar[str] = "input x"
    gold: ClassVar[bool] = True

    def source(self, text: str) -> list[str]:
        """The lines of an input."""
        return from_line(text).split("\n")

    def lines(self, text: str) -> list[list[Piece]]:
        """The lines of an output; never fails. The blanks that begin one are a piece."""
        return [_pieces(line) for line in from_line(text).removesuffix("\n").split("\n")]

    def sections(self, groups: Sequence[Configuration], count: int) -> list[Section]:
        read = read_runs(groups)
        return self.of(read, count) if read else []

    def of(self, read: Read, count: int) -> list[Section]:
        """The sections of the examples of at least one run."""
        noun = next(iter(read.values()))[0].scores.noun
        shown = samples(read, count, self.sample)
        return [Section("samples", noun.capitalize(), "samples.html", self.finished(shown))] if shown else []

    def finished(self, shown: Samples) -> Samples:
        """With what is made of all of them at once."""
        return shown

    def sample(self, example: Example) -> Shown:
        gold = [[Token(*piece, True) for piece in line] for line in self.lines(example.target)] if self.gold else []
        return Shown(self.given, self.source(example.source), gold, self.compared(example.texts))

    def compared(self, texts: Mapping[str, str]) -> dict[str, list[list[Token]]]:
        """Each output as lines of tokens; one is `kept` if both outputs have it, or there is only one."""
        codes = {output: self.lines(texts[output]) for output in OUTPUTS if output in texts}
        pieces = [[piece.text for line in lines for piece in line] for lines in codes.values()]
        matches = SequenceMatcher(None, pieces[0], pieces[-1], autojunk=False).get_matching_blocks()
        diffs: dict[str, list[list[Token]]] = {}
        for side, (output, lines) in enumerate(codes.items()):
            kept = {match[side] + offset for match in matches for offset in range(match.size)}
            places = itertools.count()
            diffs[output] = [[Token(*piece, next(places) in kept) for piece in line] for line in lines]
        return diffs


def _pieces(line: str) -> list[Piece]:
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    words = [Piece(*match.groups()) for match in _WORD.finditer(line, len(indent))]
    return [Piece("", indent), *words] if indent and words else words
