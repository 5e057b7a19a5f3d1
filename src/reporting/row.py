"""A row of a table: the numbers of one output of one configuration, by replicate, and what they come to together."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from composed.reporting.statistics import Estimate, pooled

Rates = Mapping[str, Mapping[str, Mapping[int, float]]]
Outcomes = Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]]


@dataclass(frozen=True)
class Row:
    """One output of one mode; `rates[split][measure][number]`, where the number is of a replicate (or a seed: `unit`).

    `name` says which mode and output, `variant` which of its configurations, and `values` what of it,
    by name; both make the label. `decoding`: how its
    outputs were decoded, "" greedily, which the variant says too. `outcomes` are
    the same for every example, as far as the runs say; `tests[split][number]` tells which examples they are.
    `quality[number]`: how good the denoiser is; `kept[number]`: what f knows of what it knows, in the row of the mode's
    own output.
    """

    name: str
    variant: str = ""
    unit: str = "replicate"
    decoding: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    rates: dict[str, dict[str, dict[int, float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    outcomes: dict[str, dict[str, dict[int, Sequence[float]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    tests: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    quality: dict[int, Mapping[str, float]] = field(default_factory=dict)
    kept: dict[int, Mapping[str, float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.name + self.variant

    @property
    def numbers(self) -> list[int]:
        """The replicates, or seeds, of which there is a run."""
        return sorted(
            {number for measures in self.rates.values() for by_number in measures.values() for number in by_number}
        )

    def rate(self, split: str, name: str) -> Estimate | None:
        """The mean of the measure `name` with its interval; None where there is no run."""
        values = self.rates[split][name]
        return pooled(values, self.outcomes[split][name], crossed=self.crossed(split, [*values]))

    def minus(self, other: "Row", split: str, name: str) -> Estimate | None:
        """The difference, paired by replicate and example (of rates in points); None if they share no replicate.

        Without an interval where either has the same examples in all replicates, and the other others.
        """
        shared = self.shared(other, split, name)
        ours, theirs = self.rates[split][name], other.rates[split][name]
        differences = {number: ours[number] - theirs[number] for number in shared}
        crossed = self.crossed(split, shared) or other.crossed(split, shared)
        same = all(self.tests[split].get(number) == other.tests[split].get(number) for number in shared)
        if crossed and not same:
            return Estimate(sum(differences.values()) / len(shared), None, len(shared))
        paired = {number: self._paired(other, split, name, number) for number in shared} if same else {}
        return pooled(differences, {number: pairs for number, pairs in paired.items() if pairs}, crossed=crossed)

    def shared(self, other: "Row", split: str, name: str) -> list[int]:
        return sorted(self.rates[split][name].keys() & other.rates[split][name].keys())

    def crossed(self, split: str, numbers: Sequence[int]) -> bool:
        """Whether the test examples are the same in all these replicates."""
        return len({self.tests[split].get(number, "") for number in numbers}) == 1

    def _paired(self, other: "Row", split: str, name: str, number: int) -> list[float]:
        """The differences on every example, which are the same in both; none where they are not known."""
        ours, theirs = self.outcomes[split][name].get(number, ()), other.outcomes[split][name].get(number, ())
        return [a - b for a, b in zip(ours, theirs, strict=True)] if len(ours) == len(theirs) else []
