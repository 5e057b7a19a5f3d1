"""Texts of several lines, or with blanks that matter, as one line of words between single blanks; and back.

A single blank between two words stays. Any other blanks, such as the end of a line and the indentation of the next,
become a word of marks: one for each blank, tab and end of a line.
"""

import re

MARKS = {" ": "\u2423", "\t": "\u21e5", "\n": "\u21b5"}

_TO_MARKS = str.maketrans(MARKS)
_FROM_MARKS = str.maketrans({mark: blank for blank, mark in MARKS.items()})
_BLANKS = re.compile(r"[ \t\n]+")
_WORD_OF_MARKS = re.compile(rf" ?([{''.join(MARKS.values())}]+) ?")
_OTHER_BLANKS = re.compile(r"[^\S \t\n]")


def to_line(text: str) -> str:
    """Blanks of other kinds, such as those that do not break, count as a single one. Raises ValueError where the text
    has a mark of its own.
    """
    if own := sorted({*text} & {*MARKS.values()}):
        raise ValueError(f"{own[0]} (U+{ord(own[0]):04X}) stands for a blank here; write something else in its place")
    text = _OTHER_BLANKS.sub(" ", text.replace("\r\n", "\n"))

    def marked(match: re.Match[str]) -> str:
        inner = match.start() > 0 and match.end() < len(text)
        return " " if match.group() == " " and inner else f" {match.group().translate(_TO_MARKS)} "

    return _BLANKS.sub(marked, text).strip(" ")


def from_line(line: str) -> str:
    """The text of a line, or of a prediction in that format."""
    return _WORD_OF_MARKS.sub(lambda match: match.group(1).translate(_FROM_MARKS), line)
