"""A table as text: for the terminal (rich), Markdown, CSV and LaTeX; the same runs give the same bytes.

All but CSV show the same blocks: the rates of each test set, then the differences in each.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from composed.judges.scores import Measure
from composed.reporting.runs import split_name, split_word
from composed.reporting.statistics import Estimate
from composed.reporting.table import Row, Table, variant_words

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}
WORDS = {1: "higher", -1: "lower", 0: "not distinguishable"}


@dataclass(frozen=True)
class Block:
    """Lines of cells under a header, columns aligned l or r; cells (line, column) of `best` stand out."""

    header: list[str]
    align: str
    lines: list[list[str]]
    best: frozenset[tuple[int, int]] = frozenset()


def blocks(table: Table) -> Iterator[Block]:
    """The rates per split, then the claims per split as paired differences if there are any."""
    measures = [*table.measures]
    digits = {name: table.digits(name) for name in measures}
    for split in table.splits:
        found = {name: table.best(split, name) for name in table.compared}
        yield Block(
            [
                f"{split_name(split)} ({table.examples[split]} {table.noun})",
                *map(_heading, table.measures.values()),
                "seeds",
            ],
            "l" + "r" * (len(measures) + 1),
            [
                [row.label, *(number(row.rate(split, name), digits[name]) for name in measures), str(len(row.seeds))]
                for row in table.rows
            ],
            frozenset(
                (table.rows.index(row), measures.index(name) + 1) for name, row in found.items() if row is not None
            ),
        )
    for name in table.compared if table.claims() else ():
        for split in table.splits:
            yield Block(
                [f"Paired differences, {split_word(split)}", name, "", "seeds"],
                "lrlr",
                [_claim(row, reference, split, name, digits[name]) for row, reference in table.claims()],
            )


def _heading(measure: Measure) -> str:
    """Of a column: with an arrow towards the better side, but for shares, of which that is plain."""
    return measure.name if measure.part else measure.name + ARROWS[measure.better]


def _claim(row: Row, reference: Row, split: str, name: str, digits: int) -> list[str]:
    label = f"{row.label} − {_grouped(reference.label)}"
    difference = row.minus(reference, split, name)
    if difference is None:
        return [label, "–", "no seed in common", "0"]
    word = WORDS[difference.sign] if difference.n > 1 else "one seed, no interval"
    return [label, number(difference, digits, sign="+"), word, str(difference.n)]


def _grouped(label: str) -> str:
    return f"({label})" if " " in label else label


def number(value: Estimate | None, digits: int, sign: str = "") -> str:
    if value is None:
        return "–"
    mean = f"{value.mean:{sign}z.{digits}f}".replace("-", "−")
    return mean if value.half_width is None else f"{mean} ±{value.half_width:.{digits}f}"


def notes(best: str, table: Table) -> str:
    """How to read the table; `best` says how this format marks the best row."""
    count, sides = len(table.parts), {table.measures[name].better for name in table.compared}
    shares = f"Per cent of the {table.noun}; the {NUMBERS.get(count, count)} classes of a row add up to 100."
    arrows = "An arrow points to the better side of a measure, where there is one."
    beaten = "higher" if sides == {"higher"} else "better"
    points = "in percentage points " if {table.measures[name].unit for name in table.compared} == {"%"} else ""
    sentences = [
        shares if count else "",
        arrows if count < len(table.measures) else "",
        table.remark,
        f"± is half the 95% Student t interval over seeds on the same {table.noun}; one seed has none.",
        f"{best}: {beaten} than every other row, each paired 95% interval excluding 0.",
        f"Differences are {points}between runs of the same seed; higher or lower if their interval excludes 0.",
    ]
    return " ".join(filter(None, sentences))


def missing(table: Table) -> list[tuple[str, str]]:
    """The runs that would make the table whole: which, and the command that makes each."""
    return [
        (f"{each.mode}{variant_words(each.variant)}, seed {each.seed}", each.command or "(its command is not known)")
        for each in table.missing
    ]


def to_rich(table: Table) -> RenderableType:
    """For a terminal of 80 columns or more; the best rate is bold and starred."""
    grids: list[RenderableType] = []
    for block in blocks(table):
        grid = Grid(box=None, padding=(0, 1, 0, 0), header_style="bold", title_justify="left")
        for name, side in zip(block.header, block.align, strict=True):
            grid.add_column(
                Text(name.replace(" (", "\n(").replace(" error", "\nerror").replace(" output", "\noutput")),
                justify="left" if side == "l" else "right",
            )
        for number, line in enumerate(block.lines):
            cells = [Text(cell) for cell in line]
            for column in (column for row, column in block.best if row == number):
                cells[column] = Text(line[column], style="bold")
                cells[0] = Text(f"{line[0]} *")
            grid.add_row(*cells)
        grids += [Text(), grid]
    gaps = [Text(f"missing: {which}:  {command}") for which, command in missing(table)]
    return Group(Text(table.title, style="bold"), *grids, Text(), *gaps, Text(notes("*", table), style="dim"))


def to_markdown(table: Table) -> str:
    """GitHub's tables; the best row's rate is bold."""
    parts = [f"**{_escape_markdown(table.title)}**"]
    for block in blocks(table):
        lines = [[_escape_markdown(cell) for cell in line] for line in block.lines]
        for row, column in block.best:
            lines[row][column] = f"**{lines[row][column]}**"
        header = [*map(_escape_markdown, block.header)]
        alignment = [":--" if side == "l" else "--:" for side in block.align]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in (header, alignment, *lines)))
    if gaps := missing(table):
        parts.append("\n".join(f"- missing: {_escape_markdown(which)}: `{command}`" for which, command in gaps))
    return "\n\n".join([*parts, _escape_markdown(notes("Bold", table))]) + "\n"


def _escape_markdown(text: str) -> str:
    return "".join("\\" + char if char in "\\`*_[]<>|" else char for char in text)


def to_latex(table: Table) -> str:
    """A `table` environment for the booktabs package; the best row's rate is bold."""
    caption = _escape_latex(f"{table.title}. {notes('Bold', table)}")
    lines = [
        "% needs \\usepackage{booktabs}",
        *(f"% missing: {which}: {command}" for which, command in missing(table)),
        "\\begin{table}",
        "\\centering\\small",
        f"\\caption{{{caption}}}",
    ]
    for block in blocks(table):
        rows = [[_escape_latex(cell) for cell in line] for line in block.lines]
        for row, column in block.best:
            rows[row][column] = f"\\textbf{{{rows[row][column]}}}"
        lines += [
            f"\\begin{{tabular}}{{{block.align}}}",
            "\\toprule",
            f"{' & '.join(_escape_latex(cell) for cell in block.header)} \\\\",
            "\\midrule",
            *(f"{' & '.join(row)} \\\\" for row in rows),
            "\\bottomrule",
            "\\end{tabular}\\par\\medskip",
        ]
    return "\n".join([*lines, "\\end{table}"]) + "\n"


LATEX = {char: f"\\{char}" for char in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "{\\ttfamily\\char34}",  # a straight one, which text fonts of 7 bits do not have
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "±": "$\\pm$",
    "−": "$-$",
    "–": "--",
    "↑": "$\\uparrow$",
    "↓": "$\\downarrow$",
}


def _escape_latex(text: str) -> str:
    """In fonts of 7 bits too. Hyphens side by side stay hyphens, and nothing stands at the beginning of a cell that the
    command before it would take for its argument.
    """
    words = re.sub("-(?=-)", "-\0", " ".join(text.split()))
    escaped = "".join(LATEX.get(char, char) for char in words).replace("\0", "{}")
    return f"{{}}{escaped}" if escaped.startswith(("*", "[")) else escaped


def to_csv(table: Table) -> str:
    """One line per row and split: each measure's mean and half its 95% interval (empty for one seed).

    `reference` is empty for means, the other row's label for paired differences.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [name.replace(" ", "_") for name in table.measures]
    columns = [column for name in names for column in (name, f"{name}_half_width")]
    writer.writerow(["row", "reference", "split", "seeds", table.noun, *columns])
    for split in table.splits:
        lines = [(row.label, "", [row.rate(split, name) for name in table.measures]) for row in table.rows]
        for row, reference in table.claims():
            differences = [row.minus(reference, split, name) for name in table.measures]
            if any(differences):
                lines.append((row.label, reference.label, differences))
        for label, reference_label, values in lines:
            cells = [
                cell
                for value, measure in zip(values, table.measures.values(), strict=True)
                for cell in _number_cells(value, measure)
            ]
            seeds = values[0].n if values[0] else 0
            writer.writerow(
                [_plain_cell(label), _plain_cell(reference_label), split, seeds, table.examples[split], *cells]
            )
    return text.getvalue()


def _number_cells(value: Estimate | None, measure: Measure) -> list[str]:
    numbers = (value.mean, value.half_width) if value else (None, None)
    return ["" if x is None else f"{x:z.4f}" if measure.unit == "%" else f"{x:.6g}" for x in numbers]


def _plain_cell(text: str) -> str:
    """A label that no spreadsheet takes for a formula, which a file from elsewhere could hide there."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
