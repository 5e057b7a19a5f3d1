"""A table as text: for the terminal (rich), Markdown, CSV and LaTeX; the same runs give the same bytes.

All but CSV show the same blocks: the rates of each test set, then the differences in each.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from composed.judges.scores import Measure
from composed.reporting.comparisons import Comparison
from composed.reporting.denoisers import denoisers, kept
from composed.reporting.runs import split_name, split_word
from composed.reporting.statistics import Estimate
from composed.reporting.table import Table, variant_words

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


@dataclass(frozen=True)
class Block:
    """Lines of cells under a header, columns aligned l or r; cells (line, column) of `best` stand out."""

    header: list[str]
    align: str
    lines: list[list[str]]
    best: frozenset[tuple[int, int]] = frozenset()


def blocks(table: Table) -> Iterator[Block]:
    """The rates per split, the claims as paired differences if there are any, and how good the denoisers are."""
    measures = [*table.measures]
    digits = {name: table.digits(name) for name in measures}
    for split in table.splits:
        best = {name: table.best(split, name) for name in table.compared}
        yield Block(
            [
                f"{split_name(split)} ({table.examples[split]} {table.noun})",
                *map(_heading, table.measures.values()),
                f"{table.design.unit}s",
            ],
            "l" + "r" * (len(measures) + 1),
            [
                [row.label, *(number(row.rate(split, name), digits[name]) for name in measures), str(len(row.numbers))]
                for row in table.rows
            ],
            frozenset(
                (table.rows.index(row), measures.index(name) + 1) for name, row in best.items() if row is not None
            ),
        )
    for name in table.compared if table.claims() else ():
        for split in table.splits:
            decisions = [
                decision for decision in table.comparisons if (decision.split, decision.measure) == (split, name)
            ]
            yield Block(
                [f"Paired differences, {split_word(split)}", name, "p", "", f"{table.design.unit}s"],
                "lrrlr",
                [_claim(decision, digits[name]) for decision in decisions],
            )
    for title, lines in (("The denoiser", denoisers(table)), ("f as a denoiser", kept(table))):
        names = [*dict.fromkeys(name for qualities in lines.values() for name in qualities)]
        if lines:
            yield Block(
                [title, *names],
                "l" + "r" * len(names),
                [[label, *(_quality(name, values.get(name)) for name in names)] for label, values in lines.items()],
            )


def _quality(name: str, value: Estimate | None) -> str:
    """Counts are whole, shares have one decimal, losses three, errors three digits."""
    if value is None or name.endswith("%"):
        return number(value, 1)
    if name.endswith("nats"):
        return number(value, 3)
    return f"{value.mean:,.0f}" if value.mean == round(value.mean) else f"{value.mean:.3g}"


def _heading(measure: Measure) -> str:
    """Of a column: with an arrow towards the better side, but for shares, of which that is plain."""
    return measure.name if measure.part else measure.name + ARROWS[measure.better]


def _claim(comparison: Comparison, digits: int) -> list[str]:
    label = f"{comparison.row.label} − {_grouped(comparison.reference.label)}"
    difference = comparison.difference
    shown, count = number(difference, digits, sign="+"), difference.n if difference else 0
    return [label, shown, p_value(comparison.p), comparison.word, str(count)]


def p_value(p: float | None) -> str:
    """Three decimals, and never 0."""
    return "–" if p is None else "<0.001" if p < 0.0005 else f"{p:.3f}"


def _grouped(label: str) -> str:
    return f"({label})" if " " in label else label


def number(value: Estimate | None, digits: int, sign: str = "") -> str:
    if value is None:
        return "–"
    mean = f"{value.mean:{sign}z.{digits}f}".replace("-", "−")
    return mean if value.half_width is None else f"{mean} ±{value.half_width:.{digits}f}"


def notes(best: str, table: Table) -> str:
    """How to read the table; `best` says how this format marks the best row."""
    sides = {table.measures[name].better for name in table.compared}
    shares = f"Per cent of the {table.noun}; {_whole(table)} of a row add up to 100." if table.parts else ""
    arrows = "An arrow points to the better side of a measure, where there is one."
    beaten = "higher" if sides == {"higher"} else "better"
    cells = len(table.splits) * len(table.compared)
    correction = f" after Holm's correction over {cells} pairs of test set and measure" if cells > 1 else ""
    marked = f"{best}: {beaten} than every other row, with p at most 0.05{correction}."
    sentences = [
        shares,
        arrows if len(table.parts) < len(table.measures) else "",
        table.remark,
        _interval(table),
        table.design.sentence,
        marked if table.compared and table.design.moving else "",
        _differences(table) if table.claims() and table.compared else "",
    ]
    return " ".join(filter(None, sentences))


def _interval(table: Table) -> str:
    unit, noun = table.design.unit, table.noun
    if not table.design.moving:
        return (
            f"One {unit}: ± is half the 95% interval over its {noun} alone, where it is known. It is no interval over "
            f"{unit}s, and no difference is decided."
        )
    if not table.tells_examples:
        return f"± is half the 95% interval over {unit}s on the same {noun}, whose own spread is not in it."
    return (
        f"± is half the 95% interval over {unit}s, with the spread over {noun} in it; of a row of one {unit}, over its "
        f"{noun} alone."
    )


def _differences(table: Table) -> str:
    points = "in percentage points " if {table.measures[name].unit for name in table.compared} == {"%"} else ""
    paired = f"Differences are {points}between runs of the same {table.design.unit} on the same {table.noun}"
    if not table.family_size:
        return f"{paired}."
    size = table.family_size
    over = f"corrected over {size} comparisons (Holm)" if size > 1 else "of the only comparison"
    return f"{paired}; ± is of each by itself. p is {over}: higher or lower if it is at most 0.05."


def _whole(table: Table) -> str:
    """What adds up: by name where there are other measures beside it."""
    *names, last = table.parts
    count = len(table.parts)
    words = f"the {NUMBERS.get(count, count)} classes"
    return words if count == len(table.measures) else f"{', '.join(names)} and {last}"


def missing(table: Table) -> list[tuple[str, str]]:
    """The runs that would make the table whole: which, and the command that makes each."""
    return [
        (
            f"{gap.mode}{variant_words(gap.variant)}, {gap.unit} {gap.number}"
            + (f" (left out: {gap.why})" if gap.why else ""),
            gap.command or "(its command is not known)",
        )
        for gap in table.missing
    ]


def unlike(table: Table) -> list[str]:
    """Of the pairs that do not share all the replicates of both, on which they were compared."""
    told = {}
    for pair in table.comparisons:
        if pair.shared and (pair.shared != pair.row.numbers or pair.shared != pair.reference.numbers):
            told[pair.row.label, pair.reference.label] = pair
    return [
        f"{pair.row.label} − {_grouped(pair.reference.label)}: on {pair.row.unit}s "
        f"{', '.join(map(str, pair.shared))}, which both rows have"
        for pair in told.values()
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
    gaps = [Text(f"missing: {gap}:  {command}") for gap, command in missing(table)]
    gaps += map(Text, unlike(table))
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
        parts.append("\n".join(f"- missing: {_escape_markdown(gap)}: `{command}`" for gap, command in gaps))
    if shared := unlike(table):
        parts.append("\n".join(f"- {_escape_markdown(line)}" for line in shared))
    return "\n\n".join([*parts, _escape_markdown(notes("Bold", table))]) + "\n"


def _escape_markdown(text: str) -> str:
    return "".join("\\" + char if char in "\\`*_[]<>|" else char for char in text)


def to_latex(table: Table) -> str:
    """A `table` environment for the booktabs package; the best row's rate is bold."""
    caption = _escape_latex(
        " ".join([f"{table.title}. {notes('Bold', table)}", *(f"{sentence}." for sentence in unlike(table))])
    )
    lines = [
        "% needs \\usepackage{booktabs}",
        *(f"% missing: {gap}: {command}" for gap, command in missing(table)),
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
    """One line per row and split: of each measure the mean, half its 95% interval, and of a difference p.

    `reference` is empty for means, the other row's label for paired differences. What is not known is empty. p is
    corrected over as many comparisons as `family` says.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = {name: ["", "_half_width", *["_p"] * (name in table.compared)] for name in table.measures}
    columns = [f"{name.replace(' ', '_')}{end}" for name in table.measures for end in ends[name]]
    writer.writerow(["row", "reference", "split", f"{table.design.unit}s", table.noun, "family", *columns])
    for split in table.splits:
        for row in table.rows:
            values = {name: row.rate(split, name) for name in table.measures}
            writer.writerow(_csv_line(table, split, (row.label, ""), values, {}))
        for row, reference in table.claims():
            values = {name: row.minus(reference, split, name) for name in table.measures}
            decisions = [
                decision
                for decision in table.comparisons
                if (decision.row, decision.reference, decision.split) == (row, reference, split)
            ]
            if any(values.values()):
                p = {decision.measure: decision.p for decision in decisions}
                writer.writerow(_csv_line(table, split, (row.label, reference.label), values, p))
    return text.getvalue()


def _csv_line(
    table: Table,
    split: str,
    labels: tuple[str, str],
    values: Mapping[str, Estimate | None],
    p_values: Mapping[str, float | None],
) -> list[object]:
    cells: list[str] = []
    for name, value in values.items():
        cells += _number_cells(value, table.measures[name])
        if name in table.compared:
            p = p_values.get(name)
            cells.append("" if p is None else f"{p:.4g}")
    counts = [value.n for value in values.values() if value]
    family = table.family_size if labels[1] else ""
    return [*map(_plain_cell, labels), split, counts[0] if counts else 0, table.examples[split], family, *cells]


def to_csv_of_replicates(table: Table) -> str:
    """One line per row, replicate and split: its own value of every measure, from which the table can be made anew.

    `tests` is the same where the examples are the same; what begins with Pi says how good its denoiser is, with f
    what f has kept of it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    qualities = [*dict.fromkeys(name for row in table.rows for of_row in row.quality.values() for name in of_row)]
    keeps = [*dict.fromkeys(name for row in table.rows for of_row in row.kept.values() for name in of_row)]
    known = [*(f"Pi {name}" for name in qualities), *(f"f {name}" for name in keeps)]
    columns = [name.replace(" ", "_") for name in (*table.measures, *known)]
    writer.writerow(["row", table.design.unit, "split", table.noun, "tests", *columns])
    for row in table.rows:
        for split in table.splits:
            for number in row.numbers:
                values = [row.rates[split][name].get(number) for name in table.measures]
                values += [row.quality.get(number, {}).get(name) for name in qualities]
                values += [row.kept.get(number, {}).get(name) for name in keeps]
                cells = ["" if value is None else f"{value:.7g}" for value in values]
                place = [_plain_cell(row.label), number, split, table.examples[split], row.tests[split].get(number, "")]
                writer.writerow([*place, *cells])
    return text.getvalue()


def _number_cells(value: Estimate | None, measure: Measure) -> list[str]:
    numbers = (value.mean, value.half_width) if value else (None, None)
    return ["" if x is None else f"{x:z.4f}" if measure.unit == "%" else f"{x:.6g}" for x in numbers]


def _plain_cell(text: str) -> str:
    """A label that no spreadsheet takes for a formula, which a file from elsewhere could hide there."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
