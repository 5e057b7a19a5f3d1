"""One of the texts that the grammar has for a program: its style is chosen by coins, which no pseudocode tells."""

import re

_MARKS = ("$", "~")  # where a line ends and where it is indented: blanks in C++
_DECLARED, _ASSIGNED = r"(?<![^ ])(\w+) (\w+) ;", r"\2 = ([^\s;]+) ;"
_IN_TWO = re.compile(rf"{_DECLARED} {_ASSIGNED}")
_SHORT = re.compile(r"(?<![^ ])(\w+) ([+-])= ([^\s;]+) ;")


def normal_form(line: str) -> str:
    """The program with each variable assigned where it is declared and `x = x + y` for `x += y`, in one line.

    Lines that differ in the two style choices of the grammar alone, or in blanks, have the same; it is no line of the
    data format. Declaring and assigning is one statement only where they follow each other and the value is one word.
    """
    text = " ".join(word for word in line.split() if word not in _MARKS)
    return _SHORT.sub(r"\1 = \1 \2 \3 ;", _IN_TWO.sub(r"\1 \2 = \3 ;", text))
