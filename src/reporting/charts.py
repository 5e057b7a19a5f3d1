"""Charts as inline SVG without text: shapes in per cent of a box, so that words stay words and fit every screen.

Left out: labels, axes' numbers and colours, which are the page's (html/report.html, html/report.css).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from composed.reporting.statistics import Estimate

MOST_POINTS = 160  # of a line


@dataclass(frozen=True)
class Scale:
    """From numbers, or their logarithms, to 0 to 100; `ticks` are round numbers within, about `count` of them."""

    low: float
    high: float
    log: bool = False
    count: int = 5

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(x) if self.log else x for x in (self.low, self.high, value))
        return round(100 * (value - low) / (high - low), 2)

    @property
    def ticks(self) -> list[float]:
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if self.high < 300 * self.low else (1,)
            return [tick for n in decades for step in steps if self.low <= (tick := step * 10.0**n) <= self.high]
        step = _round_step((self.high - self.low) / self.count)
        return [step * n for n in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def scale_of(values: Iterable[Estimate | None], *, zero: bool = False, count: int = 5) -> Scale:
    """Holds all means with their intervals, and 0 where wanted, with some room; never empty."""
    known = [value for value in values if value is not None]
    ends = [value.mean + side * (value.half_width or 0) for value in known for side in (-1, 1)] + [0.0] * zero
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return Scale(low - room, high + room, count=count)


def log_or_linear(lines: Sequence[Sequence[tuple[float, float]]]) -> Scale:
    """Of the lines' heights: logarithmic where all are positive and span more than a factor of 5."""
    values = [value for line in lines for _, value in line]
    low, high = min(values), max(values)
    if low > 0 and high > 5 * low:
        return Scale(low / 1.1, high * 1.1, log=True)
    room = 0.05 * (high - low) or 1.0
    return Scale(low - room, high + room)


def interval(value: Estimate, scale: Scale, *, zero: bool = False) -> Markup:
    """A dot for the mean on the line of its interval; with `zero` a line where nothing differs."""
    shape = Markup('<line class="tick" x1="{0}%" x2="{0}%" y1="-50%" y2="150%"/>')
    parts = [shape.format(scale(tick)) for tick in scale.ticks]
    if zero:
        parts.append(Markup('<line class="zero" x1="{0}%" x2="{0}%" y1="-50%" y2="150%"/>').format(scale(0)))
    if value.half_width is not None:
        ends = scale(value.mean - value.half_width), scale(value.mean + value.half_width)
        parts.append(Markup('<line class="reach" x1="{}%" x2="{}%" y1="50%" y2="50%"/>').format(*ends))
    parts.append(Markup('<circle cx="{}%" cy="50%" r="4.5"/>').format(scale(value.mean)))
    return Markup('<svg class="interval" aria-hidden="true">{}</svg>').format(Markup("").join(parts))


def stack(shares: Mapping[str, float]) -> Markup:
    """Shares that add up to 100 as a bar of parts, each with its name as class and tooltip."""
    parts, left = [], 0.0
    for name, share in shares.items():
        shape = Markup('<rect class="{}" x="{}%" width="{}%" height="100%"><title>{}</title></rect>')
        words = f"{name}: {share:.1f}%"
        parts.append(shape.format(name.replace(" ", "-"), round(left, 2), round(share, 2), words))
        left += share
    words = ", ".join(f"{name} {share:.1f}%" for name, share in shares.items())
    return Markup('<svg class="stack" role="img" aria-label="{}">{}</svg>').format(words, Markup("").join(parts))


def path(line: Sequence[tuple[float, float]], across: Scale, up: Scale) -> str:
    """The `d` of a line through the points, in a box of 100 by 100."""
    points = [(across(x), round(100 - up(y), 2)) for x, y in line]
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def thinned(line: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most `most` points: the line itself, or means over equally many neighbours."""
    size = -(-len(line) // most)
    groups = (
        [point for _, point in group] for _, group in groupby(enumerate(line), lambda numbered: numbered[0] // size)
    )
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
