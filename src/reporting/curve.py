"""A table's first measure over the numbers of a key of the config, such as the number of labeled pairs: one line joins
the rows that differ in nothing else, with 95% intervals. The same table gives the same bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composed.errors import ConfigError
from composed.reporting.plot import COLOURS, save
from composed.reporting.row import Row
from composed.reporting.runs import split_name
from composed.reporting.statistics import Estimate
from composed.reporting.table import Table, variant_words

PANEL_INCHES = (4.5, 4.0)  # of a test set
LOGARITHMIC = 5  # axes whose ends differ by more than this factor
Points = list[tuple[float, Estimate]]


def lines(table: Table, name: str, split: str, measure: str) -> dict[str, Points]:
    """By what else tells rows apart: (number, rate) in the order of the numbers; `name`: of the key, in rows.

    Raises ConfigError where the key has fewer than two numbers in the table.
    """
    points: dict[str, Points] = {}
    for row in table.rows:
        number, rate = row.values.get(name), row.rate(split, measure)
        if isinstance(number, int | float) and not isinstance(number, bool) and rate is not None:
            points.setdefault(_others(row, name), []).append((number, rate))
    if len({number for line in points.values() for number, _ in line}) < 2:
        raise ConfigError(f"--curve {name}: a curve needs at least two numbers of it, in runs that are finished")
    return {label: sorted(line, key=lambda point: point[0]) for label, line in points.items()}


def _others(row: Row, name: str) -> str:
    return row.name + variant_words((key, value) for key, value in row.values.items() if key != name)


def draw_curve(table: Table, name: str, path: Path) -> None:
    """Writes `path` as PNG, a panel for each test set; `name`: of the key, in rows. Raises ConfigError as `lines`."""
    import matplotlib.style
    from matplotlib.figure import Figure

    measure = table.measures[next(iter([*table.compared, *table.measures]))]
    every = {split: lines(table, name, split, measure.name) for split in table.splits}
    colours: dict[str, Any] = {}
    for label in (label for of_split in every.values() for label in of_split):
        colours.setdefault(label, COLOURS[len(colours) % len(COLOURS)])
    with matplotlib.style.context("default"):
        width, height = PANEL_INCHES
        figure = Figure(figsize=(width * len(every) + 0.5, height), layout="constrained")
        panels = figure.subplots(1, len(every), sharey=True, squeeze=False)[0]
        for axes, (split, of_split) in zip(panels, every.items(), strict=True):
            _panel(axes, of_split, colours)
            axes.set_title(split_name(split), fontsize=10)
            axes.set_xlabel(name)
        unit = f", {measure.unit}" if measure.unit else ""
        panels[0].set_ylabel(f"{measure.name}{unit}; bars: 95% intervals")
        panels[0].legend(frameon=False, fontsize=8)
        save(figure, path)


def _panel(axes: Any, of_split: Mapping[str, Points], colours: Mapping[str, Any]) -> None:
    numbers = sorted({number for line in of_split.values() for number, _ in line})
    if numbers[0] > 0 and numbers[-1] > LOGARITHMIC * numbers[0]:
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(numbers, [f"{number:,g}" for number in numbers])
    for label, line in of_split.items():
        x, rates = zip(*line, strict=True)
        means, reach = [rate.mean for rate in rates], [rate.half_width or 0 for rate in rates]
        axes.errorbar(x, means, reach, fmt="o-", color=colours[label], capsize=3, markersize=4, label=label)
    axes.spines[["top", "right"]].set_visible(False)
