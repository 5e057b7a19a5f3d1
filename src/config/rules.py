"""What may stand beside a type in `Annotated[type, ...]`: its range, its unit, what it says of a result.

Left out: how a config is held against them (`structure.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Bound:
    """What a number has to be; `words` stand in errors and on the reference page: "above 0"."""

    words: str
    holds: Callable[[float], bool]


@dataclass(frozen=True)
class Check:
    """What a range and a type cannot say: `run(key, value)` raises ConfigError; the value's type is right already."""

    run: Callable[[str, Any], None]


@dataclass(frozen=True)
class Choice:
    """`select(node)` is the class that a mapping is of, where a type names several."""

    select: Callable[[Mapping[str, Any]], type]


@dataclass(frozen=True)
class Unit:
    """Of a number, on the reference page. A number without one is a pure number and says `Unit("")`."""

    name: str


@dataclass(frozen=True)
class Silent:
    """The key shapes no number: of the denoiser alone (scope "denoiser"), or of a run and its denoiser ("run")."""

    scope: str = "run"


@dataclass(frozen=True)
class Tells:
    """That the key is there tells which class an option is of: no override can add it."""


@dataclass(frozen=True)
class Rest:
    """The field, a mapping, holds the keys that no other field of its class names."""


def above(least: float) -> Bound:
    return Bound(f"above {least:g}", lambda value: value > least)


def at_least(least: float) -> Bound:
    return Bound(f"at least {least:g}", lambda value: value >= least)


def within(low: float, high: float, *, low_open: bool = False, high_open: bool = True, words: str = "") -> Bound:
    """From `low` to `high`, either of which may be left out; other `words` replace those that say so."""

    def holds(value: float) -> bool:
        return (low < value if low_open else low <= value) and (value < high if high_open else value <= high)

    first = f"above {low:g} and" if low_open else f"from {low:g} to"
    last = f"below {high:g}" if high_open else f"at most {high:g}" if low_open else f"{high:g}"
    return Bound(words or f"{first} {last}", holds)


PURE = Unit("")
Seed = Annotated[int, at_least(0), PURE]
Number = Annotated[float, PURE]
Weight = Annotated[float, at_least(0), PURE]
Positive = Annotated[float, above(0), PURE]
Count = Annotated[int, above(0), PURE]
Updates = Annotated[int, above(0), Unit("updates")]
Tokens = Annotated[int, above(0), Unit("tokens")]
Dropout = Annotated[float, within(0, 1), Unit("probability")]
Share = Annotated[float, within(0, 1, high_open=False), Unit("share")]
