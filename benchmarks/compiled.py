"""Whether torch.compile pays: the quick model's training step, compiled against eager, in bf16 on one thread.

    python benchmarks/compiled.py [--updates 60]

Our dropout writes through views that the compiler cannot trace, so that torch's own stands in for both sides. Row
lengths change from batch to batch: the step is compiled for all of them at once.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from contenders import Composed
from race import quick_setup

from composed.models.layers import Dropout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    setup = quick_setup()
    learned = setup.pop("learned")
    contender = Composed(setup)
    Dropout.forward = nn.Dropout.forward  # type: ignore[method-assign]
    batches = contender.read(learned)[: options.updates]
    model = contender.model
    eager, compiled = model.token_nll, torch.compile(model.token_nll, dynamic=True)

    def run(token_nll) -> tuple[float, float]:
        contender.loss = lambda source, target: token_nll(source, target).sum()
        cpu, wall = time.process_time(), time.perf_counter()
        for batch in batches:
            contender.train("bf16", [batch])
        return time.process_time() - cpu, time.perf_counter() - wall

    run(eager)
    print(f"compiling and the first {len(batches)} updates: {run(compiled)[1]:.0f} s")
    ratios = []
    for _ in range(5):
        ratios.append(run(compiled)[0] / run(eager)[0])
    model.eval()
    with torch.no_grad():
        apart = max((eager(*batch).sum() / compiled(*batch).sum() - 1).abs().item() for batch in batches[:8])
    print(
        f"CPU time of compiled to eager updates: {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        f", load {os.getloadavg()[0]:.1f}, torch {torch.__version__}; losses in fp32 within {apart:.0e} of each other"
    )


if __name__ == "__main__":
    main()
