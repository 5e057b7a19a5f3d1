"""Programs of a person's own: every .cpp file below a folder becomes a line in the format of code.py.

Comments, `#include` and `using namespace std` go, since no program of the release has them; a line's indentation is the
number of braces open around it. Left out: files that include files of their own.
"""

import re
from pathlib import Path

from composed.datamodules.spoc.code import spell, to_line
from composed.datamodules.spoc.release import LONGEST, Skipped
from composed.errors import DataError
from composed.system.files import as_text

_LITERAL_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.DOTALL)
_SUPPLIED = re.compile(r"\s*(?:#\s*include\b.*|using\s+namespace\s+std\s*;)?\s*")


def programs_below(folder: Path, skipped: Skipped) -> list[str]:
    """Raises DataError where there is no such folder or no .cpp file below it; a file that cannot be read is bad."""
    if not folder.is_dir():
        raise DataError(f"task.unlabeled={folder}: no such folder")
    paths = sorted(folder.rglob("*.cpp"))
    if not paths:
        raise DataError(f"task.unlabeled={folder}: no .cpp file below it")
    programs = []
    for path in paths:
        try:
            programs.append(_program(as_text(path.read_bytes())))
        except (OSError, ValueError) as error:
            skipped.add(f"{path}:{error}")
    return programs


def _program(text: str) -> str:
    """Raises ValueError that begins with the number of the bad line."""
    lines, depth = [], 0
    for number, line in enumerate(_LITERAL_OR_COMMENT.sub(_without_comment, text).split("\n"), 1):
        if _SUPPLIED.fullmatch(line):
            continue
        if len(line) > LONGEST:
            raise ValueError(f"{number}: a line of {len(line):,} characters; {LONGEST:,} is most")
        try:
            words = spell(line)
        except ValueError as error:
            raise ValueError(f"{number}: {error}: {line.strip()[:80]}") from None
        tokens = words.split()
        lines.append((words, max(0, depth - (tokens[0] == "}"))))
        depth += tokens.count("{") - tokens.count("}")
    return to_line(lines)


def _without_comment(match: re.Match[str]) -> str:
    """A blank for a comment, and the ends of its lines, so that line numbers stay."""
    return " " + "\n" * match.group().count("\n") if match.group().startswith("/") else match.group()
