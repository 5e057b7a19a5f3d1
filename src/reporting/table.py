"""What the table of fine-tuning modes says: rows in order, rates over seeds, paired differences.

Leaves out how it looks (formats.py, plot.py).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from composed.errors import ConfigError
from composed.judges.scores import Measure
from composed.reporting.compare import Compare, default
from composed.reporting.runs import Missing, Run, check_comparable
from composed.reporting.statistics import Estimate, estimate


@dataclass(frozen=True)
class Row:
    """One output of one mode; `rates[split][measure][seed]`.

    `name` says which mode and output, `variant` which of its configurations; both make the label.
    """

    name: str
    variant: str = ""
    rates: dict[str, dict[str, dict[int, float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    @property
    def label(self) -> str:
        return self.name + self.variant

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for measures in self.rates.values() for of in measures.values() for seed in of})

    def rate(self, split: str, name: str) -> Estimate | None:
        """Mean and interval over seeds of the measure `name`; None where there is no run."""
        values = list(self.rates[split][name].values())
        return estimate(values) if values else None

    def minus(self, other: "Row", split: str, name: str) -> Estimate | None:
        """The paired difference over the seeds of both rows (of rates in points); None if they share none."""
        ours, theirs = self.rates[split][name], other.rates[split][name]
        shared = sorted(ours.keys() & theirs.keys())
        return estimate([ours[seed] - theirs[seed] for seed in shared]) if shared else None


@dataclass(frozen=True)
class Table:
    """What finished runs say, side by side.

    title: with the number of seeds and how right is told.
    rows: in reporting order.
    examples: of each test set, how many are behind every number.
    measures: the columns, by name.
    noun: what an example is, in the plural.
    method, remark: as the scores say.
    missing: the runs that would make it whole.
    against: the label of the row that all others are compared with, "" for the pairs of `compare`.
    """

    title: str
    rows: Sequence[Row]
    examples: Mapping[str, int]
    measures: Mapping[str, Measure]
    noun: str = "examples"
    method: str = ""
    remark: str = ""
    missing: Sequence[Missing] = ()
    against: str = ""
    compare: Compare = field(default_factory=default)

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
        """The row better than every other in a measure, all paired 95% intervals excluding 0; else None."""
        sign = 1 if self.measures[name].better == "higher" else -1
        for row in self.rows:
            differences = [row.minus(other, split, name) for other in self.rows if other is not row]
            if differences and all(each is not None and each.sign == sign for each in differences):
                return row
        return None

    def claims(self) -> list[tuple[Row, Row]]:
        """The pairs (row, reference): all others with the row `against`, or those of `compare` as far as both are
        here: the reference of the same variant, or the only one.
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
            only = next(iter(references.values())) if len(references) == 1 else None
            for variant, row in named.get(name, {}).items():
                other = references.get(variant, only)
                if other is not None:
                    pairs.append((row, other))
        return pairs


def build_table(
    runs: Iterable[Run],
    title: str | None = None,
    missing: Sequence[Missing] = (),
    against: str = "",
    compare: Compare | None = None,
) -> Table:
    """One row per mode and output, over all seeds; a mode of which every run is missing has an empty one.

    `title` replaces the runs' own; the seeds and how right is told are added to either. `compare` are the pairs to
    compare where there is no row `against`, those of conf/compare.yaml by default.
    Raises ConfigError if there is no run, no row `against`, or if `check_comparable` refuses the runs.
    """
    ordered = sorted(runs, key=reporting_order)
    if not ordered:
        raise ConfigError("no finished run to report; a finished run holds result.json")
    check_comparable(ordered)
    rows = _rows(ordered, missing)
    if against and against not in rows:
        raise ConfigError(f"--against {against}: no such row; the rows are {', '.join(rows)}")
    counts = sorted({len(row.seeds) for row in rows.values() if row.seeds})
    seeds = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
    first = ordered[0].scores
    words = [title or ordered[0].result.title, f"{seeds} seed{'s' * (seeds != '1')}", first.method]
    return Table(
        "; ".join(filter(None, words)),
        [*rows.values()],
        first.examples,
        {measure.name: measure for measure in first.measures},
        noun=first.noun,
        method=first.method,
        remark=first.remark,
        missing=missing,
        against=against,
        compare=compare or default(),
    )


def _rows(runs: Sequence[Run], missing: Sequence[Missing]) -> dict[str, Row]:
    """By label, in reporting order."""
    rows: dict[str, Row] = {}
    every: list[Run | Missing] = [*runs, *missing]
    for each in sorted(every, key=reporting_order):
        variant = variant_words(each.variant)
        if isinstance(each, Missing):
            rows.setdefault(each.mode + variant, Row(each.mode, variant))
            continue
        values = each.scores.values
        for output in sorted(values, key=lambda output: output != each.own_output):
            row = Row(row_name(each, output), variant)
            row = rows.setdefault(row.label, row)
            for split, measured in values[output].items():
                for name, number in measured.items():
                    row.rates[split][name][each.seed] = number
    return rows


def variant_words(variant: Iterable[tuple[str, Any]]) -> str:
    """What follows a mode's name in a row's label."""
    return "".join(f", {key} {_word(value)}" for key, value in variant)


def row_name(run: Run, output: str) -> str:
    """The mode's name for its own prediction; a variant of it for the run's other output."""
    if output == run.own_output:
        return run.mode
    return run.mode + (" + test-time denoiser" if output == "composition" else ", base predictor alone")


def _word(value: Any) -> str:
    return "none" if value is None else str(value)


def reporting_order(run: Run | Missing) -> tuple[Any, ...]:
    variant = [(isinstance(value, str), value if value is not None else -1) for _, value in run.variant]
    return *default().place(run.mode), variant, run.seed
