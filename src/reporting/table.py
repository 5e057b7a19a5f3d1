"""What the table of fine-tuning modes says: rows in order, means over replicates, decided differences.

Leaves out how it looks (formats.py, plot.py).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

from composed.errors import ConfigError
from composed.judges.scores import Measure, Scores
from composed.reporting.comparable import check_comparable
from composed.reporting.compare import Compare, default
from composed.reporting.comparisons import Comparison, Family, compare, decided_best
from composed.reporting.design import Design
from composed.reporting.missing import Missing
from composed.reporting.row import Row
from composed.reporting.runs import DECODING, Run


@dataclass(frozen=True)
class Table:
    """What finished runs say, side by side.

    title: with the number of replicates and how right is told.
    rows: in reporting order.
    examples: of each test set, how many are behind every number.
    measures: the columns, by name.
    noun: what an example is, in the plural.
    method, remark: as the scores say.
    design: what the replicates are.
    missing: the runs that would make it whole.
    against: the label of the row that all others are compared with, "" for the pairs of `compare`.
    family: the comparisons over which p values are corrected.
    """

    title: str
    rows: Sequence[Row]
    examples: Mapping[str, int]
    measures: Mapping[str, Measure]
    noun: str = "examples"
    method: str = ""
    remark: str = ""
    design: Design = field(default_factory=Design)
    missing: Sequence[Missing] = ()
    against: str = ""
    compare: Compare = field(default_factory=default)
    family: Family = field(default_factory=Family)

    @property
    def splits(self) -> list[str]:
        return [*self.examples]

    @property
    def compared(self) -> list[str]:
        """The measures of which one can be best."""
        return [name for name, measure in self.measures.items() if measure.better]

    @property
    def parts(self) -> list[str]:
        """The measures that are shares of one whole."""
        return [name for name, measure in self.measures.items() if measure.part]

    def digits(self, name: str) -> int:
        """Decimals of a column: one for per cent, else as many as show four digits of its largest mean."""
        if self.measures[name].unit == "%":
            return 1
        rates = [row.rate(split, name) for row in self.rows for split in self.splits]
        most = max(abs(rate.mean) for rate in rates if rate)
        return 1 if most == 0 else max(1, 3 - math.floor(math.log10(most)))

    def best(self, split: str, name: str) -> Row | None:
        """The row that is better than every other in a measure beyond chance; None where there is none."""
        return self._best.get((split, name))

    @cached_property
    def _best(self) -> Mapping[tuple[str, str], Row]:
        return decided_best(self.rows, self.splits, {name: self.measures[name].better for name in self.compared})

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Of every pair of `claims`, on every test set in every measure that is compared."""
        return compare(self.claims(), self.splits, self.compared, self.family)

    def p_values(self, row: Row, reference: Row, split: str) -> dict[str, float | None]:
        """Of the comparison of two rows on a test set, by measure."""
        decisions = [
            decision for decision in self.comparisons if decision.row is row and decision.reference is reference
        ]
        return {decision.measure: decision.p for decision in decisions if decision.split == split}

    @property
    def tells_examples(self) -> bool:
        """Whether the spread over the examples is in every interval: they are others in every replicate, or known."""
        return not any(
            row.crossed(split, row.numbers) and not any(row.outcomes[split].values())
            for row in self.rows
            for split in self.splits
            if len(row.numbers) > 1
        )

    @property
    def family_size(self) -> int:
        """Over how many comparisons the p values are corrected."""
        return sum(decision.counts for decision in self.comparisons)

    @cached_property
    def every_comparison(self) -> dict[tuple[str, str], list[Comparison]]:
        """Of every row with every other, by both labels, corrected over all of them."""
        by_pair: dict[tuple[str, str], list[Comparison]] = {}
        for decision in compare(combinations(self.rows, 2), self.splits, self.compared):
            by_pair.setdefault((decision.row.label, decision.reference.label), []).append(decision)
            by_pair.setdefault((decision.reference.label, decision.row.label), []).append(decision.turned())
        return by_pair

    def claims(self) -> list[tuple[Row, Row]]:
        """The pairs (row, reference): all others with the row `against`, or those of `compare` as far as both are
        here: the reference of the same variant, or the only one that was decoded in the same way.
        """
        if self.against:
            reference = next(row for row in self.rows if row.label == self.against)
            return [(row, reference) for row in self.rows if row is not reference]
        named: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            named.setdefault(row.name, {})[row.variant] = row
        pairs = []
        for name, reference_name in self.compare.of(named):
            references = named.get(reference_name, {})
            for variant, row in named.get(name, {}).items():
                alike = [other for other in references.values() if other.decoding == row.decoding]
                other = references.get(variant, alike[0] if len(alike) == 1 else None)
                if other is not None:
                    pairs.append((row, other))
        return pairs


def build_table(
    runs: Iterable[Run],
    title: str | None = None,
    missing: Sequence[Missing] = (),
    against: str = "",
    compare: Compare | None = None,
    family: Family | None = None,
) -> Table:
    """One row per mode and output, over all replicates; a mode of which every run is missing has an empty one.

    `title` replaces the runs' own; the replicates and how right is told are added to either. `compare` are the pairs to
    compare where there is no row `against`, those of conf/compare.yaml by default; `family` those to correct over.
    Raises ConfigError if there is no run, no row `against`, nothing that the family names, or if `check_comparable`
    refuses the runs.
    """
    ordered = sorted(runs, key=reporting_order)
    if not ordered:
        raise ConfigError("no finished run to report; a finished run holds result.json")
    check_comparable(ordered)
    design = Design.of(ordered)
    rows = _rows(ordered, missing, design)
    if against and against not in rows:
        raise ConfigError(f"--against {against}: no such row; the rows are {', '.join(rows)}")
    first = ordered[0].scores
    _check_family(family or Family(), first, [*rows.values()])
    words = [title or ordered[0].result.title, _how_many([*rows.values()], design.unit), first.method]
    return Table(
        "; ".join(filter(None, words)),
        [*rows.values()],
        first.examples,
        {measure.name: measure for measure in first.measures},
        noun=first.noun,
        method=first.method,
        remark=first.remark,
        design=design,
        missing=missing,
        against=against,
        compare=compare or default(),
        family=family or Family(),
    )


def _check_family(family: Family, scores: Scores, rows: Sequence[Row]) -> None:
    known_of = {
        "tests": [*scores.examples],
        "measures": [measure.name for measure in scores.measures if measure.better],
        "decodings": [*dict.fromkeys(row.decoding or "greedy" for row in rows)],
    }
    for noun, known in known_of.items():
        named = getattr(family, noun)
        if absent := [name for name in named if name not in known]:
            raise ConfigError(f"family: {noun} names {', '.join(absent)}; there are {', '.join(known)} to compare")


def _how_many(rows: Sequence[Row], unit: str) -> str:
    counts = sorted({len(row.numbers) for row in rows if row.numbers})
    several = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
    return f"{several} {unit}{'s' * (several != '1')}"


def _rows(runs: Sequence[Run], missing: Sequence[Missing], design: Design) -> dict[str, Row]:
    """By label, in reporting order."""
    rows: dict[str, Row] = {}
    every: list[Run | Missing] = [*runs, *missing]
    for run in sorted(every, key=reporting_order):
        variant, decoding = variant_words(run.variant), dict(run.variant).get(DECODING, "")
        if isinstance(run, Missing):
            rows.setdefault(run.mode + variant, Row(run.mode, variant, design.unit, decoding, dict(run.variant)))
            continue
        for output in sorted(run.scores.values, key=lambda output: output != run.own_output):
            row = Row(row_name(run, output), variant, design.unit, decoding, dict(run.variant))
            row = rows.setdefault(row.label, row)
            _add(row, run.scores, output, design.number(run))
            row.quality[design.number(run)] = run.result.quality
            if output == run.own_output:
                row.kept[design.number(run)] = run.result.kept
    return rows


def _add(row: Row, scores: Scores, output: str, number: int) -> None:
    """What a run says of one of its outputs, into its row."""
    for split, measured in scores.values[output].items():
        row.tests[split][number] = scores.tests.get(split, "")
        for name, value in measured.items():
            row.rates[split][name][number] = value
        for name, outcomes in scores.outcomes.get(output, {}).get(split, {}).items():
            row.outcomes[split][name][number] = outcomes


def variant_words(variant: Iterable[tuple[str, Any]]) -> str:
    """What follows a mode's name in a row's label."""
    return "".join(f", {' '.join(filter(None, (key, _word(value))))}" for key, value in variant)


def row_name(run: Run, output: str) -> str:
    """The mode's name for its own prediction; a variant of it for the run's other output."""
    if output == run.own_output:
        return run.mode
    return run.mode + (" + test-time denoiser" if output == "composition" else ", base predictor alone")


def _word(value: Any) -> str:
    return "none" if value is None else str(value)


def reporting_order(run: Run | Missing) -> tuple[Any, ...]:
    variant = [(isinstance(value, str), value if value is not None else -1) for _, value in run.variant]
    number = (run.number,) if isinstance(run, Missing) else (run.replicate, run.result.seed)
    return *default().place(run.mode), variant, number
