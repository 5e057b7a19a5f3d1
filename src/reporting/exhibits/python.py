"""Programs in Python, indented: several lines, as files have them, or SansType's one with `$` between its lines."""

from composed.reporting.exhibits import programs, text
from composed.reporting.exhibits.text import Piece


class Exhibit(text.Exhibit):
    def source(self, text: str) -> list[str]:
        return programs.pseudocode(text) if _in_one_line(text) else super().source(text)

    def lines(self, text: str) -> list[list[Piece]]:
        return (
            [[*programs.spaced(line)] for line in programs.code_lines(text)]
            if _in_one_line(text)
            else super().lines(text)
        )


def _in_one_line(text: str) -> bool:
    return "$" in text.split()
