"""`figure_forgetting.py PER_REPLICATE.csv OUT.png`: how right a mode is against how much of the denoiser f has lost.

Drawn from the file that a report writes, a point for the own output of each mode. What f has lost is the share of
corrupted outputs that Pi repairs, less that which f repairs, in points. Lines are 95% intervals over replicates.
"""

import csv
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composed.reporting.plot import COLOURS, save
from composed.reporting.runs import split_name
from composed.reporting.statistics import Estimate, estimate

OURS, THEIRS, MEASURE = "f_repaired_%", "Pi_repaired_%", "correct"
Point = tuple[Estimate, Estimate]  # what is lost, and what is right


def read(path: Path) -> dict[str, dict[str, Point]]:
    """{test set: {row: point}}. Raises ValueError where the file does not say what f has kept."""
    lost: dict[tuple[str, str], list[float]] = defaultdict(list)
    right: dict[tuple[str, str], list[float]] = defaultdict(list)
    with open(path, encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if not line.keys() >= {OURS, THEIRS, MEASURE}:
                raise ValueError(f"{path}: no column {OURS}, {THEIRS} or {MEASURE}; write the report anew")
            if line[OURS] and line[THEIRS] and line[MEASURE]:
                place = line["split"], line["row"]
                lost[place].append(float(line[THEIRS]) - float(line[OURS]))
                right[place].append(float(line[MEASURE]))
    points: dict[str, dict[str, Point]] = defaultdict(dict)
    for split, row in lost:
        points[split][row] = estimate(lost[split, row]), estimate(right[split, row])
    if not points:
        raise ValueError(f"{path}: no row says what f has kept of its denoiser")
    return points


def draw(points: Mapping[str, Mapping[str, Point]], path: Path) -> None:
    import matplotlib.style
    from matplotlib.figure import Figure

    rows = [*dict.fromkeys(row for of_split in points.values() for row in of_split)]
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(4.5 * len(points) + 2.5, 4.5), layout="constrained")
        panels = figure.subplots(1, len(points), squeeze=False)[0]
        for axes, (split, of_split) in zip(panels, points.items(), strict=True):
            for row, point in of_split.items():
                _mark(axes, rows.index(row), row, point)
            axes.set_title(split_name(split), fontsize=10)
            axes.set_xlabel("corrupted outputs that Pi repairs and f does not, points")
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel("correct, %; lines: 95% intervals")
        panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5))
        save(figure, path, 140)


def _mark(axes: Any, number: int, row: str, point: Point) -> None:
    (x, y), reach = [value.mean for value in point], [value.half_width or 0 for value in point]
    colour, marker = COLOURS[number % len(COLOURS)], "osD^v"[number // len(COLOURS) % 5]
    axes.errorbar(x, y, reach[1], reach[0], fmt=marker, color=colour, markersize=6, elinewidth=0.8, label=row)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    try:
        draw(read(source), target)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
