"""Where a training step and a composed step spend their time: torch's profiler, operators by their own CPU time.

Before that the limit: how many multiplications and additions a composed step has for each one of a standard step, in
matrix products. What is below it, is not to be had without doing less.

    python benchmarks/profile_steps.py [--top 12] [--out results/benchmarks/profile]

The quick model and batches of `race.py`, one thread; each step with compiled decoding and without it.
"""

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path
from typing import Any

import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import torch
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
from contenders import Composed
from race import quick_setup

from composed.models import native

STEPS: dict[str, dict[str, Any]] = {
    "standard step": {"do": "train"},
    "composed step, 1 sample": {"do": "composed", "samples": 1},
    "composed step, 4 samples": {"do": "composed", "samples": 4},
}


def arithmetic(contender: Composed) -> list[str]:
    """The operations in matrix products of each step, compiled decoding apart, and how many standard steps that is."""
    counts = {}
    for name, request in STEPS.items():
        with FlopCounterMode(display=False) as counter:
            contender.answer({**request, "precision": "bf16"})
        counts[name] = counter.get_total_flops() / 8e9
    rows = [f"| {name} | {count:.1f} | {count / counts['standard step']:.2f} |" for name, count in counts.items()]
    head = ["", "| in matrix products, decoding apart | GFLOP a step | standard steps |", "| --- | --: | --: |"]
    return [*head, *rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--top", type=int, default=12, help="operators of each step")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/profile"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    contender = Composed(quick_setup())
    lines = [
        "# Where the steps spend their time",
        "",
        f"`python benchmarks/profile_steps.py --top {options.top}`, {datetime.date.today()}, load "
        f"{os.getloadavg()[0]:.1f}; torch {torch.__version__}, Python {platform.python_version()}. Eight steps of "
        "profile=quick, one thread, bf16; each operator's own CPU time, what it calls apart.",
        *arithmetic(contender),
    ]
    generate, applies = native.generate, native.applies

    def named(*arguments: Any) -> torch.Tensor:
        with record_function("compiled decoding"):
            return generate(*arguments)

    native.generate = named
    for compiled in (False, True):
        native.applies = applies if compiled else lambda _model: False
        for name, request in STEPS.items():
            if compiled and request["do"] == "train":
                continue
            contender.answer({**request, "precision": "bf16"})
            with profile(activities=[ProfilerActivity.CPU]) as trace:
                contender.answer({**request, "precision": "bf16"})
            events = sorted(trace.key_averages(), key=lambda event: -event.self_cpu_time_total)
            total = sum(event.self_cpu_time_total for event in events)
            how = "" if request["do"] == "train" else f", {'compiled' if compiled else 'plain'} decoding"
            lines += ["", f"## {name}{how}: {total / 8000:.1f} ms a step", "", "| operator | calls | ms | share |"]
            lines += ["| --- | --: | --: | --: |"]
            lines += [
                f"| {event.key} | {event.count / 8:.0f} | {event.self_cpu_time_total / 8000:.2f} | "
                f"{event.self_cpu_time_total / total:.1%} |"
                for event in events[: options.top]
            ]
    print("\n".join(lines))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
