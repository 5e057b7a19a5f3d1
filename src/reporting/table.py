"""What the table of fine-tuning modes says: rows in order, rates over seeds, paired differences.

Leaves out how it looks (formats.py, plot.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from composed.errors import ConfigError
from composed.reporting.runs import Missing, Run, check_comparable
from composed.reporting.statistics import Estimate, estimate

MAIN_MODES = ("baseline", "standard", "composed")
CLAIMS = (
    ("standard", "baseline"),
    ("baseline + test-time denoiser", "baseline"),
    ("standard + test-time denoiser", "standard"),
    ("composed", "standard"),
    ("composed", "standard + test-time denoiser"),
    ("composed_pathwise", "baseline"),
    ("composed_pathwise", "baseline + test-time denoiser"),
    ("composed_pathwise-unregularised", "baseline-unregularised"),
    ("composed_pathwise", "baseline-unregularised"),
)


@dataclass(frozen=True)
class Row:
    """One output of one mode; `rates[split][measure][seed]`, for programs the per cent of each class.

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

    def minus(self, other: "Row", split: str, name: str = "correct") -> Estimate | None:
        """The paired difference over the seeds of both rows (of rates in points); None if they share none."""
        ours, theirs = self.rates[split][name], other.rates[split][name]
        shared = sorted(ours.keys() & theirs.keys())
        return estimate([ours[seed] - theirs[seed] for seed in shared]) if shared else None


@dataclass(frozen=True)
class Table:
    """Rows in reporting order; `programs[split]` is the number of test programs, or examples, behind every number.

    `measures` are the columns, and whether higher or lower is better; `of_programs`: they are classes of verdicts.
    `missing` are the runs that would make it whole; `against` is the label of the row that all others are compared
    with, "" for the pairs that a table of modes is about.
    """

    title: str
    rows: Sequence[Row]
    programs: Mapping[str, int]
    measures: Mapping[str, str]
    of_programs: bool = True
    missing: Sequence[Missing] = ()
    against: str = ""

    @property
    def splits(self) -> list[str]:
        return [*self.programs]

    @property
    def compared(self) -> list[str]:
        """The measures of which one can be best."""
        return [name for name, better in self.measures.items() if better]

    def best(self, split: str, name: str = "correct") -> Row | None:
        """The row better than every other in a measure, all paired 95% intervals excluding 0; else None."""
        sign = 1 if self.measures[name] == "higher" else -1
        for row in self.rows:
            differences = [row.minus(other, split, name) for other in self.rows if other is not row]
            if differences and all(each is not None and each.sign == sign for each in differences):
                return row
        return None

    def claims(self) -> list[tuple[Row, Row]]:
        """The pairs (row, reference): all others with the row `against`, or those of CLAIMS, then each further mode
        with the one of its kind, as far as both are here: the reference of the same variant, or the only one.
        """
        if self.against:
            reference = next(row for row in self.rows if row.label == self.against)
            return [(row, reference) for row in self.rows if row is not reference]
        named: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            named.setdefault(row.name, {})[row.variant] = row
        further = [name for name in named if _is_further_mode(name)]
        pairs = [*CLAIMS, *((name, "composed" if name.startswith("composed") else "standard") for name in further)]
        found = []
        for name, kind in pairs:
            references = named.get(kind, {})
            only = next(iter(references.values())) if len(references) == 1 else None
            for variant, row in named.get(name, {}).items():
                other = references.get(variant, only)
                if other is not None:
                    found.append((row, other))
        return found


def _is_further_mode(name: str) -> bool:
    return name not in MAIN_MODES and " " not in name


def build_table(
    runs: Iterable[Run], title: str | None = None, missing: Sequence[Missing] = (), against: str = ""
) -> Table:
    """One row per mode and output, over all seeds; a mode of which every run is missing has an empty one.

    `title` replaces the runs' own; the seeds and the nature of the verdicts are added to either.
    Raises ConfigError if there is no run, no row `against`, or if `check_comparable` refuses the runs.
    """
    ordered = sorted(runs, key=reporting_order)
    if not ordered:
        raise ConfigError("no finished run to report; a finished run holds result.json")
    check_comparable(ordered)
    rows: dict[str, Row] = {}
    every: list[Run | Missing] = [*ordered, *missing]
    for each in sorted(every, key=reporting_order):
        variant = variant_words(each.variant)
        if isinstance(each, Missing):
            rows.setdefault(each.mode + variant, Row(each.mode, variant))
            continue
        numbers = each.numbers
        for output in sorted(numbers, key=lambda output: output != each.own_output):
            row = Row(row_name(each, output), variant)
            row = rows.setdefault(row.label, row)
            for split, measured in numbers[output].items():
                for name, number in measured.items():
                    row.rates[split][name][each.seed] = number
    if against and against not in rows:
        raise ConfigError(f"--against {against}: no such row; the rows are {', '.join(rows)}")
    counts = sorted({len(row.seeds) for row in rows.values() if row.seeds})
    seeds = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))
    first = ordered[0]
    of_programs = not first.values
    suffix = f"{seeds} seed{'s' * (seeds != '1')}"
    suffix += "; verdicts from compiling and running every program" if of_programs else ""
    heading = f"{title or first.title}; {suffix}"
    return Table(heading, list(rows.values()), first.programs, first.measures, of_programs, missing, against)


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
    main = MAIN_MODES.index(run.mode) if run.mode in MAIN_MODES else len(MAIN_MODES)
    variant = [(isinstance(value, str), value if value is not None else -1) for _, value in run.variant]
    return main, run.mode.startswith("composed"), run.mode, variant, run.seed
