"""What the table of fine-tuning modes says: rows in order, rates over seeds, paired differences.

Leaves out how it looks (formats.py, plot.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from composed.errors import ConfigError
from composed.reporting.runs import CLASSES, SPLITS, Run, check_comparable
from composed.reporting.statistics import Estimate, estimate

MODE_ORDER = ("baseline", "standard", "composed")
CLAIMS = (
    ("standard", "baseline"),
    ("baseline + test-time denoiser", "baseline"),
    ("standard + test-time denoiser", "standard"),
    ("composed", "standard"),
    ("composed", "standard + test-time denoiser"),
)
SPLIT_NAMES = {"id": "In distribution", "ood": "Out of distribution"}


@dataclass(frozen=True)
class Row:
    """One output of one mode; `rates[split][class][seed]` in per cent of the programs."""

    label: str
    rates: dict[str, dict[str, dict[int, float]]] = field(
        default_factory=lambda: {split: {name: {} for name in CLASSES} for split in SPLITS}
    )

    @property
    def seeds(self) -> list[int]:
        return sorted(self.rates["id"]["correct"])

    def rate(self, split: str, name: str) -> Estimate:
        """Mean and interval over seeds of the share of class `name`, in per cent."""
        return estimate(list(self.rates[split][name].values()))

    def minus(self, other: "Row", split: str, name: str = "correct") -> Estimate | None:
        """The paired difference in percentage points over the seeds of both rows; None if they share none."""
        ours, theirs = self.rates[split][name], other.rates[split][name]
        shared = sorted(ours.keys() & theirs.keys())
        return estimate([ours[seed] - theirs[seed] for seed in shared]) if shared else None


@dataclass(frozen=True)
class Table:
    """Rows in reporting order; `programs[split]` is the number of test programs behind every rate."""

    title: str
    rows: Sequence[Row]
    programs: Mapping[str, int]

    def best(self, split: str) -> Row | None:
        """The row more often correct than every other, all paired 95% intervals excluding 0; else None."""
        for row in self.rows:
            differences = [row.minus(other, split) for other in self.rows if other is not row]
            if differences and all(each is not None and each.sign == 1 for each in differences):
                return row
        return None

    def claims(self) -> list[tuple[Row, Row]]:
        """The pairs (row, reference) of CLAIMS of which both rows are here."""
        rows = {row.label: row for row in self.rows}
        return [(rows[label], rows[reference]) for label, reference in CLAIMS if {label, reference} <= rows.keys()]


def build_table(runs: Iterable[Run], title: str | None = None) -> Table:
    """One row per mode and output, over all seeds.

    `title` replaces the runs' own; the seeds and the nature of the verdicts are added to either.
    Raises ConfigError if there is no run or if `check_comparable` refuses them.
    """
    ordered = sorted(runs, key=_reporting_order)
    if not ordered:
        raise ConfigError("no finished run to report; a finished run holds result.json")
    check_comparable(ordered)
    rows: dict[str, Row] = {}
    for run in ordered:
        for output in sorted(run.counts, key=lambda output: output != run.own_output):
            label = row_label(run, output)
            row = rows.setdefault(label, Row(label))
            for split in SPLITS:
                for name, count in run.counts[output][split].items():
                    row.rates[split][name][run.seed] = 100 * count / run.programs[split]
    numbers = sorted({len(row.seeds) for row in rows.values()})
    seeds = " to ".join(str(n) for n in dict.fromkeys((numbers[0], numbers[-1])))
    suffix = f"{seeds} seed{'s' * (seeds != '1')}; verdicts from compiling and running every program"
    return Table(f"{title or ordered[0].title}; {suffix}", list(rows.values()), ordered[0].programs)


def row_label(run: Run, output: str) -> str:
    """The mode's name for its own prediction; a variant of it for the run's other output."""
    if output == run.own_output:
        return run.mode
    return run.mode + (" + test-time denoiser" if output == "composition" else ", base predictor alone")


def _reporting_order(run: Run) -> tuple[int, str, int]:
    known = run.mode in MODE_ORDER
    return MODE_ORDER.index(run.mode) if known else len(MODE_ORDER), run.mode, run.seed
