"""The SPoC release (Kulal et al. 2019) as it is published: programs from its .tsv files, tests from `testcases/`.

Whatever is wrong in a file is a DataError that names file and line, or, if asked, its program is skipped and counted.
Left out: which programs a split has (splits.py).
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from composed.datamodules.spoc import code as code_lines
from composed.datamodules.text import Tests
from composed.errors import DataError
from composed.system.files import as_text, text_lines

COLUMNS = ("text", "code", "workerid", "probid", "subid", "line", "indent")
LONGEST = 10_000  # characters of a line
_QUOTED = re.compile(r'"(?:[^"]|"")*"')  # a cell of csv

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


class _Row(NamedTuple):
    """`fields` by column; None where there are too few of them, and then `width` says how many."""

    number: int  # of its line in the file, from 1
    fields: dict[str, str] | None
    width: int
    text: str


def read(path: Path, skipped: Skipped) -> list[Program]:
    """The programs of a .tsv file in its order. Raises DataError for a missing or unreadable file or column."""
    lines = text_lines(path)
    rows = _cells(lines)
    names = rows[0][1] if rows else []
    for column in COLUMNS:
        if names.count(column) != 1:
            problem = "is there twice" if column in names else "is missing"
            raise DataError(f"{path}:1: the column {column} {problem}; the release has {', '.join(COLUMNS)}")
    widths = {len(cells) for _, cells in rows[1:]}
    if len(rows) > 2 and widths == {len(names) + 1}:
        raise DataError(f"{path}:1: {len(names)} names of columns, but {len(names) + 1} fields in every row below")
    programs: list[Program] = []
    for block in _blocks(_by_column(names, rows[1:], lines)):
        try:
            programs.append(_program(path, block))
        except ValueError as error:
            skipped.add(f"{path}:{error}")
    return programs


def _cells(lines: list[str]) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its line.

    The release quotes nothing. csv and pandas quote every cell that has a quote, or all cells, which no release does.
    """
    cells = [cell for line in lines for cell in line.split("\t") if '"' in cell]
    if cells and all(_QUOTED.fullmatch(cell) for cell in cells):
        reader = csv.reader(lines, delimiter="\t")
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    return [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip()]


def _by_column(names: list[str], rows: list[tuple[int, list[str]]], lines: list[str]) -> Iterator[_Row]:
    """Columns are where their names are; tabs that are too many belong to the code."""
    place = names.index("code")
    for number, cells in rows:
        more = len(cells) - len(names)
        if more > 0:
            cells = [*cells[:place], "\t".join(cells[place : place + more + 1]), *cells[place + more + 1 :]]
        fields = dict(zip(names, cells, strict=True)) if more >= 0 else None
        yield _Row(number, fields, len(cells), lines[number - 1])


def _blocks(rows: Iterator[_Row]) -> Iterator[list[_Row]]:
    """The rows of each program, which begins where `line` returns to 0."""
    block: list[_Row] = []
    for row in rows:
        if block and row.fields and row.fields["line"] == "0":
            yield block
            block = []
        block.append(row)
    if block:
        yield block


def _program(path: Path, rows: list[_Row]) -> Program:
    """Raises ValueError that begins with the number of the bad line."""
    keys, lines = set(), []
    for place, (number, fields, width, row) in enumerate(rows):
        if fields is None:
            raise ValueError(f"{number}: {width} fields, not {len(COLUMNS)}: {row[:80]}")
        text, code, worker, problem, submission, line, indent = (fields[column] for column in COLUMNS)
        if max(len(text), len(code)) > LONGEST:
            longest = max(len(text), len(code))
            raise ValueError(f"{number}: a line of {longest:,} characters; {LONGEST:,} is most")
        if line != str(place) or not indent.isdecimal():
            raise ValueError(f"{number}: line {line}, indent {indent}: expected line {place} of the program")
        try:
            lines.append(Line(code_lines.spell_text(text), code_lines.spell(code), int(indent)))
        except ValueError as error:
            raise ValueError(f"{number}: {error}: {code[:80]}") from None
        keys.add(Key(problem, submission, worker))
    if len(keys) > 1:
        raise ValueError(f"{rows[0].number}: rows of several programs, where `line` does not return to 0")
    return Program(keys.pop(), tuple(lines), f"{path}:{rows[0].number}")


def tests(folder: Path, problem: str, kind: str) -> Tests:
    """The test cases of a problem: `public`, `hidden` or `all`. Raises DataError for a missing or damaged file."""
    name = f"{problem}_testcases{'' if kind == 'all' else f'_{kind}'}.txt"
    path = folder / "testcases" / problem / name
    try:
        text = as_text(path.read_bytes(), "surrogateescape")
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
