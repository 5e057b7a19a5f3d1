"""The table as a picture: its first measure that can be best, per row in each test set, with 95% intervals.

The same table gives the same bytes, whatever the user's matplotlibrc says. Leaves out all other measures.
"""

import textwrap
from functools import partial
from pathlib import Path
from typing import Any

from composed.judges.scores import Measure
from composed.reporting.runs import split_name
from composed.reporting.table import Table
from composed.system.files import write_atomically

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # of test sets; further ones repeat them
WIDTH_INCHES, DOTS_PER_INCH = 7.0, 200
BAR, BARS = 0.36, 0.72  # of a row: the thickest bar, all of them
ROW_INCHES, BAR_INCHES = 0.5, 0.22
LEGEND_COLUMNS = 4
TITLE_COLUMNS, LABEL_COLUMNS = 88, 36


def draw(table: Table, path: Path) -> None:
    """Write `path` as PNG, 1400 pixels wide and meant to be shown at half that; raises ComposedError if it cannot."""
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        count = len(table.splits)
        height = 1.1 + 0.2 * -(-count // LEGEND_COLUMNS) + max(ROW_INCHES, BAR_INCHES * count) * len(table.rows)
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        axes = figure.add_subplot()
        measure = table.measures[next(iter([*table.compared, *table.measures]))]
        name, in_per_cent = measure.name, measure.unit == "%"
        reach = 1.0 if in_per_cent else 0.0
        bar = min(BAR, BARS / count)
        for turn, split in enumerate(table.splits):
            side = turn - (count - 1) / 2
            every = [row.rate(split, name) for row in table.rows]
            rates = {number + side * bar: rate for number, rate in enumerate(every) if rate is not None}
            means = [rate.mean for rate in rates.values()]
            axes.barh([*rates], means, bar, color=COLOURS[turn % len(COLOURS)], label=_label(split))
            for place, rate in rates.items():
                end = rate.mean
                if rate.half_width is not None:
                    start, end = max(0.0, end - rate.half_width), end + rate.half_width
                    end = min(100.0, end) if measure.part else end
                    axes.plot([start, end], [place, place], "|-", color="#222222", linewidth=1.2, markersize=6)
                label = f"{rate.mean:.1f}" if in_per_cent else f"{rate.mean:.4g}"
                axes.annotate(label, (end, place), (5, 0), textcoords="offset points", va="center", fontsize=9)
                reach = max(reach, end)
        axes.set_xlim(0, 1.1 * reach)
        axes.set_xlabel(_axis(measure, table.noun))
        labels = [textwrap.fill(row.label, LABEL_COLUMNS, break_on_hyphens=False) for row in table.rows]
        axes.set_yticks(range(len(table.rows)), labels, parse_math=False)
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.margins(y=0.02)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=min(count, LEGEND_COLUMNS), frameon=False)
        title = textwrap.fill(table.title, TITLE_COLUMNS)
        figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=10, parse_math=False)
        save(figure, path)


def save(figure: Any, path: Path, dots: int = DOTS_PER_INCH) -> None:
    """As PNG, `dots` per inch, whole or not at all: the same figure gives the same bytes. Raises ComposedError."""
    write_atomically(path, partial(figure.savefig, format="png", dpi=dots, metadata={"Software": None}))


def _axis(measure: Measure, noun: str) -> str:
    if measure.part:
        return f"{measure.name} {noun}, per cent; line: 95% interval"
    name = ", ".join(filter(None, (measure.name, measure.unit)))
    return f"{name} ({measure.better} is better)\nline: 95% interval" if measure.better else name


def _label(split: str) -> str:
    """As it is in the data, where it has no name of ours."""
    name = split_name(split)
    return name.lower() if name != split else name
