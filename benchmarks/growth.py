"""Speed of training and decoding as batches, rows and models grow: tokens per CPU second, as a picture.

    python benchmarks/growth.py [--threads 2] [--rounds 3] [--out results/benchmarks/growth]

Our transformer (3+3 layers, vocabulary of 600, bf16 where the processor has it) on random tokens. One size grows at a
time, from 44 rows of 90 tokens and width 256; rows that get longer get fewer, so that a batch keeps its tokens. Points
are visited in turn, round after round; the best of the rounds counts, which the machine disturbed least.
"""

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import torch

from composed.models.transformer import Transformer
from composed.runs.folder import environment

TOKENS, LENGTH, WIDTH = 3960, 90, 256
POINTS = {
    "rows in a batch": [(rows, LENGTH, WIDTH) for rows in (1, 4, 16, 44, 128)],
    "tokens in a row": [(max(1, TOKENS // length), length, WIDTH) for length in (50, 90, 200, 500, 1000, 2000)],
    "width of the model": [(TOKENS // LENGTH, LENGTH, width) for width in (64, 128, 256, 512)],
}
COLUMN = {"rows in a batch": 0, "tokens in a row": 1, "width of the model": 2}


def works(rows: int, length: int, width: int) -> dict[str, Callable[[], Any]]:
    torch.manual_seed(0)
    model = Transformer(600, width=width, layers=3, heads=max(1, width // 128), feedforward=4 * width, dropout=0.1)
    ids = torch.randint(3, 600, (rows, length))

    def train() -> None:
        model.train().zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.nll(ids, ids).sum()
        loss.backward()

    def greedy() -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            model.eval().decode(ids, 1, length, min_length=length)

    return {"training": train, "greedy decoding": greedy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/growth"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    points = sorted({point for points in POINTS.values() for point in points})
    best: dict[tuple[str, tuple[int, int, int]], float] = {}
    loads = []
    for round_ in range(options.rounds + 1):
        for point in points:
            for name, work in works(*point).items():
                start = time.process_time()
                work()
                rate = point[0] * point[1] / (time.process_time() - start)
                if round_:  # the first warms up
                    best[name, point] = max(rate, best.get((name, point), 0.0))
        loads.append(os.getloadavg()[0])
    place = environment()
    facts = {
        "command": f"python benchmarks/growth.py --threads {options.threads} --rounds {options.rounds}",
        "date": str(datetime.date.today()),
        "machine": f"{place['processor']}, {os.cpu_count()} cores, load {min(loads):.1f} to {max(loads):.1f}",
        "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
        "tokens per CPU second": [
            {"rows": point[0], "length": point[1], "width": point[2], name: round(rate)}
            for (name, point), rate in best.items()
        ],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    draw(best, options.out.with_suffix(".png"))


def draw(best: dict[tuple[str, tuple[int, int, int]], float], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    for axis, (what, points) in zip(axes, POINTS.items(), strict=True):
        sizes = [point[COLUMN[what]] for point in points]
        for name, colour in (("training", "#0072b2"), ("greedy decoding", "#d55e00")):
            axis.loglog(sizes, [best[name, point] for point in points], "o-", color=colour, label=name)
        axis.set_xlabel(what)
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("tokens per CPU second")
    axes[0].legend(frameon=False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
