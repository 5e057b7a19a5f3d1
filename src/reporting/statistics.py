"""Intervals over replicates that hold the spread over test examples too, and p values corrected for their number.

A replicate is one whole experiment: another draw of what moves with it. docs/results.md tells the estimators in words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over `n` replicates.

    half_width: of its 95% interval; None where nothing tells a spread.
    p: two-sided, of a mean of 0; None where nothing tells it: of a single replicate, and without any spread.
    of_examples: whether the interval is over the examples of a single replicate alone.
    """

    mean: float
    half_width: float | None
    n: int
    p: float | None = None
    of_examples: bool = False


def estimate(values: Sequence[float]) -> Estimate:
    """Of one value for each replicate, mean +- t(0.975, n - 1) s / sqrt(n). Raises ValueError if there are none.

    Where every replicate has test examples of its own, their spread is within that of the values.
    """
    import numpy as np

    if not len(values):
        raise ValueError("no values")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Estimate(mean, None, 1)
    return _by_t(mean, float(np.var(values, ddof=1)) / len(values), len(values) - 1, len(values))


def estimate_of_examples(outcomes: Sequence[float]) -> Estimate:
    """Of a single replicate, with an interval over its examples (E,) alone; none for a single example."""
    if len(outcomes) < 2:
        return estimate([outcomes[0]])
    over = estimate(outcomes)
    return Estimate(over.mean, over.half_width, 1, of_examples=True)


def estimate_crossed(outcomes: "np.ndarray") -> Estimate:
    """Of outcomes (R, E) of the same E examples in each of R replicates, both at least 2.

    The model is y = mean + replicate + example + rest, all random. The variance of the mean is (A + B) / (R E), where A
    is the mean square of the replicates and B that of the examples less that of the rest, at least 0 (Searle, Casella
    and McCulloch 1992, chapter 4; of readers and cases: Obuchowski and Rockette 1995). A has R - 1 degrees of freedom
    and B many more. Satterthwaite's number for their sum is (R - 1) / c^2, c = A / (A + B), and too large for a c that
    rests on few replicates; (R - 1) / c keeps what the interval promises, as tests/test_reporting_coverage.py shows.
    """
    replicates, examples = outcomes.shape
    mean = outcomes.mean()
    rows, columns = outcomes.mean(1) - mean, outcomes.mean(0) - mean
    rest = outcomes - mean - rows[:, None] - columns
    a = examples * (rows**2).sum() / (replicates - 1)
    of_examples = replicates * (columns**2).sum() / (examples - 1)
    of_rest = (rest**2).sum() / ((replicates - 1) * (examples - 1))
    b = max(of_examples - of_rest, 0.0)
    degrees = (replicates - 1) * (a + b) / a if a > 0 else float("inf")
    return _by_t(float(mean), float(a + b) / (replicates * examples), float(degrees), replicates)


def _by_t(mean: float, variance: float, degrees: float, n: int) -> Estimate:
    """Student's t, for any positive number of degrees of freedom, infinitely many too."""
    from scipy.special import stdtr, stdtrit

    error = variance**0.5
    half_width = float(-stdtrit(degrees, (1 - LEVEL) / 2)) * error
    if mean == 0 or error == 0:  # without any spread nothing is known of chance
        return Estimate(mean, half_width, n, 1.0 if mean == 0 else None)
    return Estimate(mean, half_width, n, float(2 * stdtr(degrees, -abs(mean) / error)))


def pooled(
    values: Mapping[int, float], outcomes: Mapping[int, Sequence[float]], *, crossed: bool = False
) -> Estimate | None:
    """The estimate for what `values` says of each replicate; None where it says nothing.

    outcomes: of a replicate, as far as it is known, what the value is the mean of, one number for each example.
    crossed: the examples are the same in all replicates.
    """
    import numpy as np

    if not values:
        return None
    known = [outcomes[replicate] for replicate in values if replicate in outcomes]
    whole = len(known) == len(values) and all(len(outcomes_of) > 1 for outcomes_of in known)
    if whole and len(values) == 1:
        return estimate_of_examples(known[0])
    if whole and crossed and len({len(outcomes_of) for outcomes_of in known}) == 1:
        return estimate_crossed(np.asarray(known, dtype=float))
    over = estimate([*values.values()])
    if whole and over.p is None:  # as few examples make it: by chance the same mean in every replicate
        variance = float(np.mean([np.var(outcomes_of, ddof=1) / len(outcomes_of) for outcomes_of in known])) / len(
            known
        )
        return _by_t(over.mean, variance, len(known) - 1, over.n)
    return over


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p value corrected for their number; together they are wrong in at most 5 of 100 tables (Holm 1979).

    Of the ascending p_1 ... p_m, the k-th becomes the largest (m - j + 1) p_j of all j up to k, at most 1.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected
