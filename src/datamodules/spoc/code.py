"""SPoC's programs and pseudocode as single lines of words, and back as C++ that means the same.

`$` stands between lines, and a line begins with a `~` for each level of its indentation. Code is spelled token by
token, a blank between two, but preprocessor lines as they are. Blanks in literals, and the format's own marks where
they are code, have stand-ins. Left out: trigraphs, and raw strings over several lines.
"""

import re
from collections.abc import Iterable

from composed.datamodules.text import PRELUDE

_STAND_INS = "\uff04\uff5e\u2423\u2409"
_IN_LITERALS = str.maketrans("$~ \t", _STAND_INS)
_ELSEWHERE = str.maketrans("$~", _STAND_INS[:2])
_BACK = str.maketrans(_STAND_INS, "$~ \t")

_LITERAL = r"""
    (?:u8|[uUL])?R"(?P<raw>[^\s()\\]{0,16})\(.*?\)(?P=raw)"\w*
    | (?:u8|[uUL])?(?:"(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])+')\w*
"""
_REST = r"""
    | \.?\d(?:[eEpP][-+] | [\w.] | '(?=\w))*       # numbers
    | [\w$]+
    | <<= | >>= | \.\.\. | ->\* | \.\* | \+\+ | -- | -> | :: | && | \|\| | << | >> | \#\# | [-+*/%&|^!=<>]=
    | \S
"""
_CODE = re.compile(rf"(?P<literal> {_LITERAL}) | (?P<comment> //.* | /\*.*?\*/) {_REST}", re.VERBOSE)
_TEXT = re.compile(rf"(?P<literal> \"[^\"]*\" | '(?:\\.|[^'\\])') {_REST}", re.VERBOSE)
_WITH_LITERALS = re.compile(rf"(?P<literal> {_LITERAL}) | [^\"']+ | .", re.VERBOSE)


def spell(code: str) -> str:
    """One line of code as words between single blanks. Raises ValueError for what this cannot spell."""
    if code.lstrip().startswith("#"):
        return " ".join("".join(_words(_WITH_LITERALS, code)).split())
    return " ".join(_words(_CODE, code)).rstrip()  # a comment may end in blanks


def spell_text(text: str) -> str:
    """One line of pseudocode, spelled like the code that it quotes."""
    return " ".join(_words(_TEXT, text, strict=False))


def to_line(lines: Iterable[tuple[str, int]]) -> str:
    """Spelled lines, each with its level of indentation, as one."""
    return " $ ".join(f"{'~' * indent} {words}".strip() for words, indent in lines)


def to_cpp(line: str) -> str:
    """The C++ source text of a program's line or of a prediction in that format."""
    return PRELUDE + "\n".join(_cpp(words) for words in line.replace("<unk>", "unk").split("$")) + "\n"


def normal_form(line: str) -> str:
    """A program's line up to blanks: without the marks of its indentation."""
    return " ".join(word for word in line.split() if word != "~")


def _cpp(words: str) -> str:
    code = words.lstrip(" ~")
    return "\t" * words[: len(words) - len(code)].count("~") + code.rstrip().translate(_BACK)


def _words(pattern: re.Pattern[str], text: str, strict: bool = True) -> list[str]:
    if strict and not set(text).isdisjoint(_STAND_INS):
        raise ValueError(f"one of the characters {' '.join(_STAND_INS)}, which stand for others here")
    words = []
    for match in pattern.finditer(text):
        if strict and match.group() in ('"', "'"):
            raise ValueError(f"the quote at column {match.start() + 1} has no partner")
        words.append(match.group().translate(_IN_LITERALS if match["literal"] else _ELSEWHERE))
    return words


def as_source(line: str) -> str:
    """Pseudocode in one line, as a person writes it: statements that end in `;`, or already in the format."""
    lines = [(line, 0)] if "$" in line else [(spell_text(part), 0) for part in line.split(";") if part.strip()]
    return to_line(lines)
