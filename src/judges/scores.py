"""What every judge says of a run, whatever its outputs are: numbers by output, test set and measure.

Plain and immutable. Left out: how they are shown, and what a mean over replicates is.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

OUTPUTS = ("base", "composition")  # what is judged of a run: f(x) and, where there is a denoiser, Pi(f(x))
Better = Literal["higher", "lower", ""]
Values = Mapping[str, Mapping[str, Mapping[str, float]]]
Outcomes = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]


@dataclass(frozen=True)
class Measure:
    """A number that is told of every output.

    name: as the column of a table is headed, such as MSE.
    better: which side is, "" where that is no matter.
    unit: such as "%", "" for a bare number.
    part: it and the other parts are shares that add up to 100.
    """

    name: str
    better: Better = ""
    unit: str = ""
    part: bool = False


@dataclass(frozen=True)
class Scores:
    """The numbers of a run.

    measures: in the order of a table's columns.
    values: `values[output][test][measure]`, for every one of OUTPUTS that there is.
    examples: of each test set, how many are behind every one of its numbers.
    tests: of each test set, a digest that says which examples they are.
    extra: what a judge knows beyond the numbers, by name; plain values that JSON holds.
    noun: what an example is, in the plural.
    method: how right and wrong are told, for a title; "" where the names of the measures say so.
    remark: a sentence on the measures, below a table; "" where none is needed.
    exhibit: how a report shows outputs, a module of composed.reporting.exhibits; "" where it shows none.
    outcomes: `outcomes[output][test][measure]`, what a value is the mean of: a number for each example, or for each
    group of examples that belong together, in the same order for every output. Without them a table can tell no spread
    over the examples; measures that are no such mean have none.
    """

    measures: Sequence[Measure]
    values: Values
    examples: Mapping[str, int]
    tests: Mapping[str, str]
    extra: Mapping[str, Any] = field(default_factory=dict)
    noun: str = "examples"
    method: str = ""
    remark: str = ""
    exhibit: str = ""
    outcomes: Outcomes = field(default_factory=dict)


def digest(content: bytes) -> str:
    """12 hex digits of the SHA-256."""
    return hashlib.sha256(content).hexdigest()[:12]
