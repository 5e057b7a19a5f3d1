"""Compiled beam search beside the plain one, and beside greedy rows: CPU time in alternating pairs, one thread.

    python benchmarks/beams.py [--pairs 7] [--updates 200] [--out results/benchmarks/beams]

The quick model of `race.py` after some updates, so that rows end as those of a trained f do; 64 sources of its data.
"""

import argparse
import datetime
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from contenders import Composed
from race import quick_setup

from composed.models import decoding, native

SOURCES, LONGEST = 64, 150
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def ratio(first: Callable[[], Tensor], second: Callable[[], Tensor], pairs: int) -> tuple[str, float]:
    """CPU time of the first to the second, pair by pair; and the share of rows that are the same in both."""
    ratios = []
    for _ in range(pairs):
        seconds = []
        for run in (first, second):
            before = time.process_time()
            run()
            seconds.append(time.process_time() - before)
        ratios.append(seconds[0] / seconds[1])
    same = (first() == second()).all(1).double().mean().item()
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]", same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/beams"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    setup = quick_setup()
    setup["learned"] = setup["learned"][: options.updates]
    contender = Composed(setup)
    model = contender.model.eval()
    rows = [row[row != 0] for source, _ in contender.read(setup["learned"]) for row in source][:SOURCES]
    source = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lines = [
        "# Beam search, compiled and plain",
        "",
        f"`python benchmarks/beams.py --pairs {options.pairs} --updates {options.updates}`, {datetime.date.today()}, "
        f"load {os.getloadavg()[0]:.1f}; torch {torch.__version__}, Python {platform.python_version()}. {SOURCES} "
        f"sources, at most {LONGEST} tokens, one thread; median of the pairs' ratios of CPU time, [least, greatest]. "
        "In fp32 both find the same rows but for near ties; in bf16 each rounds in its own way.",
        "",
        "| precision | beams | plain / compiled | rows that are the same | compiled / compiled greedy |",
        "| --- | --: | --: | --: | --: |",
    ]
    with torch.inference_mode():
        for name, precision in PRECISIONS.items():
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
                encoded = model.encode(source)
                greedy = partial(native.generate, model, encoded, 1, LONGEST)
                for beams in (2, 4, 8):
                    compiled = partial(native.beam_search, model, encoded, beams, LONGEST)
                    plain = partial(decoding.beam_search, model, encoded, beams, LONGEST)
                    faster, same = ratio(plain, compiled, options.pairs)
                    dearer, _ = ratio(compiled, greedy, options.pairs)
                    lines.append(f"| {name} | {beams} | {faster} | {same:.0%} | {dearer} |")
    print("\n".join(lines))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
