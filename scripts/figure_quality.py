"""`figure_quality.py PER_REPLICATE.csv OUT.png`: what a denoiser gives against how good it is, a dot per replicate.

Drawn from the file that a report writes, for each test set: the gain of the denoiser at test time over standard
fine-tuning, and that of composed fine-tuning over it, both in the same replicate with the same denoiser. A line joins
the means of the table's variants.
"""

import csv
import sys
from collections import defaultdict
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from composed.reporting.plot import save
from composed.reporting.runs import split_name

QUALITY, MEASURE = "Pi_repaired_%", "correct"
TEST_TIME = "standard + test-time denoiser"
GAINS = {  # of a row over another, by how they are called
    "denoiser at test time − standard": (TEST_TIME, "standard", "#0072b2"),
    "composed − denoiser at test time": ("composed", TEST_TIME, "#d55e00"),
    "composed − through the identity": ("composed", "composed_identity", "#009e73"),
}
Values = dict[tuple[str, str, str], dict[str, tuple[float, float]]]  # (split, variant, row): replicate: quality, value


def read(path: Path) -> Values:
    """Raises ValueError where the file has no such columns, or no row with a denoiser."""
    values: Values = defaultdict(dict)
    with open(path, encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if QUALITY not in line or MEASURE not in line:
                raise ValueError(f"{path}: has no column {QUALITY} or {MEASURE}; write the report anew")
            name, _, variant = line["row"].partition(", ")
            if line[QUALITY] and line[MEASURE]:
                point = float(line[QUALITY]), float(line[MEASURE])
                values[line["split"], variant, name][line["replicate"]] = point
    if not values:
        raise ValueError(f"{path}: no row has a denoiser")
    return values


def gains(values: Values, split: str, row: str, reference: str) -> dict[str, list[tuple[float, float]]]:
    """By variant (quality, gain) of every replicate that both rows have."""
    points = {}
    for test, variant, name in values:
        if (test, name) == (split, row) and (split, variant, reference) in values:
            ours, theirs = values[split, variant, row], values[split, variant, reference]
            points[variant] = [
                (ours[each][0], ours[each][1] - theirs[each][1]) for each in sorted(ours.keys() & theirs)
            ]
    return {variant: of_variant for variant, of_variant in points.items() if of_variant}


def draw(values: Values, path: Path) -> None:
    import matplotlib.style
    from matplotlib.figure import Figure

    splits = [*dict.fromkeys(split for split, _, _ in values)]
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(4.5 * len(splits) + 0.5, 4), layout="constrained")
        for axes, split in zip(figure.subplots(1, len(splits), sharey=True, squeeze=False)[0], splits, strict=True):
            _panel(axes, values, split)
        figure.axes[0].set_ylabel("gain in correct programs, points")
        figure.axes[0].legend(frameon=False, fontsize=9)
        save(figure, path, 140)


def _panel(axes: Any, values: Values, split: str) -> None:
    axes.axhline(0, color="#999999", linewidth=0.8)
    for words, (row, reference, colour) in GAINS.items():
        points = gains(values, split, row, reference)
        means = sorted((fmean(x for x, _ in of), fmean(y for _, y in of)) for of in points.values())
        if means:
            axes.plot(*zip(*means, strict=True), "-", color=colour, label=words)
            axes.plot(
                *zip(*chain.from_iterable(points.values()), strict=True), "o", color=colour, markersize=4, alpha=0.5
            )
    axes.set_title(split_name(split), fontsize=10)
    axes.set_xlabel("corrupted programs that the denoiser repairs, %")
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    try:
        draw(read(source), target)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
