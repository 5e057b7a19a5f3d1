"""The table as a picture: correct rate per row, ID and OOD, with 95% intervals.

The same table gives the same bytes, whatever the user's matplotlibrc says. Leaves out the error classes.
"""

import textwrap
from functools import partial
from pathlib import Path

from composed.files import write_atomically
from composed.reporting.runs import SPLITS
from composed.reporting.table import SPLIT_NAMES, Table

COLOURS = {"id": "#0072b2", "ood": "#e69f00"}
WIDTH_INCHES, DOTS_PER_INCH = 7.0, 200
BAR = 0.36
TITLE_COLUMNS = 88


def draw(table: Table, path: Path) -> None:
    """Write `path` as PNG, 1400 pixels wide and meant to be shown at half that; raises ComposedError if it cannot."""
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        figure = Figure(figsize=(WIDTH_INCHES, 1.3 + 0.5 * len(table.rows)), layout="constrained")
        axes = figure.add_subplot()
        reach = 1.0
        for split, side in zip(SPLITS, (-0.5, 0.5), strict=True):
            rates = [row.rate(split, "correct") for row in table.rows]
            means = [rate.mean for rate in rates]
            places = [number + side * BAR for number in range(len(rates))]
            axes.barh(places, means, BAR, color=COLOURS[split], label=SPLIT_NAMES[split].lower())
            for rate, place in zip(rates, places, strict=True):
                end = rate.mean
                if rate.half_width is not None:
                    start, end = max(0.0, end - rate.half_width), min(100.0, end + rate.half_width)
                    axes.plot([start, end], [place, place], "|-", color="#222222", linewidth=1.2, markersize=6)
                label = f"{rate.mean:.1f}"
                axes.annotate(label, (end, place), (5, 0), textcoords="offset points", va="center", fontsize=9)
                reach = max(reach, end)
        axes.set_xlim(0, 1.1 * reach)
        axes.set_xlabel("correct programs, per cent; line: 95% interval over seeds")
        axes.set_yticks(range(len(table.rows)), [row.label for row in table.rows], parse_math=False)
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.margins(y=0.02)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(SPLITS), frameon=False)
        title = textwrap.fill(table.title, TITLE_COLUMNS)
        figure.suptitle(title, x=0.01, horizontalalignment="left", fontsize=10, parse_math=False)
        save = partial(figure.savefig, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        write_atomically(path, save)
