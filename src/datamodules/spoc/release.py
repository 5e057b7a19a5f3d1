"""The SPoC release (Kulal et al. 2019) as it is published: programs from its .tsv files, tests from `testcases/`.

Whatever is wrong in a file is a DataError that names file and line, or, if asked, its program is skipped and counted.
Left out: which programs a split has (splits.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from composed.datamodules.spoc import code as code_lines
from composed.datamodules.text import Tests
from composed.errors import DataError

COLUMNS = ("text", "code", "workerid", "probid", "subid", "line", "indent")
LONGEST = 10_000  # characters of a line

# A part of the release and its file; the published split of the training programs is of version 1.0.2.
PARTS = {
    "all": "train/spoc-train.tsv",
    "train": "train/split/spoc-train-train.tsv",
    "eval": "train/split/spoc-train-eval.tsv",
    "test": "train/split/spoc-train-test.tsv",
    "testp": "test/spoc-testp.tsv",
    "testw": "test/spoc-testw.tsv",
}


class Line(NamedTuple):
    """`text` is empty where nobody wrote pseudocode; both are spelled as in code.py."""

    text: str
    code: str
    indent: int


class Key(NamedTuple):
    """What tells programs apart."""

    problem: str
    submission: str
    worker: str


@dataclass(frozen=True, slots=True)
class Program:
    key: Key
    lines: tuple[Line, ...]
    where: str = field(default="", compare=False)  # file:line of its first

    @property
    def target(self) -> str:
        return code_lines.to_line((line.code, line.indent) for line in self.lines)

    def source(self, unannotated: str) -> str:
        """The pseudocode; a line without any gives its `code`, or is left out with `omit`."""
        shown = [line for line in self.lines if line.text or unannotated == "code"]
        return code_lines.to_line((line.text or line.code, line.indent) for line in shown)


@dataclass
class Skipped:
    """Where bad programs go: into `reasons`, or, with `allowed` false, up as DataErrors."""

    allowed: bool
    reasons: list[str] = field(default_factory=list)

    def add(self, reason: str) -> None:
        if not self.allowed:
            raise DataError(f"{reason}\nMend the file, or leave such programs out: task.skip_bad=true")
        self.reasons.append(reason)


def read(path: Path, skipped: Skipped) -> list[Program]:
    """The programs of a .tsv file in its order. Raises DataError for a missing or unreadable file or column."""
    try:
        rows = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start} ({error.reason})") from None
    missing = [column for column in COLUMNS if column not in rows[0].split("\t")]
    if missing:
        raise DataError(f"{path}:1: the column {missing[0]} is missing; the release has {', '.join(COLUMNS)}")
    programs: list[Program] = []
    for first, block in _blocks(rows):
        try:
            programs.append(_program(path, first, block))
        except ValueError as error:
            skipped.add(f"{path}:{error}")
    return programs


def _blocks(rows: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of each program, and the number of the first: a program begins where `line` returns to 0."""
    block: list[str] = []
    first = 2
    for number, row in enumerate(rows[1:], 2):
        if not row.strip():
            continue
        if block and row.split("\t")[-2:-1] == ["0"]:
            yield first, block
            first, block = number, []
        first = first if block else number
        block.append(row)
    if block:
        yield first, block


def _program(path: Path, first: int, rows: list[str]) -> Program:
    """Raises ValueError that begins with the number of the bad line."""
    keys, lines = set(), []
    for place, row in enumerate(rows):
        text, *middle = row.split("\t")
        if len(middle) < 6:
            raise ValueError(f"{first + place}: {1 + len(middle)} fields, not {len(COLUMNS)}: {row[:80]}")
        *parts, worker, problem, submission, line, indent = middle
        code = "\t".join(parts)  # a tab among them belongs to the code
        if max(len(text), len(code)) > LONGEST:
            longest = max(len(text), len(code))
            raise ValueError(f"{first + place}: a line of {longest:,} characters; {LONGEST:,} is most")
        if line != str(place) or not indent.isdecimal():
            raise ValueError(f"{first + place}: line {line}, indent {indent}: expected line {place} of the program")
        try:
            lines.append(Line(code_lines.spell_text(text), code_lines.spell(code), int(indent)))
        except ValueError as error:
            raise ValueError(f"{first + place}: {error}: {code[:80]}") from None
        keys.add(Key(problem, submission, worker))
    if len(keys) > 1:
        raise ValueError(f"{first}: rows of several programs, where `line` does not return to 0")
    return Program(keys.pop(), tuple(lines), f"{path}:{first}")


def tests(folder: Path, problem: str, which: str) -> Tests:
    """The test cases of a problem: `public`, `hidden` or `all`. Raises DataError for a missing or damaged file."""
    name = f"{problem}_testcases{'' if which == 'all' else f'_{which}'}.txt"
    path = folder / "testcases" / problem / name
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    cases: list[tuple[str, str]] = []
    given: list[str] | None = None
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):  # noqa: B007  (the last one is named)
        if not line.startswith("###END"):
            lines.append(line)
        elif line == "###ENDINPUT###" and given is None:
            given, lines = lines, []
        elif line == "###ENDOUTPUT###" and given is not None:
            cases.append(("\n".join(given) + "\n", "\n".join(lines)))
            given, lines = None, []
        else:
            break
    if any(lines) or given is not None or not cases:
        raise DataError(f"{path}:{number}: no test case: an input, ###ENDINPUT###, an output, ###ENDOUTPUT###")
    return tuple(cases)
