"""Means over seeds with 95% Student t intervals; no SciPy.

Leaves out the spread over test programs: an interval says what other seeds would do on the same programs.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Estimate:
    """Mean of `n` values and half the width of its 95% interval (None for a single value)."""

    mean: float
    half_width: float | None
    n: int

    @property
    def sign(self) -> int:
        """1 or -1 if the interval lies wholly above or below 0, else 0."""
        if self.half_width is None or abs(self.mean) <= self.half_width:
            return 0
        return 1 if self.mean > 0 else -1


def estimate(values: Sequence[float]) -> Estimate:
    """Of one value per seed, mean +- t(0.975, n - 1) s / sqrt(n); raises ValueError if there are none."""
    n = len(values)
    if n == 0:
        raise ValueError("no values")
    mean = statistics.fmean(values)
    if n == 1:
        return Estimate(mean, None, n)
    return Estimate(mean, t_quantile(0.975, n - 1) * statistics.stdev(values) / math.sqrt(n), n)


@cache
def t_quantile(probability: float, degrees: int) -> float:
    """The Student t quantile for 0.5 <= probability < 1 and a whole number of degrees of freedom.

    Bisects the angle whose tangent is t / sqrt(degrees), in which the distribution is a finite sum.
    """
    low, high = 0.0, math.pi / 2
    while low < (angle := (low + high) / 2) < high:
        if _two_sided(angle, degrees) < 2 * probability - 1:
            low = angle
        else:
            high = angle
    return math.sqrt(degrees) * math.tan(angle)


def _two_sided(angle: float, degrees: int) -> float:
    """P(|T| <= sqrt(degrees) tan(angle)): Abramowitz and Stegun, 26.7.3 (odd) and 26.7.4 (even degrees)."""
    odd = degrees % 2
    term = math.sin(angle) * (math.cos(angle) if odd else 1.0)
    total = 0.0
    for k in range(2 + odd, degrees + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k - 1) / k
    return 2 / math.pi * (angle + total) if odd else total
