"""Molecules: a drawing above every SMILES, with the atoms marked that Pi changed.

A drawing is an image of the page, in which no script runs, whatever the SVG is.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from composed.datamodules.molecules.graph import tokens
from composed.judges.records import JudgeError
from composed.judges.workers import Failure, answers
from composed.reporting.exhibits import text
from composed.reporting.exhibits.drawing import HEIGHT, WIDTH
from composed.reporting.exhibits.samples import Output, Picture, Sample, Samples, Token
from composed.reporting.exhibits.text import Piece

SECONDS = 2.0  # CPU time of a drawing
AHEAD = "-=#$:/\\~("  # what belongs to the atom behind it; ring numbers, dots and ) to the one before


class Asked(NamedTuple):
    """A drawing: of a SMILES with some atoms marked, unless it is the molecule of the other one."""

    smiles: str
    marked: tuple[int, ...]
    other: str
    output: str


class Exhibit(text.Exhibit):
    def lines(self, text: str) -> list[list[Piece]]:
        return [[Piece("", token) for token in tokens(text)]]

    def finished(self, shown: Samples) -> Samples:
        """With drawings, or with a word on what has to be installed for them."""
        asked = [*dict.fromkeys(each for sample in shown.shown for each in _asked(sample).values())]
        try:
            drawn = answers("reporting.exhibits.drawing", None, asked, seconds=SECONDS, memory=None, workers=None)
        except JudgeError as error:
            return replace(shown, note=f"Molecules are not drawn: {error}.")
        pictures = {each: "" if isinstance(svg, Failure) else svg for each, svg in zip(asked, drawn, strict=True)}
        return replace(shown, shown=[_with(sample, pictures) for sample in shown.shown])


def changed_atoms(written: Sequence[Token]) -> tuple[int, ...]:
    """Numbers, from the left, of the atoms that are changed, or beside which a bond, bracket or ring number is."""
    marked: set[int] = set()
    last = -1
    for token in written:
        atom = token.text[-1].isalpha() or token.text[0] in "[*"
        last += atom
        if not token.kept:
            marked.add(last + (not atom and token.text in AHEAD))
    return tuple(sorted(marked))


def _asked(sample: Sample) -> dict[str, Asked]:
    """By the name of the output."""
    texts = {output.name: output.text for output in sample.outputs}
    asked = {
        output.name: Asked(
            output.text,
            changed_atoms(output.lines[0]),
            next((other for name, other in texts.items() if name != output.name), ""),
            output.name,
        )
        for output in sample.outputs
    }
    return asked | ({"gold": Asked(sample.gold.text, (), "", "gold")} if sample.gold else {})


def _with(sample: Sample, pictures: dict[Asked, str]) -> Sample:
    asked = _asked(sample)

    def drawn(output: Output) -> Output:
        svg = pictures[asked[output.name]]
        uri = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" if svg else ""
        return replace(output, picture=Picture(uri, WIDTH, HEIGHT))

    return replace(sample, gold=sample.gold and drawn(sample.gold), outputs=[*map(drawn, sample.outputs)])
