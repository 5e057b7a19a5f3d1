"""Which differences between rows are decided beyond chance: paired estimates, corrected for how many there are.

Leaves out which pairs a table compares (compare.py, table.py) and how they are shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from composed.reporting.row import Row
from composed.reporting.statistics import LEVEL, Estimate, holm


@dataclass(frozen=True)
class Family:
    """The comparisons over which a table's p values are corrected; what is empty holds all that the table prints.

    pairs: of names of rows, (row, reference). tests: names of test sets. measures: names of measures. decodings:
    how the outputs of the row were decoded, as labels say it, or "greedy".
    """

    pairs: Sequence[tuple[str, str]] = ()
    tests: Sequence[str] = ()
    measures: Sequence[str] = ()
    decodings: Sequence[str] = ()

    def holds(self, comparison: "Comparison") -> bool:
        pair = comparison.row.name, comparison.reference.name
        return (
            (not self.pairs or pair in self.pairs)
            and (not self.tests or comparison.split in self.tests)
            and (not self.measures or comparison.measure in self.measures)
            and (not self.decodings or (comparison.row.decoding or "greedy") in self.decodings)
        )


@dataclass(frozen=True)
class Comparison:
    """A row less another in a measure on a test set, paired by replicate and, where they are the same, by example.

    difference: None where the rows have no replicate in common.
    p: corrected over the family; None for a comparison that is not of the family, or has no p value.
    decided: whether the family has it.
    """

    row: Row
    reference: Row
    split: str
    measure: str
    difference: Estimate | None
    p: float | None = None
    decided: bool = True

    @property
    def counts(self) -> bool:
        """Whether it is one of those over which p is corrected: of the family, over more than one replicate."""
        return self.decided and self.difference is not None and self.difference.n > 1

    @property
    def sign(self) -> int:
        """1 or -1 if the row is higher or lower than the reference beyond chance, else 0."""
        if self.difference is None or self.p is None or self.p > 1 - LEVEL:
            return 0
        return 1 if self.difference.mean > 0 else -1

    @property
    def word(self) -> str:
        """What may be said of it."""
        if self.difference is None:
            return f"no {self.row.unit} in common"
        if self.difference.n == 1:
            return f"one {self.row.unit}"
        if self.difference.half_width is None:
            return "not on the same examples"
        if not self.decided:
            return "not in the family"
        if self.p is None:
            return "no spread known"
        return {1: "higher", -1: "lower", 0: "not distinguishable"}[self.sign]

    def turned(self) -> "Comparison":
        """The reference less the row."""
        minus = None if self.difference is None else replace(self.difference, mean=-self.difference.mean)
        return replace(self, row=self.reference, reference=self.row, difference=minus)

    @property
    def shared(self) -> list[int]:
        """The replicates, or seeds, that both rows have."""
        return self.row.shared(self.reference, self.split, self.measure)


def compare(
    pairs: Iterable[tuple[Row, Row]], splits: Sequence[str], measures: Sequence[str], family: Family | None = None
) -> list[Comparison]:
    """Every pair on every test set in every measure, corrected together as far as they are of the family."""
    every = [
        Comparison(row, reference, split, measure, row.minus(reference, split, measure))
        for row, reference in pairs
        for split in splits
        for measure in measures
    ]
    every = [replace(decision, decided=(family or Family()).holds(decision)) for decision in every]
    counted = [place for place, decision in enumerate(every) if decision.counts]
    corrected = dict(zip(counted, holm([_p(every[place]) for place in counted]), strict=True))
    return [
        replace(decision, p=corrected[place])
        if decision.counts and decision.difference and decision.difference.p is not None
        else decision
        for place, decision in enumerate(every)
    ]


def _p(comparison: Comparison) -> float:
    """1 where no spread tells it, so that such a comparison counts too."""
    difference = comparison.difference
    return 1.0 if difference is None or difference.p is None else difference.p


def decided_best(rows: Sequence[Row], splits: Sequence[str], better: Mapping[str, str]) -> dict[tuple[str, str], Row]:
    """Of each test set and measure the row that is better than every other beyond chance, where there is one.

    better: of each measure the better side. The best row on average is the best beyond chance if it differs from every
    other by the two-sided test of two (Gutmann and Maymin 1987); Holm over the test sets and measures.
    """
    leaders: dict[tuple[str, str], tuple[Row, float]] = {}
    for split in splits:
        for measure, side in better.items():
            sign = 1 if side == "higher" else -1
            rates = [row.rate(split, measure) for row in rows]
            means = [sign * rate.mean for rate in rates if rate is not None]
            if 1 < len(means) == len(rows):
                leader = rows[means.index(max(means))]
                leaders[split, measure] = leader, _hardest(leader, rows, split, measure, sign)
    corrected = holm([p for _, p in leaders.values()])
    return {place: row for (place, (row, _)), p in zip(leaders.items(), corrected, strict=True) if p <= 1 - LEVEL}


def _hardest(leader: Row, rows: Sequence[Row], split: str, measure: str, sign: int) -> float:
    """The largest p value of the leader's differences from all others; 1 where one is unknown or the other way."""
    differences = [leader.minus(other, split, measure) for other in rows if other is not leader]
    return max(
        difference.p if difference and difference.p is not None and difference.mean * sign > 0 else 1.0
        for difference in differences
    )
