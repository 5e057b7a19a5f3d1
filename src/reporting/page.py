"""A report as one HTML file: table, differences, error classes, curves, cost, configurations, samples.

The file asks for nothing from elsewhere, which its content security policy enforces, and everything can be read without
JavaScript, which only filters, sorts and chooses. Left out: numbers that the other formats do not have.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from composed.judges.scores import Measure
from composed.reporting import charts
from composed.reporting.background import Curve, configurations, costs, curves, differences
from composed.reporting.comparisons import Comparison as Decision
from composed.reporting.exhibits.interface import exhibit_of
from composed.reporting.formats import blocks, missing, notes, number, p_value, unlike
from composed.reporting.runs import Run, split_name
from composed.reporting.statistics import Estimate
from composed.reporting.table import Table, reporting_order

BESIDE = 3  # test sets that fit beside each other
COLOURS = 8  # that the style has for modes; further ones repeat them, dashed


@dataclass(frozen=True)
class Cell:
    """A number as text and as a dot with its interval; `tone` is its class in the style."""

    text: str
    chart: Markup
    tone: str = ""
    words: str = ""


@dataclass(frozen=True)
class Panel:
    """A column: one measure on one split, or the differences in it; a cell for each row, None without a run."""

    split: str
    measure: Measure
    scale: charts.Scale
    cells: list[Cell | None]


@dataclass(frozen=True)
class Comparison:
    """Rows of (row, reference) and their differences; `reference` is "" for the table's own pairs."""

    reference: str
    rows: list[tuple[str, str]]
    panels: list[Panel]


@dataclass(frozen=True)
class Drawing:
    """A curve in a box of 100 by 100: lines of (configuration, replicate or seed, path)."""

    name: str
    across: charts.Scale
    up: charts.Scale
    lines: list[tuple[str, int, str]]


def page(table: Table, runs: Sequence[Run], left_out: Mapping[Path, str], count: int) -> str:
    """The file's text; `count` is the number of test examples to show of every mode."""
    ordered = sorted(runs, key=reporting_order)
    groups = configurations(ordered)
    names = [group.name for group in groups]
    exhibit = exhibit_of(ordered)
    environment = Environment(
        loader=PackageLoader("composed.reporting", "html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    files = resources.files("composed.reporting") / "html"
    experiment, _, sizes = table.title.partition(";")[0].partition(": ")
    return environment.get_template("report.html").render(
        style=Markup(files.joinpath("report.css").read_text("utf-8")),
        script=Markup(files.joinpath("report.js").read_text("utf-8")),
        what=experiment,
        sizes=sizes,
        table=table,
        split_name=split_name,
        numbers=sorted({table.design.number(run) for run in runs}),
        unit=table.design.unit,
        unlike=unlike(table),
        runs=ordered,
        groups=groups,
        findings=_findings(table),
        panels=_panels(table),
        comparisons=_comparisons(table),
        groups_of=lambda panels: _tables(table, panels),
        modes={row.name for row in table.rows} & {run.mode for run in runs} | {gap.mode for gap in table.missing},
        bars=_bars(table),
        blocks=list(blocks(table)),
        notes=notes("Coloured", table),
        missing=missing(table),
        drawings=[_drawing(curve) for curve in curves(groups, table.design.number)],
        colour={name: place % COLOURS for place, name in enumerate(names)},
        dashed={name: place >= COLOURS for place, name in enumerate(names)},
        costs=costs(groups),
        differences=differences(groups),
        sections=exhibit.sections(groups, count) if exhibit else [],
        left_out=left_out,
        alone=_alone(table),
        classes=table.parts,
    )


def _measures(table: Table) -> list[str]:
    """All but the shares of which none can be best, which are told as bars."""
    return [name for name, measure in table.measures.items() if measure.better or not measure.part]


def _alone(table: Table) -> bool:
    """Whether there is one measure, so that its test sets stand beside each other."""
    return len(_measures(table)) == 1


def _findings(table: Table) -> list[tuple[str, dict[str, list[str]]]]:
    """Per split the measures in which a row beats every other, by the row; "" for those in which none does."""
    findings = []
    for split in table.splits:
        winners: defaultdict[str, list[str]] = defaultdict(list)
        for name in table.compared:
            best = table.best(split, name)
            winners[best.label if best else ""].append(name)
        findings.append((split_name(split), dict(sorted(winners.items(), reverse=True))))
    return findings


def _panels(table: Table) -> list[Panel]:
    measures = _measures(table)
    values = {
        (split, name): [row.rate(split, name) for row in table.rows] for split in table.splits for name in measures
    }
    best = {key: table.best(*key) if table.measures[key[1]].better else None for key in values}
    tones = {key: [("best" if row is best[key] else "", "") for row in table.rows] for key in values}
    return _scaled(table, values, tones)


def _scaled(
    table: Table,
    values: Mapping[tuple[str, str], Sequence[Estimate | None]],
    said: Mapping[tuple[str, str], Sequence[tuple[str, str]]],
    zero: bool = False,
) -> list[Panel]:
    """A panel for each (split, measure); all splits of a measure have one scale. `said`: the tone and the words of each
    value. `zero`: the values are differences.
    """
    panels = []
    for (split, name), column in values.items():
        digits = table.digits(name)
        every = [value for (_, other), numbers in values.items() if other == name for value in numbers]
        scale = charts.scale_of(every, zero=zero, count=5 if _alone(table) else 3)
        cells = [
            None
            if value is None
            else Cell(
                number(value, digits, sign="+" if zero else ""), charts.interval(value, scale, zero=zero), tone, words
            )
            for value, (tone, words) in zip(column, said[split, name], strict=True)
        ]
        panels.append(Panel(split, table.measures[name], scale, cells))
    return panels


def _tables(table: Table, panels: list[Panel]) -> list[list[Panel]]:
    """The panels of each table on the page: some test sets of one measure beside each other, others by themselves."""
    if _alone(table):
        return [panels[first : first + BESIDE] for first in range(0, len(panels), BESIDE)]
    return [[panel for panel in panels if panel.split == split] for split in table.splits]


def _comparisons(table: Table) -> list[Comparison]:
    """What the table compares, first; then every row as the reference of all others."""
    labels = [row.label for row in table.rows]
    named = {
        name: [decision for other in labels if other != name for decision in table.every_comparison[other, name]]
        for name in labels
    }
    if table.against:
        named = {
            table.against: table.comparisons,
            **{name: decisions for name, decisions in named.items() if name != table.against},
        }
    elif table.comparisons:
        named = {"": table.comparisons, **named}
    return [_comparison(table, name, decisions) for name, decisions in named.items() if decisions]


def _comparison(table: Table, name: str, decisions: Sequence[Decision]) -> Comparison:
    columns: defaultdict[tuple[str, str], list[Decision]] = defaultdict(list)
    for decision in decisions:
        columns[decision.split, decision.measure].append(decision)
    values = {key: [decision.difference for decision in column] for key, column in columns.items()}
    said = {key: [(_tone(decision, table), _words(decision)) for decision in column] for key, column in columns.items()}
    rows = [(decision.row.label, decision.reference.label) for decision in next(iter(columns.values()))]
    return Comparison(name, rows, _scaled(table, values, said, zero=True))


def _tone(comparison: Decision, table: Table) -> str:
    if not comparison.sign:
        return "same"
    return "better" if (comparison.sign > 0) == (table.measures[comparison.measure].better == "higher") else "worse"


def _words(comparison: Decision) -> str:
    return comparison.word if comparison.p is None else f"{comparison.word}, p {p_value(comparison.p)}"


def _bars(table: Table) -> list[tuple[str, list[tuple[Markup, dict[str, float]] | None]]]:
    """Per row its shares, for every split; none where no measures are parts of a whole."""
    labelled = []
    for row in table.rows if table.parts else ():
        bars: list[tuple[Markup, dict[str, float]] | None] = []
        for split in table.splits:
            rates = {name: row.rate(split, name) for name in table.parts}
            shares = {name: rate.mean for name, rate in rates.items() if rate}
            bars.append((charts.stack(shares), shares) if shares else None)
        labelled.append((row.label, bars))
    return labelled


def _drawing(curve: Curve) -> Drawing:
    lines = [charts.thinned(points, charts.MOST_POINTS) for _, _, points in curve.lines]
    up = charts.log_or_linear(lines)
    across = charts.Scale(0, max(x for line in lines for x, _ in line) or 1)
    named = [(name, number) for name, number, _ in curve.lines]
    paths = [(*names, charts.path(line, across, up)) for names, line in zip(named, lines, strict=True)]
    return Drawing(curve.name, across, up, paths)
